#![cfg(not(feature = "loom"))]
//! A wheel that asks its clock waits from the end of the tick that has begun, so
//! that nothing fires early by a part of a tick: what begins at 0.9 and lasts
//! two ticks has not come at 2.8.

#[path = "support/parts_clock.rs"]
mod parts_clock;

use std::sync::Arc;

use headcount::{Clock, Timer, TimerWheel};
use parts_clock::PartsClock;

type Parts = Arc<PartsClock>;
type Wheel = TimerWheel<u32, Parts>;

fn fires_in_time(begin: impl FnOnce(&Wheel, &PartsClock) -> Timer<u32, Parts>) {
    let clock = Parts::default();
    let wheel = TimerWheel::new(Arc::clone(&clock));
    let _timer = begin(&wheel, &clock);
    clock.set_parts(28);
    assert_eq!(wheel.expired(clock.now()), []);
    clock.set_parts(30);
    assert_eq!(wheel.expired(clock.now()), [7]);
}

#[test]
fn a_timer_that_is_inserted_within_a_tick_does_not_fire_early() {
    fires_in_time(|wheel, clock| {
        clock.set_parts(9);
        wheel.insert(2, 7).unwrap()
    });
}

#[test]
fn a_timer_that_is_touched_within_a_tick_does_not_fire_early() {
    fires_in_time(|wheel, clock| {
        let timer = wheel.insert(2, 7).unwrap();
        clock.set_parts(9);
        timer.touch().unwrap();
        timer
    });
}

#[test]
fn a_timer_whose_hold_ends_within_a_tick_does_not_fire_early() {
    fires_in_time(|wheel, clock| {
        let timer = wheel.insert(2, 7).unwrap();
        let hold = timer.hold().unwrap();
        clock.set_parts(9);
        drop(hold);
        timer
    });
}
