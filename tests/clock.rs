#![cfg(not(feature = "loom"))]
//! What every clock promises: the present rounded down never lies ahead, the present
//! rounded up never behind, and whatever points to a clock says what it says.

#[path = "support/parts_clock.rs"]
mod parts_clock;

use std::sync::Arc;
use std::time::Duration;

use headcount::{Clock, ManualClock, SystemClock};
use parts_clock::PartsClock;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A tick that does not end while the test runs, and has begun.
fn within_a_tick() -> SystemClock {
    let clock = SystemClock::precise(HOUR);
    while clock.until(1) == HOUR {
        std::hint::spin_loop();
    }
    clock
}

#[test]
fn the_precise_clock_rounds_what_has_begun_down_and_up() {
    let clock = within_a_tick();
    assert_eq!((clock.now(), clock.now_rounded_up(), clock.now_both_ways()), (0, 1, (0, 1)));
}

#[test]
fn the_precise_clock_waits_until_a_tick_begins_and_no_longer() {
    let clock = within_a_tick();
    assert_eq!(clock.until(0), Duration::ZERO);
    let whole = clock.tick() * 2;
    let until = clock.until(2);
    assert!(until < whole && until > clock.tick(), "{until:?}");
}

#[test]
fn the_default_clock_adds_the_most_that_it_may_lie_behind() {
    let clock = SystemClock::new(Duration::from_nanos(1));
    let lag = u64::try_from(clock.lag().as_nanos()).unwrap();
    for _ in 0..1000 {
        let (now, rounded_up) = clock.now_both_ways();
        assert_eq!(rounded_up, now + lag);
        assert!(clock.now_rounded_up() >= rounded_up, "it went back");
        assert!(clock.now() >= now, "it went back");
    }
}

/// The steps of the source are told by the kernel, for one to ten milliseconds.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn the_default_clock_is_cheap_where_the_system_has_a_cheap_source() {
    let lag = SystemClock::default().lag();
    assert!((7 * MS..=70 * MS).contains(&lag), "{lag:?}");
}

#[test]
fn a_clock_is_precise_for_timeouts_of_less_than_fifty_steps() {
    let cheap = SystemClock::new(MS).lag();
    let fifty_steps = cheap * 50 / 7;
    assert_eq!(SystemClock::for_timeouts(MS, HOUR).lag(), cheap);
    assert_eq!(SystemClock::for_timeouts(MS, fifty_steps).lag(), cheap);
    let fewer = fifty_steps.saturating_sub(Duration::from_nanos(1));
    assert_eq!(SystemClock::for_timeouts(MS, fewer).lag(), Duration::ZERO);
}

#[test]
fn a_driver_sleeps_until_the_default_clock_shows_the_tick() {
    let clock = SystemClock::new(HOUR);
    assert_eq!(clock.until(0), Duration::ZERO);
    let until = clock.until(1);
    assert!(until > HOUR - 60 * 1000 * MS && until <= HOUR + clock.lag(), "{until:?}");
    // However little is left, it sleeps for a step, and then looks again.
    let clock = SystemClock::new(Duration::from_nanos(1));
    let until = clock.until(clock.now() + 1);
    assert!(until.is_zero() || until >= clock.lag() / 7, "{until:?}");
}

#[test]
fn a_tick_may_be_as_long_as_a_duration() {
    for clock in [SystemClock::new(Duration::MAX), SystemClock::precise(Duration::MAX)] {
        assert_eq!((clock.tick(), clock.now(), clock.ticks(HOUR)), (Duration::MAX, 0, 1));
        assert!(clock.until(1) > HOUR && clock.until(u64::MAX) > HOUR);
    }
}

#[test]
fn what_points_to_a_clock_rounds_as_it_does() {
    fn says(clock: impl Clock) -> (u64, u64, (u64, u64)) {
        (clock.now(), clock.now_rounded_up(), clock.now_both_ways())
    }
    let clock = PartsClock::default();
    clock.set_parts(19);
    let right = (1, 2, (1, 2));
    assert_eq!(says(&clock), right);
    assert_eq!(says(Arc::new(clock)), right);
    assert_eq!(Arc::new(SystemClock::new(HOUR)).tick_length(), Some(HOUR));
    assert_eq!(ManualClock::new().tick_length(), None);
}

#[test]
fn a_clock_that_rounds_only_up_by_itself_is_read_both_ways() {
    /// Overrides no more than it must.
    struct Least;
    impl Clock for Least {
        fn now(&self) -> u64 {
            4
        }
        fn now_rounded_up(&self) -> u64 {
            5
        }
    }
    assert_eq!(Least.now_both_ways(), (4, 5));
}

#[test]
fn a_clock_that_is_moved_to_its_end_does_not_begin_again() {
    let clock = ManualClock::at(u64::MAX - 5);
    clock.advance(3);
    assert_eq!(clock.now(), u64::MAX - 2);
    clock.advance(u64::MAX);
    assert_eq!(clock.now(), u64::MAX);
}
