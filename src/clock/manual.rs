//! Read after `ticks.rs`. A clock for tests.

use super::ticks::Clock;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A clock that moves when it is told to: for tests and simulations.
///
/// It sees no parts of ticks, so no wait by it ends late.
///
/// # Example
///
/// ```
/// use headcount::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// clock.advance(5);
/// assert_eq!(clock.now(), 5);
/// ```
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
}

impl ManualClock {
    /// A clock at tick 0.
    pub fn new() -> Self {
        Self::at(0)
    }

    /// A clock at this tick.
    pub fn at(now: u64) -> Self {
        Self { now: AtomicU64::new(now) }
    }

    /// Moves to this tick, forward or back.
    pub fn set(&self, now: u64) {
        self.now.store(now, Relaxed);
    }

    /// Moves on by so many ticks, at most to the last, `u64::MAX`.
    pub fn advance(&self, ticks: u64) {
        let mut now = self.now.load(Relaxed);
        loop {
            let next = now.saturating_add(ticks);
            match self.now.compare_exchange_weak(now, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(is) => now = is,
            }
        }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }
}
