#![cfg(not(feature = "loom"))]
//! A wheel that asks its clock waits from the end of the tick that has begun, as
//! far as the clock may lie behind the time, so that nothing fires early by a part
//! of a tick: what begins at 0.9 and lasts two ticks has not come at 2.8; and by a
//! clock in steps of 2.3, what begins at 2.2, when it says 0, has not come at 4.1.

#[path = "support/parts_clock.rs"]
mod parts_clock;

use std::sync::Arc;

use headcount::{Clock, Timer, TimerWheel};
use parts_clock::PartsClock;

type Parts = Arc<PartsClock>;
type Wheel = TimerWheel<u32, Parts>;

/// The steps of the clock; and when, in tenths of a tick, a timer of two ticks begins, when
/// it is too early for its end by less than a tenth, and when the clock shows its end.
const CLOCKS: [(u64, u64, u64, u64); 2] = [(1, 9, 28, 30), (23, 22, 41, 69)];

fn fires_in_time(begin: impl Fn(&Wheel, &PartsClock, u64) -> Timer<u32, Parts>) {
    for (step, begins, too_early, in_time) in CLOCKS {
        let clock = Parts::new(PartsClock::in_steps_of(step));
        let wheel = TimerWheel::new(Arc::clone(&clock));
        let _timer = begin(&wheel, &clock, begins);
        clock.set_parts(too_early);
        assert_eq!(wheel.expired(clock.now()), [], "too early, in steps of {step}");
        clock.set_parts(in_time);
        assert_eq!(wheel.expired(clock.now()), [7], "in steps of {step}");
    }
}

#[test]
fn a_timer_that_is_inserted_within_a_tick_does_not_fire_early() {
    fires_in_time(|wheel, clock, begins| {
        clock.set_parts(begins);
        wheel.insert(2, 7).unwrap()
    });
}

#[test]
fn a_timer_that_is_touched_within_a_tick_does_not_fire_early() {
    fires_in_time(|wheel, clock, begins| {
        let timer = wheel.insert(2, 7).unwrap();
        clock.set_parts(begins);
        timer.touch().unwrap();
        timer
    });
}

#[test]
fn a_timer_whose_hold_ends_within_a_tick_does_not_fire_early() {
    fires_in_time(|wheel, clock, begins| {
        let timer = wheel.insert(2, 7).unwrap();
        let hold = timer.hold().unwrap();
        clock.set_parts(begins);
        drop(hold);
        timer
    });
}
