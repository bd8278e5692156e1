#![cfg(not(feature = "loom"))]
//! A wait that begins within a tick is never shorter than was asked for: it is
//! reckoned from the end of that tick. Everything begins at 0.9 of a tick here and lasts
//! two, so it must not be over at 2.8, when only 1.9 have passed, though two
//! whole ticks have begun since.

#[path = "support/parts_clock.rs"]
mod parts_clock;

use std::sync::Arc;
use std::time::Duration;

use headcount::{Activity, CapacityPolicy, Cause, CloseReason, Gate, GateBuilder, Limit, Session};
use parts_clock::PartsClock;

type Parts = Arc<PartsClock>;
type TestGate = Gate<String, (), Parts>;
/// A session, and perhaps what goes on in it.
type Begun = (Session<String, (), Parts>, Option<Activity<(), Parts>>);
/// What makes a session active at 0.9.
type Act = fn(&TestGate, &PartsClock) -> Begun;

const TWO_TICKS: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(60);

/// In tenths of a tick.
const BEGINS: u64 = 9;
const TOO_EARLY: u64 = 28;
const IN_TIME: u64 = 30;

/// All timeouts are long; one slot.
fn gate(edit: impl FnOnce(GateBuilder<String>) -> GateBuilder<String>) -> (TestGate, Parts) {
    let clock = Parts::default();
    let long = Gate::builder().limit(Limit::at_most(1)).init_timeout(LONG).idle_timeout(LONG);
    (edit(long).clock(Arc::clone(&clock)).build().unwrap(), clock)
}

/// Not one part of a tick too early does this session end, and then for `reason`.
fn ends_in_time(
    edit: impl FnOnce(GateBuilder<String>) -> GateBuilder<String>,
    begin: impl FnOnce(&TestGate, &PartsClock) -> Begun,
    reason: CloseReason,
) {
    let (gate, clock) = gate(edit);
    let (session, _activity) = begin(&gate, &clock);
    clock.set_parts(TOO_EARLY);
    assert!(gate.expired().is_empty(), "too early");
    assert_eq!(session.reason(), None);
    clock.set_parts(IN_TIME);
    let reasons: Vec<_> = gate.expired().into_iter().map(|ended| ended.reason).collect();
    assert_eq!(reasons, [reason]);
}

fn at_its_time(gate: &TestGate, clock: &PartsClock) -> Begun {
    clock.set_parts(BEGINS);
    (gate.admit(Some("a"), ()).unwrap(), None)
}

#[test]
fn the_idle_time_of_an_admission_is_not_cut_by_a_part_of_a_tick() {
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), at_its_time, CloseReason::Idle);
}

#[test]
fn the_lifetime_of_an_admission_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock| {
        let (session, _) = at_its_time(gate, clock);
        // Never idle.
        let activity = session.enter().unwrap();
        (session, Some(activity))
    };
    ends_in_time(|gate| gate.max_lifetime(TWO_TICKS), begin, CloseReason::MaxLifetime);
}

#[test]
fn the_init_time_of_a_commit_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock| {
        let reservation = gate.reserve(Some("a"), ()).unwrap();
        clock.set_parts(BEGINS);
        (reservation.commit().unwrap(), None)
    };
    ends_in_time(|gate| gate.init_timeout(TWO_TICKS), begin, CloseReason::InitTimeout);
}

#[test]
fn the_lifetime_of_a_commit_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock| {
        let reservation = gate.reserve(Some("a"), ()).unwrap();
        clock.set_parts(BEGINS);
        (reservation.commit().unwrap(), None)
    };
    ends_in_time(|gate| gate.max_lifetime(TWO_TICKS), begin, CloseReason::MaxLifetime);
}

#[test]
fn the_idle_time_of_an_established_session_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock| {
        let session = gate.reserve(Some("a"), ()).unwrap().commit().unwrap();
        clock.set_parts(BEGINS);
        session.establish().unwrap();
        (session, None)
    };
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), begin, CloseReason::Idle);
}

#[test]
fn the_idle_time_after_a_touch_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock| {
        let session = gate.admit(Some("a"), ()).unwrap();
        clock.set_parts(BEGINS);
        session.touch().unwrap();
        (session, None)
    };
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), begin, CloseReason::Idle);
}

#[test]
fn the_idle_time_after_an_activity_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock| {
        let session = gate.admit(Some("a"), ()).unwrap();
        let activity = session.enter().unwrap();
        clock.set_parts(BEGINS);
        drop(activity);
        (session, None)
    };
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), begin, CloseReason::Idle);
}

#[test]
fn the_floor_of_an_eviction_is_not_cut_by_a_part_of_a_tick() {
    let touched: Act = |gate, clock| {
        let session = gate.admit(Some("a"), ()).unwrap();
        clock.set_parts(BEGINS);
        session.touch().unwrap();
        (session, None)
    };
    let established: Act = |gate, clock| {
        let session = gate.reserve(Some("a"), ()).unwrap().commit().unwrap();
        clock.set_parts(BEGINS);
        session.establish().unwrap();
        (session, None)
    };
    for begin in [at_its_time as Act, touched, established] {
        let policy = CapacityPolicy::EvictIdle { floor: TWO_TICKS };
        let (gate, clock) = gate(|gate| gate.at_capacity(policy));
        let (session, _activity) = begin(&gate, &clock);
        clock.set_parts(TOO_EARLY);
        assert_eq!(gate.admit(Some("b"), ()).unwrap_err().cause(), Cause::AtCapacity);
        clock.set_parts(IN_TIME);
        let _newcomer = gate.admit(Some("b"), ()).unwrap();
        assert_eq!(session.reason(), Some(CloseReason::Evicted));
    }
}

#[test]
fn a_place_in_the_rate_window_is_not_left_by_a_part_of_a_tick_too_early() {
    let (gate, clock) = gate(|gate| gate.rate(1, TWO_TICKS));
    clock.set_parts(BEGINS);
    drop(gate.admit(Some("a"), ()).unwrap());
    clock.set_parts(TOO_EARLY);
    assert_eq!(gate.admit(Some("a"), ()).unwrap_err().cause(), Cause::RateLimited);
    clock.set_parts(IN_TIME);
    assert!(gate.admit(Some("a"), ()).is_ok());
}

#[test]
fn nobody_is_told_to_come_back_by_a_part_of_a_tick_too_early() {
    let rate = |gate: GateBuilder<String>| gate.limit(Limit::at_most(2)).rate(1, TWO_TICKS);
    let capacity = |gate: GateBuilder<String>| gate.max_lifetime(TWO_TICKS);
    let limited = (gate(rate), Cause::RateLimited);
    for ((gate, clock), cause) in [limited, (gate(capacity), Cause::AtCapacity)] {
        let (_session, _activity) = at_its_time(&gate, &clock);
        let refused = gate.admit(Some("b"), ()).unwrap_err();
        assert_eq!(refused.cause(), cause);
        // What is full now is so until 2.9 at least.
        assert!(refused.retry_after().unwrap() >= TWO_TICKS);
    }
}
