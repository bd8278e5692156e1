//! A tokio runtime whose clock stands until it is told to go on. A tick is a
//! millisecond.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::time::{self, Instant};

pub struct Paused {
    runtime: Runtime,
    start: Instant,
    ticks: AtomicU64,
}

impl Paused {
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let start = {
            let _inside = runtime.enter();
            Instant::now()
        };
        Self { runtime, start, ticks: AtomicU64::new(0) }
    }

    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    pub fn at(&self, tick: u64) -> Instant {
        self.start + Duration::from_millis(tick)
    }

    /// Moves the clock on, and has the runtime wake what is due.
    pub fn pass(&self, now: u64) {
        let passed = now.saturating_sub(self.ticks.fetch_max(now, AcqRel));
        self.runtime.block_on(time::advance(Duration::from_millis(passed)));
    }
}
