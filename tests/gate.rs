#![cfg(not(feature = "loom"))]
//! What a session goes through, one thing at a time, on a clock that is told
//! what time it is. One tick is a millisecond.

use std::sync::Arc;
use std::time::Duration;

use headcount::{Cause, Clock, CloseReason, EnterError, Gate, Limit, ManualClock, Session};

type TestGate = Gate<String, u32, Arc<ManualClock>>;

const MS: Duration = Duration::from_millis(1);

/// Limits 3 and 2, timeouts init 10, idle 20, life 100.
fn gate() -> (TestGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let gate = Gate::builder()
        .limit(Limit::at_most(3))
        .subject_limit(Limit::at_most(2))
        .init_timeout(10 * MS)
        .idle_timeout(20 * MS)
        .max_lifetime(100 * MS)
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    (gate, clock)
}

fn expired(gate: &TestGate) -> Vec<(u32, CloseReason)> {
    let mut expired: Vec<_> = gate.expired().into_iter().map(|e| (e.tag, e.reason)).collect();
    expired.sort_unstable_by_key(|&(tag, _)| tag);
    expired
}

fn assert_closed<T: std::fmt::Debug>(outcome: Result<T, EnterError>, reason: CloseReason) {
    assert_eq!(outcome.unwrap_err().reason(), Some(reason));
}

#[test]
fn types_are_named_without_helper_generics_and_cross_threads() {
    struct App {
        _gate: Gate<String>,
        _session: Session<String>,
        _handle: headcount::SessionHandle,
        _activity: headcount::Activity,
        _reservation: headcount::Reservation<String>,
    }
    fn crosses_threads<T: Send + Sync + 'static>() {}
    crosses_threads::<App>();
}

#[test]
fn an_unmentioned_setting_has_its_documented_default() {
    let gate: Gate<u32, ()> = Gate::builder().build().unwrap();
    let of_one: Vec<_> = (0..10).map(|_| gate.admit(Some(&0), ()).unwrap()).collect();
    assert_eq!(gate.admit(Some(&0), ()).unwrap_err().cause(), Cause::SubjectAtLimit);
    let others: Vec<_> = (1..91).map(|n| gate.admit(Some(&n), ()).unwrap()).collect();
    assert_eq!(gate.admit_anonymous(()).unwrap_err().cause(), Cause::AtCapacity);
    drop((of_one, others));
    assert_eq!((gate.in_use(), gate.available(), gate.subjects()), (0, 100, 0));
}

#[test]
fn a_refusal_has_one_cause_and_takes_nothing() {
    let (gate, _clock) = gate();
    let first = gate.admit(Some("a"), 1).unwrap();
    let _second = gate.admit(Some("a"), 2).unwrap();
    let refused = gate.admit(Some("a"), 3).unwrap_err();
    assert_eq!(
        (refused.cause(), refused.to_string()),
        (Cause::SubjectAtLimit, "subject at its limit".into())
    );
    let _third = gate.admit_anonymous(4).unwrap();
    assert_eq!(gate.admit(Some("b"), 5).unwrap_err().cause(), Cause::AtCapacity);
    assert_eq!(
        gate.admit(Some("a"), 6).unwrap_err().cause(),
        Cause::SubjectAtLimit,
        "its own first"
    );
    assert_eq!((gate.in_use_by("a"), gate.in_use_by("b"), gate.subjects()), (2, 0, 1));
    drop(first);
    assert!(gate.admit(Some("b"), 7).is_ok());
    let stats = gate.stats();
    assert_eq!(stats.rejected(Cause::SubjectAtLimit), 2);
    assert_eq!(stats.rejected(Cause::AtCapacity), 1);
    assert_eq!((stats.admitted, stats.ended(CloseReason::Released)), (4, 2));
}

#[test]
fn a_dropped_reservation_leaves_nothing_and_is_no_session() {
    let (gate, clock) = gate();
    let reservation = gate.reserve(Some("a"), 1).unwrap();
    assert_eq!((gate.in_use(), gate.in_use_by("a"), *reservation.tag()), (1, 1, 1));
    clock.set(1000);
    assert_eq!(expired(&gate), [], "a reservation has no timeout");
    drop(reservation);
    assert_eq!((gate.in_use(), gate.subjects(), gate.stats().admitted), (0, 0, 0));
    clock.set(2000);
    assert_eq!(expired(&gate), []);
}

#[test]
fn a_pending_session_ends_by_the_init_timeout_whatever_is_in_flight() {
    let (gate, clock) = gate();
    let reservation = gate.reserve(Some("a"), 1).unwrap();
    clock.set(5);
    let session = reservation.commit().unwrap();
    let _handshake = session.enter().unwrap();
    clock.set(14);
    assert_eq!(expired(&gate), [], "the timeout starts at the commit");
    clock.set(15);
    assert_eq!(expired(&gate), [(1, CloseReason::InitTimeout)]);
    assert_closed(session.enter(), CloseReason::InitTimeout);
    assert_eq!(session.establish().unwrap_err().reason, CloseReason::InitTimeout);
    assert_eq!((gate.in_use(), gate.stats().draining), (1, 1), "its owner still lives");
    drop(session);
    assert_eq!((gate.in_use(), gate.stats().draining), (0, 0));
}

#[test]
fn an_established_session_is_ended_by_the_idle_timeout_only_when_idle() {
    let (gate, clock) = gate();
    let session = gate.reserve(Some("a"), 1).unwrap().commit().unwrap();
    clock.set(9);
    session.establish().unwrap();
    session.establish().unwrap();
    clock.set(28);
    assert_eq!(expired(&gate), [], "idle from when it was established");
    session.touch().unwrap();
    clock.set(47);
    assert_eq!(expired(&gate), [], "touched at 28");
    clock.set(48);
    assert_eq!(expired(&gate), [(1, CloseReason::Idle)]);
    assert_eq!(expired(&gate), [], "told once");
    assert_eq!(session.touch().unwrap_err().reason, CloseReason::Idle);
    assert_eq!(session.reason(), Some(CloseReason::Idle));
}

#[test]
fn the_idle_time_starts_when_the_last_of_several_activities_ends() {
    let (gate, clock) = gate();
    let session = gate.admit(Some("a"), 1).unwrap();
    let first = session.enter().unwrap();
    let second = session.handle().into_activity().unwrap();
    clock.set(50);
    assert_eq!(expired(&gate), []);
    drop(first);
    clock.set(60);
    drop(second);
    clock.set(79);
    assert_eq!(expired(&gate), []);
    clock.set(80);
    assert_eq!(expired(&gate), [(1, CloseReason::Idle)]);
}

#[test]
fn a_session_that_is_admitted_active_is_idle_when_its_activity_has_ended() {
    let (gate, clock) = gate();
    let (session, activity) = gate.admit_active(Some("alice"), 1).unwrap();
    assert_eq!(session.tag(), activity.session().tag());
    clock.advance(50);
    assert_eq!(expired(&gate), [], "neither timeout ends it");
    drop(activity);
    clock.advance(19);
    assert_eq!(expired(&gate), []);
    clock.advance(1);
    assert_eq!(expired(&gate), [(1, CloseReason::Idle)]);
    assert_eq!((gate.in_use(), gate.in_use_by("alice")), (1, 1));
    drop(session);
    assert_eq!((gate.in_use(), gate.in_use_by("alice")), (0, 0));
}

#[test]
fn the_maximum_lifetime_ends_a_session_that_is_busy() {
    let (gate, clock) = gate();
    let session = gate.admit(Some("a"), 1).unwrap();
    let work = session.enter().unwrap();
    clock.set(100);
    assert_eq!(expired(&gate), [(1, CloseReason::MaxLifetime)]);
    assert_eq!(work.session().reason(), Some(CloseReason::MaxLifetime));
    drop(work);
    clock.set(1000);
    assert_eq!(expired(&gate), [], "the idle timeout has nothing to add");
}

#[test]
fn idle_is_clamped_to_the_lifetime() {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::<String, u32>::builder().idle_timeout(500 * MS).max_lifetime(50 * MS);
    let gate = builder.clock(Arc::clone(&clock)).build().unwrap();
    let _session = gate.admit_anonymous(1).unwrap();
    clock.set(50);
    assert_eq!(gate.expired().len(), 1);
}

#[test]
fn who_closes_a_session_is_told_and_nobody_else() {
    let (gate, clock) = gate();
    let session = gate.admit(Some("a"), 1).unwrap();
    let handle = session.handle();
    handle.close(CloseReason::Closed).unwrap();
    assert_eq!(handle.close(CloseReason::Shutdown).unwrap_err().reason, CloseReason::Closed);
    assert_closed(handle.enter(), CloseReason::Closed);
    clock.set(1000);
    assert_eq!(expired(&gate), []);
    drop(session);
    assert_eq!(handle.reason(), Some(CloseReason::Closed), "the reason stays");
    let stats = gate.stats();
    assert_eq!((stats.ended(CloseReason::Closed), stats.ended(CloseReason::Released)), (1, 0));
}

#[test]
fn a_handle_outlives_its_session_and_its_gate() {
    let (gate, _clock) = gate();
    let session = gate.admit(Some("a"), 1).unwrap();
    let handle = session.handle();
    drop(session);
    assert_eq!((gate.in_use(), gate.subjects()), (0, 0), "a handle holds no slot");
    drop(gate);
    assert_closed(handle.enter(), CloseReason::Released);
}

#[test]
fn close_all_ends_everything_and_admits_nobody() {
    let (gate, clock) = gate();
    let established = gate.admit(Some("a"), 1).unwrap();
    let pending = gate.reserve(Some("a"), 2).unwrap().commit().unwrap();
    let reservation = gate.reserve(Some("b"), 3).unwrap();
    let work = established.enter().unwrap();
    gate.close_all(CloseReason::Shutdown);
    assert_closed(established.enter(), CloseReason::Shutdown);
    assert_eq!(reservation.commit().unwrap_err().cause(), Cause::ShutDown);
    let refused = gate.admit(Some("c"), 4).unwrap_err();
    assert_eq!((refused.cause(), refused.retry_after()), (Cause::ShutDown, None));
    assert_eq!(gate.next_deadline(), Some(0));
    let all = [(1, CloseReason::Shutdown), (2, CloseReason::Shutdown)];
    assert_eq!(expired(&gate), all, "the busy and the pending one too");
    clock.set(1000);
    assert_eq!((expired(&gate), gate.next_deadline()), (vec![], None));
    drop((established, pending, work));
    assert_eq!((gate.in_use(), gate.subjects(), gate.stats().draining), (0, 0, 0));
}

#[test]
fn a_reservation_that_overlaps_close_all_is_told_by_its_commit() {
    let (gate, _clock) = gate();
    let reservation = gate.reserve(Some("a"), 1).unwrap();
    gate.close_all(CloseReason::Shutdown);
    assert_eq!(expired(&gate), [], "it is no session yet");
    assert_eq!(reservation.commit().unwrap_err().cause(), Cause::ShutDown);
    let stats = gate.stats();
    assert_eq!((stats.in_use, stats.admitted, stats.ended(CloseReason::Shutdown)), (0, 0, 0));
}

#[test]
fn the_rate_is_told_exactly_and_given_back_by_a_dropped_reservation() {
    let clock = Arc::new(ManualClock::new());
    let gate = Gate::<String, u32>::builder()
        .rate(2, Duration::from_secs(60))
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let _first = gate.admit(Some("a"), 1).unwrap();
    clock.set(10_000);
    let second = gate.reserve(Some("a"), 2).unwrap();
    let refused = gate.admit(Some("a"), 3).unwrap_err();
    assert_eq!(refused.cause(), Cause::RateLimited);
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(50)));
    drop(second);
    drop(gate.admit(Some("a"), 4).unwrap());
    assert_eq!(
        gate.admit(Some("b"), 5).unwrap_err().cause(),
        Cause::RateLimited,
        "an end gives nothing back"
    );
    clock.set(60_000);
    assert!(gate.admit(Some("b"), 6).is_ok());
    assert_eq!(gate.in_use_by("b"), 0);
}

#[test]
fn retry_after_is_no_later_than_the_next_timeout_and_a_second_for_http() {
    let (gate, clock) = gate();
    let _sessions: Vec<_> = (0..3).map(|tag| gate.admit_anonymous(tag).unwrap()).collect();
    for now in [0, 5, 19, 20, 30] {
        clock.set(now);
        let refused = gate.admit(Some("b"), 9).unwrap_err();
        let after = refused.retry_after().unwrap();
        assert!(after >= MS && after <= 20 * MS, "at {now}: {after:?}");
        assert!(now >= 20 || clock.now() + after.as_millis() as u64 <= 20);
        assert_eq!(refused.retry_after_secs(), Some(1));
    }
}

#[test]
fn settings_change_while_sessions_are_there() {
    let (gate, clock) = gate();
    let first = gate.admit(Some("a"), 1).unwrap();
    let _second = gate.admit(Some("a"), 2).unwrap();
    assert_eq!(gate.set_limit(Limit::at_most(1)), Ok(Limit::at_most(3)));
    drop(first);
    assert_eq!(gate.admit(Some("b"), 3).unwrap_err().cause(), Cause::AtCapacity);
    gate.set_limit(Limit::UNLIMITED).unwrap();
    gate.set_subject_limit(Limit::at_most(1));
    assert_eq!(gate.admit(Some("a"), 4).unwrap_err().cause(), Cause::SubjectAtLimit);
    gate.set_override("a".to_owned(), Limit::at_most(2));
    gate.set_idle_timeout(Some(5 * MS)).unwrap();
    let _third = gate.admit(Some("a"), 5).unwrap();
    clock.set(5);
    assert_eq!(expired(&gate), [(5, CloseReason::Idle)], "only who came after the change");
    clock.set(20);
    assert_eq!(expired(&gate), [(2, CloseReason::Idle)]);
    assert_eq!(gate.remove_override("a"), Some(Limit::at_most(2)));
}

#[test]
fn a_panicking_callback_loses_nothing_but_its_own_session() {
    let (gate, clock) = gate();
    let sessions: Vec<_> = (0..3).map(|tag| gate.admit_anonymous(tag).unwrap()).collect();
    clock.set(20);
    let advance = std::panic::AssertUnwindSafe(|| {
        gate.advance(20, |ended| std::panic::resume_unwind(Box::new(ended.tag)))
    });
    let lost = *std::panic::catch_unwind(advance).unwrap_err().downcast::<u32>().unwrap();
    let rest: Vec<_> =
        (0..3).filter(|&tag| tag != lost).map(|tag| (tag, CloseReason::Idle)).collect();
    assert_eq!(expired(&gate), rest);
    assert_eq!(gate.stats().draining, 3);
    drop(sessions);
    assert_eq!(gate.stats().draining, 0);
}

#[test]
fn as_many_activities_as_can_be_counted() {
    let (gate, clock) = gate();
    let session = gate.admit_anonymous(1).unwrap();
    let mut all = Vec::new();
    let full = loop {
        match session.enter() {
            Ok(activity) => all.push(activity),
            Err(full) => break full,
        }
    };
    assert_eq!((full, all.len()), (EnterError::TooMany, 131_070));
    drop(all);
    clock.set(20);
    assert_eq!(expired(&gate), [(1, CloseReason::Idle)]);
}
