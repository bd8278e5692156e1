#![cfg(not(feature = "loom"))]
//! A wait that begins within a tick is never shorter than was asked for: it is
//! reckoned from the end of that tick, as far as the clock may lie behind the
//! time. Everything lasts two ticks here. By a clock that is never behind it begins at 0.9
//! of a tick, so it must not be over at 2.8, when only 1.9 have passed, though two
//! whole ticks have begun since. By one that moves on in steps of 2.3 it begins at 2.2, when
//! the clock says 0, so it must not be over at 4.1, when the clock says 2.

#[path = "support/parts_clock.rs"]
mod parts_clock;

use std::sync::Arc;
use std::time::Duration;

use headcount::{Activity, CapacityPolicy, Cause, CloseReason, Gate, GateBuilder, Limit, Session};
use parts_clock::{PARTS, PartsClock};

type Parts = Arc<PartsClock>;
type TestGate = Gate<String, (), Parts>;
/// A session, and perhaps what goes on in it.
type Begun = (Session<String, (), Parts>, Option<Activity<(), Parts>>);
/// What makes a session active at that time.
type Act = fn(&TestGate, &PartsClock, u64) -> Begun;

const TWO_TICKS: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(60);

/// In tenths of a tick: the steps of a clock, when what lasts two ticks begins, when it is
/// too early for its end by less than a tenth, and when the clock shows that it has come.
struct Case {
    step: u64,
    begins: u64,
    too_early: u64,
    in_time: u64,
}

const CASES: [Case; 2] = [
    Case { step: 1, begins: 9, too_early: 28, in_time: 30 },
    Case { step: 23, begins: 22, too_early: 41, in_time: 69 },
];

/// All timeouts are long; one slot.
fn gate(
    step: u64,
    edit: impl FnOnce(GateBuilder<String>) -> GateBuilder<String>,
) -> (TestGate, Parts) {
    let clock = Parts::new(PartsClock::in_steps_of(step));
    let long = Gate::builder().limit(Limit::at_most(1)).init_timeout(LONG).idle_timeout(LONG);
    (edit(long).clock(Arc::clone(&clock)).build().unwrap(), clock)
}

/// Not one part of a tick too early does this session end, and then for `reason`.
fn ends_in_time(
    edit: impl Fn(GateBuilder<String>) -> GateBuilder<String>,
    begin: impl Fn(&TestGate, &PartsClock, u64) -> Begun,
    reason: CloseReason,
) {
    for Case { step, begins, too_early, in_time } in CASES {
        let (gate, clock) = gate(step, &edit);
        let (session, _activity) = begin(&gate, &clock, begins);
        clock.set_parts(too_early);
        assert!(gate.expired().is_empty(), "too early, in steps of {step}");
        assert_eq!(session.reason(), None);
        clock.set_parts(in_time);
        let reasons: Vec<_> = gate.expired().into_iter().map(|ended| ended.reason).collect();
        assert_eq!(reasons, [reason], "in steps of {step}");
    }
}

fn at_its_time(gate: &TestGate, clock: &PartsClock, begins: u64) -> Begun {
    clock.set_parts(begins);
    (gate.admit(Some("a"), ()).unwrap(), None)
}

fn committed_at_its_time(gate: &TestGate, clock: &PartsClock, begins: u64) -> Begun {
    let reservation = gate.reserve(Some("a"), ()).unwrap();
    clock.set_parts(begins);
    (reservation.commit().unwrap(), None)
}

fn established_at_its_time(gate: &TestGate, clock: &PartsClock, begins: u64) -> Begun {
    let session = gate.reserve(Some("a"), ()).unwrap().commit().unwrap();
    clock.set_parts(begins);
    session.establish().unwrap();
    (session, None)
}

fn touched_at_its_time(gate: &TestGate, clock: &PartsClock, begins: u64) -> Begun {
    let session = gate.admit(Some("a"), ()).unwrap();
    clock.set_parts(begins);
    session.touch().unwrap();
    (session, None)
}

fn left_at_its_time(gate: &TestGate, clock: &PartsClock, begins: u64) -> Begun {
    let session = gate.admit(Some("a"), ()).unwrap();
    let activity = session.enter().unwrap();
    clock.set_parts(begins);
    drop(activity);
    (session, None)
}

#[test]
fn the_idle_time_of_an_admission_is_not_cut_by_a_part_of_a_tick() {
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), at_its_time, CloseReason::Idle);
}

#[test]
fn the_lifetime_of_an_admission_is_not_cut_by_a_part_of_a_tick() {
    let begin = |gate: &TestGate, clock: &PartsClock, begins| {
        let (session, _) = at_its_time(gate, clock, begins);
        // Never idle.
        let activity = session.enter().unwrap();
        (session, Some(activity))
    };
    ends_in_time(|gate| gate.max_lifetime(TWO_TICKS), begin, CloseReason::MaxLifetime);
}

#[test]
fn the_init_time_of_a_commit_is_not_cut_by_a_part_of_a_tick() {
    let edit = |gate: GateBuilder<String>| gate.init_timeout(TWO_TICKS);
    ends_in_time(edit, committed_at_its_time, CloseReason::InitTimeout);
}

#[test]
fn the_lifetime_of_a_commit_is_not_cut_by_a_part_of_a_tick() {
    let edit = |gate: GateBuilder<String>| gate.max_lifetime(TWO_TICKS);
    ends_in_time(edit, committed_at_its_time, CloseReason::MaxLifetime);
}

#[test]
fn the_idle_time_of_an_established_session_is_not_cut_by_a_part_of_a_tick() {
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), established_at_its_time, CloseReason::Idle);
}

#[test]
fn the_idle_time_after_a_touch_is_not_cut_by_a_part_of_a_tick() {
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), touched_at_its_time, CloseReason::Idle);
}

#[test]
fn the_idle_time_after_an_activity_is_not_cut_by_a_part_of_a_tick() {
    ends_in_time(|gate| gate.idle_timeout(TWO_TICKS), left_at_its_time, CloseReason::Idle);
}

#[test]
fn the_floor_of_an_eviction_is_not_cut_by_a_part_of_a_tick() {
    let acts = [at_its_time as Act, touched_at_its_time, established_at_its_time, left_at_its_time];
    for begin in acts {
        for Case { step, begins, too_early, in_time } in CASES {
            let policy = CapacityPolicy::EvictIdle { floor: TWO_TICKS };
            let (gate, clock) = gate(step, |gate| gate.at_capacity(policy));
            let (session, _activity) = begin(&gate, &clock, begins);
            clock.set_parts(too_early);
            assert_eq!(gate.admit(Some("b"), ()).unwrap_err().cause(), Cause::AtCapacity);
            clock.set_parts(in_time);
            let _newcomer = gate.admit(Some("b"), ()).unwrap();
            assert_eq!(session.reason(), Some(CloseReason::Evicted));
        }
    }
}

#[test]
fn a_place_in_the_rate_window_is_not_left_by_a_part_of_a_tick_too_early() {
    for Case { step, begins, too_early, in_time } in CASES {
        let (gate, clock) = gate(step, |gate| gate.rate(1, TWO_TICKS));
        clock.set_parts(begins);
        drop(gate.admit(Some("a"), ()).unwrap());
        clock.set_parts(too_early);
        assert_eq!(gate.admit(Some("a"), ()).unwrap_err().cause(), Cause::RateLimited);
        clock.set_parts(in_time);
        assert!(gate.admit(Some("a"), ()).is_ok());
    }
}

/// Who comes back after the time that it was told finds that what was full has come to its
/// end, whenever it was refused, and however far behind the clock was then and is now.
#[test]
fn nobody_is_told_to_come_back_by_a_part_of_a_tick_too_early() {
    type Edit = fn(GateBuilder<String>) -> GateBuilder<String>;
    let rate: Edit = |gate| gate.limit(Limit::at_most(2)).rate(1, TWO_TICKS);
    let capacity: Edit = |gate| gate.max_lifetime(TWO_TICKS);
    let floor: Edit = |gate| gate.at_capacity(CapacityPolicy::EvictIdle { floor: TWO_TICKS });
    let causes = [Cause::RateLimited, Cause::AtCapacity, Cause::AtCapacity];
    for (edit, cause) in [rate, capacity, floor].into_iter().zip(causes) {
        for Case { step, begins, too_early, .. } in CASES {
            for refused_at in begins..=too_early {
                let (gate, clock) = gate(step, edit);
                let (session, _) = at_its_time(&gate, &clock, begins);
                clock.set_parts(refused_at);
                let refused = gate.admit(Some("b"), ()).unwrap_err();
                assert_eq!(refused.cause(), cause);
                let parts = refused.retry_after().unwrap().as_micros() as u64 * PARTS / 1000;
                clock.set_parts(refused_at + parts);
                gate.expired();
                // The owner of a session that has ended drops it; of a victim it need not.
                let session = Some(session).filter(|session| session.reason().is_none());
                assert!(gate.admit(Some("b"), ()).is_ok(), "in {step}, refused at {refused_at}");
                drop(session);
            }
        }
    }
}
