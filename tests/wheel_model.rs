#![cfg(not(feature = "loom"))]
//! Any sequence of calls of the timer wheel against a sequential model.

#[path = "support/wheel_model.rs"]
mod model;

use headcount::{ManualClock, TimerWheel};
use model::{Fixed, Step, Ticks};
use proptest::prelude::*;

/// Short times, where timers meet, the edges of every level, and both ends.
fn ticks() -> impl Strategy<Value = Ticks> {
    prop_oneof![
        10 => (0_u64..200).prop_map(|ticks| Ticks(ticks, 0)),
        4 => (0_u32..8, 0_u64..3).prop_map(|(level, off)| Ticks((64_u64.pow(level) + off) - 1, 0)),
        3 => (any::<u64>(), 18_u8..64).prop_map(|(most, less)| Ticks(most, less)),
        1 => (0_u64..3).prop_map(|off| Ticks((1 << 41) - 1 + off, 0)),
        1 => (0_u64..3).prop_map(|off| Ticks((1 << 44) - 2 + off, 0)),
        1 => (0_u64..3).prop_map(|off| Ticks(u64::MAX - off, 0)),
    ]
}

/// Steps of the clock: seldom so far that everything fires at once.
fn on() -> impl Strategy<Value = Ticks> {
    prop_oneof![10 => (0_u64..100).prop_map(|ticks| Ticks(ticks, 0)), 1 => ticks()]
}

fn fixed() -> impl Strategy<Value = Fixed> {
    prop_oneof![
        1 => Just(Fixed::None),
        4 => ticks().prop_map(Fixed::After),
        3 => ticks().prop_map(Fixed::Later),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0_usize..64;
    prop_oneof![
        12 => ticks().prop_map(Step::Insert),
        3 => (ticks(), ticks()).prop_map(|(now, idle)| Step::InsertAt(now, idle)),
        8 => (ticks(), fixed()).prop_map(|(idle, fixed)| Step::InsertWith(idle, fixed)),
        2 => (ticks(), ticks(), fixed())
            .prop_map(|(now, idle, fixed)| Step::InsertWithAt(now, idle, fixed)),
        4 => (place.clone(), prop::option::weighted(0.8, ticks()))
            .prop_map(|(place, at)| Step::SetFixed(place, at)),
        1 => (ticks(), prop::option::weighted(0.8, ticks()))
            .prop_map(|(now, at)| Step::ReleaseWithFixed(now, at)),
        4 => place.clone().prop_map(Step::Touch),
        2 => (place.clone(), ticks()).prop_map(|(place, now)| Step::TouchAt(place, now)),
        2 => place.clone().prop_map(Step::Hold),
        2 => Just(Step::Release),
        1 => ticks().prop_map(Step::ReleaseAt),
        5 => place.clone().prop_map(Step::Cancel),
        2 => place.prop_map(Step::Drop),
        6 => on().prop_map(Step::On),
        1 => ticks().prop_map(Step::Set),
        3 => Just(Step::Advance),
        3 => Just(Step::AdvanceWithDeadline),
        3 => (0_u8..20).prop_map(Step::AdvanceSome),
        1 => Just(Step::Expired),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..Default::default() })]

    #[test]
    fn the_wheel_answers_as_a_sequential_one(
        shards in 1_usize..5,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        model::run(TimerWheel::new(ManualClock::new()).with_shards(shards), &steps);
    }

    /// The clock only goes on, and by little: most timers meet others.
    #[test]
    fn a_steady_clock_meets_every_timer(
        start in prop_oneof![Just(0), ticks().prop_map(|Ticks(most, less)| most >> less)],
        steps in prop::collection::vec(
            step().prop_filter("steady", |step| !matches!(step, Step::Set(_) | Step::InsertAt(..) | Step::InsertWithAt(..))), 0..300),
    ) {
        model::run(TimerWheel::new(ManualClock::at(start)).with_shards(1), &steps);
    }
}
