//! Read after `limit.rs`. Where ticks come from: the wheel and the gate know
//! whole ticks only, so that time can be the system's or a test's.
//!
//! *Rule*: durations round up to ticks. What has come is judged by the present
//! rounded down, and what is to come is reckoned from the present rounded up.
//! So what waits `ticks(d)` never ends before `d` has passed.
//!
//! *Memory orderings*: every access is `Relaxed`. A tick is a number that
//! publishes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A source of the present, in whole ticks since some moment of its own,
/// rounded down.
///
/// It should not go back; where it does, timers fire late, never early.
pub trait Clock: Send + Sync {
    /// The ticks that have passed.
    fn now(&self) -> u64;

    /// The same, rounded up: where a wait that begins now is reckoned from. To
    /// be overridden by a clock that sees parts of ticks.
    fn now_rounded_up(&self) -> u64 {
        self.now()
    }

    /// The ticks that have passed, rounded down and rounded up, by one look at
    /// the clock. To be overridden where two looks cost more than one.
    fn now_both_ways(&self) -> (u64, u64) {
        (self.now(), self.now_rounded_up())
    }
}

/// What points to a clock is one.
macro_rules! pointer {
    ($pointer:ty) => {
        impl<C: Clock + ?Sized> Clock for $pointer {
            fn now(&self) -> u64 {
                (**self).now()
            }

            fn now_rounded_up(&self) -> u64 {
                (**self).now_rounded_up()
            }

            fn now_both_ways(&self) -> (u64, u64) {
                (**self).now_both_ways()
            }
        }
    };
}

pointer!(Arc<C>);
pointer!(&C);

/// The system's monotonic clock, in ticks since this value was made.
///
/// Copies have the same beginning and so the same ticks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
    tick: Duration,
}

impl SystemClock {
    /// A clock that starts now, with ticks of this length.
    ///
    /// # Panics
    ///
    /// If `tick` is zero.
    pub fn new(tick: Duration) -> Self {
        assert!(!tick.is_zero(), "the tick of a clock is zero");
        Self { start: Instant::now(), tick }
    }

    /// The length of a tick.
    pub const fn tick(&self) -> Duration {
        self.tick
    }

    /// A duration in ticks, rounded up: never shorter than asked for.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::SystemClock;
    ///
    /// let clock = SystemClock::new(Duration::from_millis(10));
    /// assert_eq!(clock.ticks(Duration::from_millis(11)), 2);
    /// assert_eq!(clock.ticks(Duration::MAX), u64::MAX);
    /// ```
    pub fn ticks(&self, duration: Duration) -> u64 {
        let (ticks, rest) = divide(duration, self.tick);
        ticks.saturating_add(u64::from(rest))
    }

    /// How long until this tick begins: zero if it has.
    pub fn until(&self, tick: u64) -> Duration {
        let nanos = self.tick.as_nanos().saturating_mul(u128::from(tick));
        let (seconds, nanos) = (nanos / 1_000_000_000, (nanos % 1_000_000_000) as u32);
        let begins = Duration::new(u64::try_from(seconds).unwrap_or(u64::MAX), nanos);
        begins.saturating_sub(self.start.elapsed())
    }
}

/// The whole ticks of a duration, and whether there is a rest.
pub(crate) fn divide(duration: Duration, tick: Duration) -> (u64, bool) {
    let (nanos, tick) = (duration.as_nanos(), tick.as_nanos());
    match (u64::try_from(nanos), u64::try_from(tick)) {
        // What it nearly always is, in a fraction of the time.
        (Ok(nanos), Ok(tick)) => (nanos / tick, nanos % tick > 0),
        _ => (u64::try_from(nanos / tick).unwrap_or(u64::MAX), nanos % tick > 0),
    }
}

/// Ticks of a millisecond.
impl Default for SystemClock {
    fn default() -> Self {
        Self::new(Duration::from_millis(1))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        divide(self.start.elapsed(), self.tick).0
    }

    fn now_rounded_up(&self) -> u64 {
        self.ticks(self.start.elapsed())
    }

    fn now_both_ways(&self) -> (u64, u64) {
        let (now, rest) = divide(self.start.elapsed(), self.tick);
        (now, now.saturating_add(u64::from(rest)))
    }
}

/// A clock that moves when it is told to: for tests and simulations.
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

    /// Moves on by so many ticks.
    pub fn advance(&self, ticks: u64) {
        self.now.fetch_add(ticks, Relaxed);
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

/// Remembers what another clock said last, so that reading it costs one load.
///
/// Whoever drives the wheel calls [`refresh`](Self::refresh) as often as the
/// caller wants time to be exact: between two calls time stands still, so a
/// timer touched then may fire early by as much.
#[derive(Debug)]
pub struct CoarseClock<C> {
    inner: C,
    last: AtomicU64,
    last_rounded_up: AtomicU64,
}

impl<C: Clock> CoarseClock<C> {
    /// Remembers what `inner` says now.
    pub fn new(inner: C) -> Self {
        let last = AtomicU64::new(inner.now());
        let last_rounded_up = AtomicU64::new(inner.now_rounded_up());
        Self { inner, last, last_rounded_up }
    }

    /// Reads the inner clock, remembers what it said, and returns it.
    pub fn refresh(&self) -> u64 {
        let now = self.inner.now();
        self.last.store(now, Relaxed);
        self.last_rounded_up.store(self.inner.now_rounded_up(), Relaxed);
        now
    }

    /// The clock that is read by [`refresh`](Self::refresh).
    pub const fn inner(&self) -> &C {
        &self.inner
    }
}

impl<C: Clock> Clock for CoarseClock<C> {
    fn now(&self) -> u64 {
        self.last.load(Relaxed)
    }

    fn now_rounded_up(&self) -> u64 {
        self.last_rounded_up.load(Relaxed)
    }
}
