#![cfg(not(feature = "loom"))]
//! What every clock promises: the present rounded down never lies ahead, the present
//! rounded up never behind, and whatever points to a clock says what it says.

#[path = "support/parts_clock.rs"]
mod parts_clock;

use std::sync::Arc;
use std::time::Duration;

use headcount::{Clock, CoarseClock, SystemClock};
use parts_clock::PartsClock;

/// A tick that does not end while the test runs, and has begun.
fn within_a_tick() -> SystemClock {
    let hour = Duration::from_secs(3600);
    let clock = SystemClock::new(hour);
    while clock.until(1) == hour {
        std::hint::spin_loop();
    }
    clock
}

#[test]
fn the_system_clock_rounds_what_has_begun_down_and_up() {
    let clock = within_a_tick();
    assert_eq!((clock.now(), clock.now_rounded_up(), clock.now_both_ways()), (0, 1, (0, 1)));
}

#[test]
fn the_system_clock_waits_until_a_tick_begins_and_no_longer() {
    let clock = within_a_tick();
    assert_eq!(clock.until(0), Duration::ZERO);
    let whole = clock.tick() * 2;
    let until = clock.until(2);
    assert!(until < whole && until > clock.tick(), "{until:?}");
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
fn a_coarse_clock_stands_still_between_two_refreshes_and_follows_each() {
    let parts = Arc::new(PartsClock::default());
    let clock = CoarseClock::new(Arc::clone(&parts));
    let says = |clock: &CoarseClock<_>| (clock.now(), clock.now_rounded_up());
    assert_eq!(says(&clock), (0, 0));
    parts.set_parts(9);
    assert_eq!(says(&clock), (0, 0), "nobody has refreshed it");
    assert_eq!(clock.refresh(), 0);
    assert_eq!((says(&clock), clock.now_both_ways()), ((0, 1), (0, 1)));
    parts.set_parts(51);
    assert_eq!(clock.refresh(), 5);
    assert_eq!((says(&clock), clock.now_both_ways()), ((5, 6), (5, 6)));
}

#[test]
fn a_coarse_clock_begins_with_what_its_source_says_then() {
    let parts = Arc::new(PartsClock::default());
    parts.set_parts(31);
    let clock = CoarseClock::new(parts);
    assert_eq!((clock.now(), clock.now_rounded_up()), (3, 4));
}
