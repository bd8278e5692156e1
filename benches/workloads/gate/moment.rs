//! The clocks that managers under a lock take the time from.

use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use headcount::Clock;

/// The present, as a manager keeps it.
pub trait Moment: Copy + Ord + Add<Duration, Output = Self> + Send + Sync + 'static {
    fn now() -> Self;
}

/// What people write.
impl Moment for Instant {
    fn now() -> Self {
        Self::now()
    }
}

/// What the gate reads: as cheap, and as far behind.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coarse(Duration);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Moment for Coarse {
    fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
        Self(Duration::new(now.tv_sec as u64, now.tv_nsec as u32))
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Add<Duration> for Coarse {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0 + later)
    }
}

/// A clock that stands until it is moved, for managers and gates alike. There is one
/// of it: cases are measured one after another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manual(Duration);

/// What [`Manual`] shows, in milliseconds.
static MANUAL: AtomicU64 = AtomicU64::new(0);

impl Manual {
    pub fn pass(span: Duration) {
        MANUAL.fetch_add(span.as_millis() as u64, Relaxed);
    }
}

impl Moment for Manual {
    fn now() -> Self {
        Self(Duration::from_millis(MANUAL.load(Relaxed)))
    }
}

impl Add<Duration> for Manual {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0 + later)
    }
}

/// [`Manual`], as a gate reads it, in ticks of a millisecond.
pub struct ManualTicks;

impl Clock for ManualTicks {
    fn now(&self) -> u64 {
        MANUAL.load(Relaxed)
    }
}
