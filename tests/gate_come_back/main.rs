#![cfg(not(feature = "loom"))]
//! When a newcomer that finds the gate full is told to come back: never after the
//! first end by a timeout, and never by a timer that ends no session any more.

/// A full gate, and what a newcomer is told.
mod bench;
/// Sequences of steps at random, beside a record of every timer.
mod random;

use headcount::{CapacityPolicy, Cause, CloseReason, Limit, SessionHandle};

use bench::{IDLE, INIT, SECOND, TestGate, TestSession, assert_told, gate, pending, ticks, told};

#[test]
fn an_init_timeout_counts_until_the_session_is_established() {
    let (gate, clock) = gate(1, |gate| gate);
    let session = pending(&gate, 1);
    assert_told(&gate, INIT);
    clock.set(10);
    assert_told(&gate, INIT - 10);
    session.establish().unwrap();
    assert_told(&gate, IDLE);
    clock.set(INIT + 5);
    assert_told(&gate, IDLE - INIT + 5);
}

#[test]
fn a_session_that_is_established_before_anybody_asks_is_due_by_its_idle_time() {
    let (gate, _clock) = gate(1, |gate| gate.max_lifetime(ticks(IDLE)));
    pending(&gate, 1).establish().unwrap();
    let session = pending(&gate, 1);
    session.establish().unwrap();
    assert_told(&gate, IDLE);
}

#[test]
fn who_is_busy_does_not_count_and_counts_again_from_its_end() {
    let (gate, clock) = gate(2, |gate| gate);
    let first = gate.admit_anonymous(1).unwrap();
    clock.set(50);
    let _second = gate.admit_anonymous(2).unwrap();
    assert_told(&gate, IDLE - 50);
    let request = first.enter().unwrap();
    assert_told(&gate, IDLE);
    clock.set(60);
    assert_told(&gate, IDLE - 10);
    drop(request);
    assert_told(&gate, IDLE - 10);
}

#[test]
fn who_was_touched_makes_the_time_early_by_no_more_than_that() {
    let (gate, clock) = gate(2, |gate| gate);
    let first = gate.admit_anonymous(1).unwrap();
    clock.set(10);
    let _second = gate.admit_anonymous(2).unwrap();
    assert_told(&gate, IDLE - 10);
    clock.set(100);
    first.touch().unwrap();
    // Nobody else is due before the second is at 310.
    let early = told(&gate).unwrap();
    assert!((ticks(IDLE - 100)..=ticks(IDLE - 90)).contains(&early), "{early:?}");
    // The time that was known has passed: the next one is searched for.
    clock.set(IDLE);
    assert_told(&gate, 10);
}

#[test]
fn a_session_that_is_due_and_that_nobody_drives_is_told_as_the_next_tick() {
    let (gate, clock) = gate(1, |gate| gate);
    let _session = gate.admit_anonymous(1).unwrap();
    for now in [IDLE, IDLE + 1, 10 * IDLE] {
        clock.set(now);
        assert_told(&gate, 1);
    }
}

/// Ends a session, and returns what is left of it.
type End = fn(&TestGate, TestSession) -> Box<dyn std::any::Any>;

/// Ended in any way, its owner or a handle still there.
#[test]
fn who_has_ended_does_not_count() {
    let ends: [End; 4] = [
        |_, session| {
            session.close(CloseReason::Closed).unwrap();
            Box::new(session)
        },
        |_, session| {
            let handle = session.handle();
            let busy = session.enter().unwrap();
            session.close(CloseReason::Closed).unwrap();
            drop(busy);
            Box::new((handle, session))
        },
        |gate, session| {
            let handle: SessionHandle<_, _> = session.handle();
            drop(session);
            gate.set_limit(Limit::at_most(1)).unwrap();
            Box::new(handle)
        },
        |gate, session| {
            drop(session);
            gate.set_limit(Limit::at_most(1)).unwrap();
            Box::new(())
        },
    ];
    for is_asked_before in [true, false] {
        for end in ends {
            let (gate, clock) = gate(2, |gate| gate);
            let first = gate.admit_anonymous(1).unwrap();
            clock.set(100);
            let _second = gate.admit_anonymous(2).unwrap();
            if is_asked_before {
                assert_told(&gate, IDLE - 100);
            }
            let _kept = end(&gate, first);
            assert_told(&gate, IDLE);
        }
    }
}

#[test]
fn who_was_ended_by_a_timeout_and_still_holds_its_slot_does_not_count() {
    let (gate, clock) = gate(2, |gate| gate.max_lifetime(ticks(400)));
    let session = gate.admit_anonymous(1).unwrap();
    clock.set(200);
    let _second = gate.admit_anonymous(2).unwrap();
    session.touch().unwrap();
    assert!(told(&gate).unwrap() <= ticks(200), "the lifetime of the first");
    clock.set(400);
    session.touch().unwrap();
    assert_eq!(gate.expired().len(), 1, "the lifetime");
    assert_told(&gate, 100);
}

/// A timer that tells of an eviction ends no session. Who is busy may be evicted, at
/// the earliest, when the floor has passed from now.
#[test]
fn an_eviction_that_nobody_was_told_of_does_not_count() {
    let floor = ticks(20);
    let cases =
        [(CapacityPolicy::EvictIdle { floor }, floor), (CapacityPolicy::EvictOldest, SECOND)];
    for (policy, expected) in cases {
        let (gate, clock) = gate(1, |gate| gate.at_capacity(policy));
        let _victim = gate.admit_anonymous(1).unwrap();
        clock.set(100);
        let newcomer = gate.admit_anonymous(2).unwrap();
        let _request = newcomer.enter().unwrap();
        assert_eq!(told(&gate), Some(expected));
    }
}

#[test]
fn where_the_idle_go_the_floor_or_the_first_end_is_told_whichever_is_first() {
    let evict = |floor| CapacityPolicy::EvictIdle { floor: ticks(floor) };
    let (gate, clock) = gate(1, |gate| gate.at_capacity(evict(20)));
    let session = gate.admit_anonymous(1).unwrap();
    assert_told(&gate, 20);
    drop(session);
    let _session = pending(&gate, 1);
    assert_told(&gate, INIT);
    clock.set(INIT - 1);
    assert_told(&gate, 1);
}

/// Each combination of timeouts, and each state that holds a slot.
#[test]
fn what_no_timeout_will_end_is_told_as_a_second() {
    for (init, idle, life) in (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0)) {
        let (gate, _clock) = gate(1, |gate| {
            let gate = if init { gate } else { gate.no_init_timeout() };
            let gate = if idle { gate } else { gate.no_idle_timeout() };
            if life { gate.max_lifetime(ticks(IDLE + 100)) } else { gate }
        });
        let timeout = |is_on: bool, ticks: u64| if is_on { ticks } else { u64::MAX };
        let life = timeout(life, IDLE + 100);
        let first = |other: u64| Some(life.min(other)).filter(|&first| first < u64::MAX);
        let expected = |other| Some(first(other).map_or(SECOND, ticks));
        let case = format!("init {init}, idle {idle}, life {life}");

        let reservation = gate.reserve_anonymous(1).unwrap();
        assert_eq!(told(&gate), Some(SECOND), "{case}: no timeout ends a reservation");
        let session = reservation.commit().unwrap();
        assert_eq!(told(&gate), expected(timeout(init, INIT)), "{case}: pending");
        session.establish().unwrap();
        assert_eq!(told(&gate), expected(timeout(idle, IDLE)), "{case}: established");
        let request = session.enter().unwrap();
        assert_eq!(told(&gate), expected(u64::MAX), "{case}: busy");
        drop(request);
        assert_eq!(told(&gate), expected(timeout(idle, IDLE)), "{case}: busy no more");
        session.close(CloseReason::Closed).unwrap();
        assert_eq!(told(&gate), Some(SECOND), "{case}: draining");
    }
}

#[test]
fn timeouts_that_are_changed_count_for_who_has_them() {
    let (gate, _clock) = gate(2, |gate| gate);
    let _long = gate.admit_anonymous(1).unwrap();
    gate.set_idle_timeout(Some(ticks(10))).unwrap();
    let _request = {
        let short = gate.admit_anonymous(2).unwrap();
        assert_told(&gate, 10);
        let request = short.enter().unwrap();
        assert_told(&gate, IDLE);
        (request, short)
    };
    gate.set_idle_timeout(None).unwrap();
    assert_told(&gate, IDLE);
}

#[test]
fn under_a_limit_of_zero_it_is_no_use_to_come_back() {
    let (gate, _clock) = gate(2, |gate| gate);
    gate.set_limit(Limit::at_most(0)).unwrap();
    assert_eq!(told(&gate), None, "with nobody inside");
    gate.set_limit(Limit::at_most(2)).unwrap();
    let _sessions = [1, 2].map(|tag| gate.admit_anonymous(tag).unwrap());
    gate.set_limit(Limit::at_most(0)).unwrap();
    assert_eq!(told(&gate), None, "whoever leaves makes no room");
    gate.set_limit(Limit::at_most(1)).unwrap();
    assert_told(&gate, IDLE);
}

#[test]
fn the_other_causes_tell_what_they_know() {
    let (gate, _clock) = gate(1, |gate| {
        let nobody = gate.subject_override("nobody".to_owned(), Limit::at_most(0));
        nobody.subject_limit(Limit::at_most(1)).max_subject_len(6).rate(2, 7 * SECOND)
    });
    let _alice = gate.admit(Some("alice"), 1).unwrap();
    let told = |subject| {
        let refused = gate.admit(Some(subject), 2).unwrap_err();
        (refused.cause(), refused.retry_after())
    };
    assert_eq!(told("alice"), (Cause::SubjectAtLimit, Some(SECOND)));
    assert_eq!(told("nobody"), (Cause::SubjectAtLimit, None), "time does not mend it");
    assert_eq!(told("somebody"), (Cause::SubjectTooLong, None));
    assert_eq!(told("bob"), (Cause::AtCapacity, Some(ticks(IDLE))));
    gate.set_limit(Limit::at_most(3)).unwrap();
    let _bob = gate.admit(Some("bob"), 2).unwrap();
    assert_eq!(told("carol"), (Cause::RateLimited, Some(7 * SECOND)));
    gate.set_subject_limit(Limit::at_most(0));
    assert_eq!(told("alice"), (Cause::SubjectAtLimit, None));
    gate.close_all(CloseReason::Shutdown);
    for subject in ["alice", "nobody", "somebody", "bob"] {
        assert_eq!(told(subject), (Cause::ShutDown, None));
    }
}
