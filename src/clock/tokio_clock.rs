//! Read after `system.rs`. Time as a tokio runtime has it: the system's, or where
//! a test has paused it, the test's.

use std::time::Duration;

use tokio::time::Instant;

use super::ticks::{Clock, Ticks, nanos_of};

/// The clock of a tokio runtime, in ticks since this value was made: the system's
/// monotonic clock, unless the runtime's time is paused. Needs the feature `tokio`.
///
/// For tests under `#[tokio::test(start_paused = true)]`: with it, a gate's time
/// is what `tokio::time::sleep` and `advance` make it. Only on threads of the
/// runtime: others always have the system's time. A wait by it ends as late, and
/// counts the time for which the machine is suspended or does not, as by
/// [`SystemClock::precise`](crate::SystemClock::precise); it costs a look at the
/// runtime more.
///
/// Copies have the same beginning and so the same ticks.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use headcount::{Clock, TokioClock};
///
/// let runtime = tokio::runtime::Builder::new_current_thread()
///     .enable_time()
///     .start_paused(true)
///     .build()
///     .expect("a runtime");
/// runtime.block_on(async {
///     let clock = TokioClock::new(Duration::from_millis(10));
///     tokio::time::advance(Duration::from_millis(25)).await;
///     assert_eq!((clock.now(), clock.now_rounded_up()), (2, 3));
/// });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: Instant,
    tick: Duration,
    ticks: Ticks,
}

impl TokioClock {
    /// A clock that starts now, with ticks of this length: that of the
    /// [`tick`](crate::GateBuilder::tick) of the gate that it is for.
    ///
    /// # Panics
    ///
    /// If `tick` is zero.
    pub fn new(tick: Duration) -> Self {
        Self { start: Instant::now(), tick, ticks: Ticks::new(tick, Duration::ZERO) }
    }

    /// The length of a tick.
    pub const fn tick(&self) -> Duration {
        self.tick
    }
}

/// Ticks of a millisecond.
impl Default for TokioClock {
    fn default() -> Self {
        Self::new(Duration::from_millis(1))
    }
}

impl Clock for TokioClock {
    fn now(&self) -> u64 {
        self.now_both_ways().0
    }

    fn now_rounded_up(&self) -> u64 {
        self.now_both_ways().1
    }

    fn now_both_ways(&self) -> (u64, u64) {
        self.ticks.both_ways(nanos_of(self.start.elapsed()))
    }

    fn tick_length(&self) -> Option<Duration> {
        Some(self.tick)
    }
}
