#![cfg(not(feature = "loom"))]
//! What is set is what happens, at the build and at run time: every setting is
//! seen by what it does, and by what it does not do to sessions that are there.

use std::sync::Arc;
use std::time::Duration;

use headcount::{Cause, CloseReason, Gate, GateBuilder, Limit, ManualClock};

type TestGate = Gate<String, u32, Arc<ManualClock>>;

const MS: Duration = Duration::from_millis(1);

/// Nothing ends in the first 1,000 ticks, and there are ten slots.
fn gate(
    edit: impl FnOnce(GateBuilder<String, u32>) -> GateBuilder<String, u32>,
) -> (TestGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let long = Gate::builder().limit(Limit::at_most(10)).idle_timeout(1000 * MS);
    let gate = edit(long.init_timeout(1000 * MS)).clock(Arc::clone(&clock)).build().unwrap();
    (gate, clock)
}

fn expired_at(gate: &TestGate, clock: &ManualClock, now: u64) -> Vec<(u32, CloseReason)> {
    clock.set(now);
    let mut expired: Vec<_> = gate.expired().into_iter().map(|e| (e.tag, e.reason)).collect();
    expired.sort_unstable_by_key(|&(tag, _)| tag);
    expired
}

#[test]
fn a_subject_without_a_limit_is_counted() {
    let (gate, _clock) = gate(|gate| {
        gate.subject_limit(Limit::at_most(1)).subject_override("exempt".into(), Limit::UNLIMITED)
    });
    let first = gate.admit(Some("exempt"), 1).unwrap();
    let second = gate.reserve(Some("exempt"), 2).unwrap();
    assert_eq!((gate.in_use_by("exempt"), gate.subjects()), (2, 1));
    // So a limit that it gets later holds for those that were there before.
    gate.set_override("exempt".into(), Limit::at_most(2));
    assert_eq!(gate.admit(Some("exempt"), 3).unwrap_err().cause(), Cause::SubjectAtLimit);
    drop(first);
    assert!(gate.admit(Some("exempt"), 4).is_ok());
    drop(second);
    assert_eq!((gate.in_use_by("exempt"), gate.subjects()), (0, 0));
}

#[test]
fn everybody_is_counted_though_nobody_has_a_limit() {
    let (gate, _clock) = gate(|gate| gate.subject_limit(Limit::UNLIMITED));
    let _sessions = [1, 2].map(|tag| gate.admit(Some("a"), tag).unwrap());
    assert_eq!(gate.in_use_by("a"), 2);
    gate.set_subject_limit(Limit::at_most(2));
    assert_eq!(gate.admit(Some("a"), 3).unwrap_err().cause(), Cause::SubjectAtLimit);
}

#[test]
fn a_lifetime_that_is_changed_holds_for_who_comes_later() {
    let (gate, clock) = gate(|gate| gate);
    let _old = gate.admit_anonymous(1).unwrap();
    gate.set_max_lifetime(Some(20 * MS)).unwrap();
    let new = gate.admit_anonymous(2).unwrap();
    let _in_flight = new.enter().unwrap();
    assert_eq!(expired_at(&gate, &clock, 19), []);
    assert_eq!(expired_at(&gate, &clock, 20), [(2, CloseReason::MaxLifetime)]);
    gate.set_max_lifetime(None).unwrap();
    let _without = gate.admit_anonymous(3).unwrap();
    assert_eq!(expired_at(&gate, &clock, 999), []);
    assert_eq!(expired_at(&gate, &clock, 1020), [(1, CloseReason::Idle), (3, CloseReason::Idle)]);
}

#[test]
fn an_init_timeout_that_is_changed_holds_for_who_comes_later() {
    let (gate, clock) = gate(|gate| gate);
    let _old = gate.reserve_anonymous(1).unwrap().commit().unwrap();
    gate.set_init_timeout(Some(20 * MS)).unwrap();
    let _new = gate.reserve_anonymous(2).unwrap().commit().unwrap();
    assert_eq!(expired_at(&gate, &clock, 19), []);
    assert_eq!(expired_at(&gate, &clock, 20), [(2, CloseReason::InitTimeout)]);
    assert_eq!(expired_at(&gate, &clock, 1000), [(1, CloseReason::InitTimeout)]);
}

#[test]
fn an_idle_timeout_that_is_changed_holds_for_who_comes_later() {
    let (gate, clock) = gate(|gate| gate);
    let _old = gate.admit_anonymous(1).unwrap();
    gate.set_idle_timeout(Some(20 * MS)).unwrap();
    let _new = gate.admit_anonymous(2).unwrap();
    assert_eq!(expired_at(&gate, &clock, 19), []);
    assert_eq!(expired_at(&gate, &clock, 20), [(2, CloseReason::Idle)]);
    assert_eq!(expired_at(&gate, &clock, 1000), [(1, CloseReason::Idle)]);
}

/// A session that its lifetime has ended leaves no idle timer behind that its
/// driver would have to wake for.
#[test]
fn the_idle_time_is_cut_to_the_lifetime() {
    let (at_build, _) = gate(|gate| gate.max_lifetime(20 * MS));
    let (at_run_time, _) = gate(|gate| gate);
    at_run_time.set_max_lifetime(Some(20 * MS)).unwrap();
    let (lengthened, _) = gate(|gate| gate.max_lifetime(20 * MS).idle_timeout(10 * MS));
    lengthened.set_idle_timeout(Some(1000 * MS)).unwrap();
    for gate in [at_build, at_run_time, lengthened] {
        let session = gate.admit_anonymous(1).unwrap();
        assert_eq!(expired_at(&gate, gate.clock(), 19), []);
        assert_eq!(expired_at(&gate, gate.clock(), 20).len(), 1);
        assert!(session.reason().is_some());
        assert_eq!(gate.next_deadline(), None, "nothing is left that could come");
    }
}

#[test]
fn the_longest_subject_is_that_of_the_setting() {
    let (gate, _clock) = gate(|gate| gate.max_subject_len(3));
    assert!(gate.admit(Some("abc"), 1).is_ok());
    let refused = gate.admit(Some("abcd"), 2).unwrap_err();
    assert_eq!((refused.cause(), refused.retry_after()), (Cause::SubjectTooLong, None));
    assert_eq!(gate.stats().rejected(Cause::SubjectTooLong), 1);
}

#[test]
fn of_two_exceptions_for_one_subject_the_last_one_holds() {
    let (gate, _clock) = gate(|gate| {
        let first = gate.subject_override("a".into(), Limit::at_most(5));
        first.subject_override("a".into(), Limit::at_most(1))
    });
    let _one = gate.admit(Some("a"), 1).unwrap();
    assert_eq!(gate.admit(Some("a"), 2).unwrap_err().cause(), Cause::SubjectAtLimit);
}

#[test]
fn a_clock_that_jumps_ends_what_is_due_and_one_that_goes_back_ends_nothing() {
    let (gate, clock) = gate(|gate| gate);
    clock.set(5_000);
    let session = gate.admit_anonymous(1).unwrap();
    assert_eq!(expired_at(&gate, &clock, 10), []);
    session.touch().unwrap();
    assert_eq!(expired_at(&gate, &clock, 5_999), [], "an earlier touch shortens nothing");
    assert_eq!(expired_at(&gate, &clock, 1 << 40), [(1, CloseReason::Idle)]);
}

#[test]
fn the_maximum_lifetime_is_told() {
    let tells = |lifetime: Option<Duration>| {
        let (gate, _) = gate(|gate| lifetime.into_iter().fold(gate, GateBuilder::max_lifetime));
        gate.max_lifetime()
    };
    assert_eq!(tells(None), None);
    assert_eq!(tells(Some(50 * MS)), Some(50 * MS));
    assert_eq!(tells(Some(MS * 4 / 3)), Some(2 * MS), "in ticks, rounded up");
    let (changed, _) = gate(|gate| gate);
    changed.set_max_lifetime(Some(7 * MS)).unwrap();
    assert_eq!(changed.max_lifetime(), Some(7 * MS));
    changed.set_max_lifetime(None).unwrap();
    assert_eq!(changed.max_lifetime(), None);
}

#[test]
fn whether_a_limit_of_subjects_was_asked_for_is_told() {
    let ten = Limit::at_most(10);
    let has = |edit: fn(GateBuilder<String, u32>) -> GateBuilder<String, u32>| {
        gate(edit).0.has_subject_limit()
    };
    assert!(!has(|gate| gate), "it is the default's");
    assert!(has(|gate| gate.subject_limit(Limit::at_most(10))), "though it is the same");
    assert!(has(|gate| gate.subject_override("alice".into(), Limit::at_most(10))));
    assert!(!has(|gate| gate.subject_limit(Limit::UNLIMITED)));
    let (changed, _) = gate(|gate| gate);
    changed.set_subject_limit(Limit::at_most(3));
    assert!(changed.has_subject_limit());
    changed.set_subject_limit(Limit::UNLIMITED);
    assert!(!changed.has_subject_limit());
    changed.set_override("alice".into(), ten);
    assert!(changed.has_subject_limit());
    let mut config = headcount::GateConfig::<String>::default();
    assert!(!GateBuilder::<_, u32>::from(config.clone()).build().unwrap().has_subject_limit());
    config.subject_limit = Limit::at_most(3);
    assert!(GateBuilder::<_, u32>::from(config).build().unwrap().has_subject_limit());
}

#[test]
fn of_two_closes_the_first_gives_the_reason() {
    let (gate, _clock) = gate(|gate| gate);
    let session = gate.admit_anonymous(1).unwrap();
    gate.close_all(CloseReason::Shutdown);
    gate.close_all(CloseReason::Closed);
    assert_eq!(session.reason(), Some(CloseReason::Shutdown));
}

#[test]
fn the_time_to_come_back_is_rounded_up_to_seconds() {
    let (gate, _clock) = gate(|gate| gate.rate(1, 1001 * MS));
    drop(gate.admit_anonymous(1).unwrap());
    let refused = gate.admit_anonymous(2).unwrap_err();
    assert_eq!((refused.cause(), refused.retry_after()), (Cause::RateLimited, Some(1001 * MS)));
    assert_eq!(refused.retry_after_secs(), Some(2));
}
