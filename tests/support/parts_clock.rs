//! A clock whose present may lie within a tick, as that of a system does, and
//! that may lie behind the time, as a cheap one does.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use headcount::Clock;

/// The parts of a tick.
pub const PARTS: u64 = 10;

/// Time in parts of ticks, as it is told; the clock moves on in steps.
#[derive(Debug)]
pub struct PartsClock {
    parts: AtomicU64,
    step: u64,
}

impl PartsClock {
    /// A clock that moves on by so many parts at once, and so lies behind by
    /// one less at most.
    pub fn in_steps_of(step: u64) -> Self {
        Self { parts: AtomicU64::new(0), step }
    }

    pub fn set_parts(&self, parts: u64) {
        self.parts.store(parts, Relaxed);
    }

    /// What the clock says at that time.
    pub fn both_ways_at(&self, parts: u64) -> (u64, u64) {
        let read = parts - parts % self.step;
        (read / PARTS, (read + self.step - 1).div_ceil(PARTS))
    }
}

/// A clock that is never behind.
impl Default for PartsClock {
    fn default() -> Self {
        Self::in_steps_of(1)
    }
}

impl Clock for PartsClock {
    fn now(&self) -> u64 {
        self.now_both_ways().0
    }

    fn now_rounded_up(&self) -> u64 {
        self.now_both_ways().1
    }

    fn now_both_ways(&self) -> (u64, u64) {
        self.both_ways_at(self.parts.load(Relaxed))
    }
}
