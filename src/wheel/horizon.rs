//! Read after `level.rs`. How long the ticks last: past the last one every timer is
//! due, so a clock that would come there within a century is refused where it is given.

use std::time::Duration;

use super::level::MAX_TICK;
use crate::clock::Clock;

/// Of Julian years.
const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);

/// Does a clock of such ticks, that stands at `now`, take a century or more to the last
/// tick of a wheel?
#[cfg(not(feature = "loom"))]
pub(crate) fn lasts_a_century(now: u64, tick: Duration) -> bool {
    let left = u128::from(MAX_TICK.saturating_sub(now));
    tick.as_nanos().saturating_mul(left) >= CENTURY.as_nanos()
}

/// The wheel of a model is too small for any clock.
#[cfg(feature = "loom")]
pub(crate) fn lasts_a_century(_now: u64, _tick: Duration) -> bool {
    _ = (MAX_TICK, CENTURY);
    true
}

/// # Panics
///
/// If the clock knows how long its ticks are, and they run out within a century.
pub(super) fn check_clock(clock: &impl Clock) {
    if let Some(tick) = clock.tick_length() {
        assert!(
            lasts_a_century(clock.now(), tick),
            "a clock of ticks of {tick:?} comes to the wheel's last tick within a century: \
             take longer ticks; 180 microseconds are enough for a clock that begins now"
        );
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn a_tick_of_180_microseconds_lasts_a_century_from_the_beginning() {
        let [too_short, enough] = [179, 180].map(Duration::from_micros);
        assert!(!lasts_a_century(0, too_short) && lasts_a_century(0, enough));
        assert!(!lasts_a_century(MAX_TICK / 100, enough));
        assert!(!lasts_a_century(MAX_TICK, Duration::from_secs(1)));
        assert!(!lasts_a_century(u64::MAX, Duration::MAX));
        assert!(lasts_a_century(MAX_TICK - 1, Duration::MAX));
    }
}
