//! Read after `readings.rs`. The system's monotonic clock in ticks, read
//! cheaply or exactly.
//!
//! *Invariant*: a reading lies behind the time by at most `lag`, so the time in
//! ticks is from `reading / tick` to `(reading + lag) / tick`; the first is
//! `now`, the second rounded up is `now_rounded_up`.

use std::time::Duration;

use super::readings::Source;
use super::ticks::{Clock, Ticks, duration_of, ticks_of};

/// The system's monotonic clock, in ticks since this value was made.
///
/// A tick is a unit, not a resolution: on Linux and Android the clock is read
/// from a source that costs a third of an exact look and moves on in steps, of
/// one to ten milliseconds as the kernel is made, whatever the tick is. Elsewhere,
/// and if it is [precise](Self::precise), it sees nanoseconds.
///
/// # How late a wait ends
///
/// Never early: the [lag](Self::lag), the most that the clock may lie behind the
/// time, is added where a wait begins. It is seven steps of the source, and the
/// clock shows an end up to two steps late, or up to seven under load. So a wait of
/// whole ticks is longer by at most nine steps and a tick, or 14 under load: by 37
/// milliseconds, or 57, where the kernel's timer runs 250 times a second and a tick is
/// one. A precise clock adds a tick at most. Whoever drives the wheel or the gate adds
/// what it sleeps too long.
///
/// *When that does not hold*: where a hypervisor stops all processors of a machine
/// and a thread runs on before the kernel has looked at the time, the source may lie
/// behind by more than the lag, and a wait that begins at that moment is shorter by the
/// excess. Where that matters, take a precise clock.
///
/// # While the machine is suspended
///
/// Time does not pass on Linux, Android and macOS: a wait is longer by as
/// much. On Windows it does. Elsewhere it is as [`Instant`](std::time::Instant)
/// has it there.
///
/// Copies have the same beginning and so the same ticks.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use headcount::{Clock, SystemClock};
///
/// let clock = SystemClock::new(Duration::from_millis(10));
/// let (now, rounded_up) = clock.now_both_ways();
/// assert!(now <= rounded_up);
/// assert!(SystemClock::precise(clock.tick()).lag().is_zero());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    source: Source,
    /// What was read when the clock was made.
    start: u64,
    tick: Duration,
    ticks: Ticks,
}

impl SystemClock {
    /// How many of the source's steps the shortest timeout is at least that a
    /// clock is read cheaply for.
    const STEPS: u32 = 50;

    /// A clock that starts now, with ticks of this length, read as cheaply as the
    /// system allows.
    ///
    /// # Panics
    ///
    /// If `tick` is zero.
    pub fn new(tick: Duration) -> Self {
        Self::of(Source::CHEAPEST, tick)
    }

    /// The same, read exactly: for timeouts of a few milliseconds.
    ///
    /// # Panics
    ///
    /// If `tick` is zero.
    pub fn precise(tick: Duration) -> Self {
        Self::of(Source::Exact, tick)
    }

    /// The one of the two that is good enough for waits of `shortest` and more:
    /// the cheap one if that is at least 50 of its steps, the fifth part of a
    /// second where the kernel's timer runs 250 times a second.
    ///
    /// # Panics
    ///
    /// If `tick` is zero.
    pub fn for_timeouts(tick: Duration, shortest: Duration) -> Self {
        let cheap = Self::new(tick);
        let is_enough = shortest >= Self::STEPS * cheap.source.step();
        if is_enough { cheap } else { Self::precise(tick) }
    }

    fn of(source: Source, tick: Duration) -> Self {
        let ticks = Ticks::new(tick, source.lag());
        Self { source, start: source.read(), tick, ticks }
    }

    /// The length of a tick.
    pub const fn tick(&self) -> Duration {
        self.tick
    }

    /// The most that the clock may lie behind the time; zero if it is precise.
    pub fn lag(&self) -> Duration {
        self.ticks.lag()
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
        ticks_of(duration, self.tick)
    }

    /// How long to sleep until this clock [shows](Clock::now) this tick: zero if
    /// it does. Whoever wakes before it does, because the clock lies behind by more
    /// than usual, asks again.
    pub fn until(&self, tick: u64) -> Duration {
        if self.now() >= tick {
            return Duration::ZERO;
        }
        let begins = duration_of(tick, self.tick);
        let passed = Duration::from_nanos(Source::Exact.read().saturating_sub(self.start));
        let step = self.source.step();
        begins.saturating_add(2 * step).saturating_sub(passed).max(step)
    }

    #[inline]
    fn elapsed(&self) -> u64 {
        self.source.read().saturating_sub(self.start)
    }
}

/// Ticks of a millisecond.
impl Default for SystemClock {
    fn default() -> Self {
        Self::new(Duration::from_millis(1))
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> u64 {
        self.ticks.rounded_down(self.elapsed())
    }

    #[inline]
    fn now_rounded_up(&self) -> u64 {
        self.ticks.both_ways(self.elapsed()).1
    }

    #[inline]
    fn now_both_ways(&self) -> (u64, u64) {
        self.ticks.both_ways(self.elapsed())
    }

    fn tick_length(&self) -> Option<Duration> {
        Some(self.tick)
    }
}
