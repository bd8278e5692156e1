//! A clock whose present may lie within a tick, as that of a system does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use headcount::Clock;

/// The parts of a tick.
pub const PARTS: u64 = 10;

/// Time in parts of ticks, as it is told.
#[derive(Debug, Default)]
pub struct PartsClock(AtomicU64);

impl PartsClock {
    pub fn set_parts(&self, parts: u64) {
        self.0.store(parts, Relaxed);
    }

    fn parts(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Clock for PartsClock {
    fn now(&self) -> u64 {
        self.parts() / PARTS
    }

    fn now_rounded_up(&self) -> u64 {
        self.parts().div_ceil(PARTS)
    }

    fn now_both_ways(&self) -> (u64, u64) {
        let parts = self.parts();
        (parts / PARTS, parts.div_ceil(PARTS))
    }
}
