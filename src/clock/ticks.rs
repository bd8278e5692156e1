//! Read after `mod.rs`. What a clock is, and the arithmetic that clocks share:
//! from nanoseconds to ticks, rounded down and rounded up.
//!
//! *A division without dividing*: a clock is read on every request, and a
//! division by a number that is only known at run time is the dearest part of
//! that. With `r = floor((2^64 - 1) / length)` the upper half of `nanos * r`
//! is the quotient or one less: `r > 2^64 / length - 1`, so `nanos * r / 2^64`
//! is more than `nanos / length - 1`. The rest tells which.

use std::sync::Arc;
use std::time::Duration;

/// A source of the present, in whole ticks since some moment of its own.
///
/// [`now`](Self::now) never lies ahead of the time, and
/// [`now_rounded_up`](Self::now_rounded_up) never behind it: what has come is
/// judged by the first, and where a wait begins is told by the second.
///
/// It should not go back; where it does, timers fire late, never early.
pub trait Clock: Send + Sync {
    /// The ticks that have passed, rounded down.
    fn now(&self) -> u64;

    /// The ticks that have passed, rounded up: where a wait that begins now is
    /// reckoned from. To be overridden by a clock that sees parts of ticks, and by
    /// one that may lie behind the time: it adds the most that it may.
    fn now_rounded_up(&self) -> u64 {
        self.now()
    }

    /// The ticks that have passed, rounded down and rounded up, by one look at
    /// the clock. To be overridden where two looks cost more than one.
    fn now_both_ways(&self) -> (u64, u64) {
        (self.now(), self.now_rounded_up())
    }

    /// How long a tick lasts, if the clock knows. To be overridden by a clock
    /// of real time: a wheel then refuses it if its ticks would run out within
    /// a century, and a gate if they are not of the gate's length.
    fn tick_length(&self) -> Option<Duration> {
        None
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

            fn tick_length(&self) -> Option<Duration> {
                (**self).tick_length()
            }
        }
    };
}

pointer!(Arc<C>);
pointer!(&C);

/// A duration in ticks of this length, rounded up: never shorter than asked
/// for.
pub(crate) fn ticks_of(duration: Duration, tick: Duration) -> u64 {
    let (nanos, tick) = (duration.as_nanos(), tick.as_nanos());
    u64::try_from(nanos.div_ceil(tick)).unwrap_or(u64::MAX)
}

/// So many ticks of this length as a duration.
pub(crate) fn duration_of(ticks: u64, tick: Duration) -> Duration {
    let length = u64::try_from(tick.as_nanos()).ok();
    if let Some(nanos) = length.and_then(|length| length.checked_mul(ticks)) {
        return Duration::from_nanos(nanos);
    }
    let nanos = tick.as_nanos().saturating_mul(u128::from(ticks));
    let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
    Duration::new(seconds, (nanos % 1_000_000_000) as u32)
}

/// The length of a tick, and by how much readings may lie behind the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    /// In nanoseconds; at least 1.
    length: u64,
    /// `floor((2^64 - 1) / length)`.
    reciprocal: u64,
    /// The lag, in whole ticks and the nanoseconds that are left.
    lag: (u64, u64),
}

impl Ticks {
    /// # Panics
    ///
    /// If the tick is zero.
    pub(super) fn new(tick: Duration, lag: Duration) -> Self {
        assert!(!tick.is_zero(), "the tick of a clock is zero");
        let length = nanos_of(tick);
        let mut ticks = Self { length, reciprocal: u64::MAX / length, lag: (0, 0) };
        ticks.lag = ticks.divide(nanos_of(lag));
        ticks
    }

    pub(super) fn lag(&self) -> Duration {
        Duration::from_nanos(self.lag.0 * self.length + self.lag.1)
    }

    /// The whole ticks of so many nanoseconds, and what is left.
    #[inline]
    fn divide(&self, nanos: u64) -> (u64, u64) {
        let guess = ((u128::from(nanos) * u128::from(self.reciprocal)) >> 64) as u64;
        let rest = nanos - guess * self.length;
        if rest < self.length { (guess, rest) } else { (guess + 1, rest - self.length) }
    }

    /// The ticks of a reading, rounded down.
    #[inline]
    pub(super) fn rounded_down(&self, reading: u64) -> u64 {
        self.divide(reading).0
    }

    /// The ticks of a reading, rounded down; and with the lag, rounded up.
    #[inline]
    pub(super) fn both_ways(&self, reading: u64) -> (u64, u64) {
        let (down, rest) = self.divide(reading);
        let (lag, lag_rest) = self.lag;
        // The two rests together are less than two ticks.
        let begun = u64::from(rest | lag_rest > 0) + u64::from(rest > self.length - lag_rest);
        (down, down.saturating_add(lag).saturating_add(begun))
    }
}

/// In nanoseconds; what is over 584 years is 584 years.
pub(super) fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small, large, and what lies around a multiple of the other.
    fn nanos() -> impl Strategy<Value = u64> {
        prop_oneof![0..100_u64, any::<u64>(), Just(u64::MAX), (0..64_u32).prop_map(|bit| 1 << bit)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_reading_is_rounded_both_ways_as_by_division(
            length in nanos(), lag in nanos(), reading in nanos(), near in any::<bool>(),
        ) {
            let length = length.max(1);
            let reading = if near { (reading / length) * length } else { reading };
            let ticks = Ticks::new(Duration::from_nanos(length), Duration::from_nanos(lag));
            for reading in [reading, reading.saturating_sub(1), reading.saturating_add(1)] {
                let behind = u128::from(reading) + u128::from(lag);
                let up = u64::try_from(behind.div_ceil(length.into())).unwrap_or(u64::MAX);
                prop_assert_eq!(ticks.both_ways(reading), (reading / length, up));
                prop_assert_eq!(ticks.rounded_down(reading), reading / length);
            }
        }
    }

    #[test]
    fn a_duration_that_no_number_of_ticks_holds_is_as_many_as_there_are() {
        assert_eq!(ticks_of(Duration::MAX, Duration::from_nanos(1)), u64::MAX);
        assert_eq!(ticks_of(Duration::MAX, Duration::MAX), 1);
        assert_eq!(ticks_of(Duration::from_nanos(1), Duration::MAX), 1);
    }
}
