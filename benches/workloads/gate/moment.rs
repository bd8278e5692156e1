//! The clocks that managers under a lock take the time from.

use std::ops::Add;
use std::time::{Duration, Instant};

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
