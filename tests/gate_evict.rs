#![cfg(not(feature = "loom"))]
//! Evictions: who makes room, who never does, and what is left of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use headcount::{
    CapacityPolicy, Cause, CloseReason, Gate, GateBuilder, Limit, ManualClock, Rejected, Session,
};

type Clock = Arc<ManualClock>;
type TestGate = Gate<String, u32, Clock>;
type TestSession = Session<String, u32, Clock>;

const MS: Duration = Duration::from_millis(1);
const OLDEST: CapacityPolicy = CapacityPolicy::EvictOldest;
const FLOOR: u64 = 10;

fn idle() -> CapacityPolicy {
    CapacityPolicy::EvictIdle { floor: 10 * MS }
}

fn builder(limit: u32, policy: CapacityPolicy) -> (GateBuilder<String, u32, Clock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let builder =
        Gate::builder().limit(Limit::at_most(limit)).at_capacity(policy).clock(Arc::clone(&clock));
    (builder, clock)
}

fn gate(limit: u32, policy: CapacityPolicy) -> (TestGate, Clock) {
    let (builder, clock) = builder(limit, policy);
    (builder.build().unwrap(), clock)
}

fn admit(gate: &TestGate, tag: u32) -> Result<TestSession, Rejected> {
    gate.admit_anonymous(tag)
}

fn told(gate: &TestGate) -> Vec<(u32, CloseReason)> {
    gate.expired().into_iter().map(|ended| (ended.tag, ended.reason)).collect()
}

fn evicted(tag: u32) -> Vec<(u32, CloseReason)> {
    vec![(tag, CloseReason::Evicted)]
}

#[test]
fn the_oldest_makes_room_in_strict_order_within_one_tick() {
    let (gate, _clock) = gate(100, OLDEST);
    let mut sessions: Vec<_> = (0..100).map(|tag| admit(&gate, tag).unwrap()).collect();
    for tag in 100..300 {
        sessions.push(admit(&gate, tag).unwrap());
        assert_eq!((gate.in_use(), told(&gate)), (100, evicted(tag - 100)));
        assert_eq!(sessions[tag as usize - 100].reason(), Some(CloseReason::Evicted));
    }
    assert_eq!(gate.stats().draining, 200);
    sessions.clear();
    assert_eq!((gate.in_use(), gate.stats().draining, gate.candidates()), (0, 0, 0));
}

#[test]
fn the_order_is_that_of_the_reservations() {
    let (gate, _clock) = gate(2, OLDEST);
    let (first, second) = (gate.reserve_anonymous(1), gate.reserve_anonymous(2));
    let second = second.unwrap().commit().unwrap();
    let first = first.unwrap().commit().unwrap();
    second.establish().unwrap();
    first.establish().unwrap();
    let _third = admit(&gate, 3).unwrap();
    assert_eq!((first.reason(), second.reason()), (Some(CloseReason::Evicted), None));
}

#[test]
fn the_least_recently_active_makes_room_past_the_floor() {
    let (gate, clock) = gate(3, idle());
    let sessions: Vec<_> = (0..3).map(|tag| admit(&gate, tag).unwrap()).collect();
    clock.advance(1);
    sessions[0].touch().unwrap();
    clock.advance(1);
    let request = sessions[1].enter().unwrap();
    clock.advance(1);
    drop(request); // active last: 2, 0, 1
    clock.set(FLOOR - 1);
    let refused = admit(&gate, 3).unwrap_err();
    assert_eq!((refused.cause(), refused.retry_after()), (Cause::AtCapacity, Some(MS)));
    assert_eq!(refused.retry_after_secs(), Some(1));
    clock.set(100);
    let mut newcomers = Vec::new();
    for (newcomer, victim) in [(3, 2), (4, 0), (5, 1)] {
        let session = admit(&gate, newcomer).unwrap();
        assert_eq!(told(&gate), evicted(victim));
        session.establish().unwrap();
        newcomers.push(session);
    }
    assert_eq!(admit(&gate, 6).unwrap_err().cause(), Cause::AtCapacity);
}

#[test]
fn the_floor_can_be_changed_and_is_a_tick_at_least() {
    let (gate, clock) = gate(1, idle());
    let first = admit(&gate, 1).unwrap();
    gate.set_eviction_floor(Duration::ZERO).unwrap();
    assert!(admit(&gate, 2).is_err(), "not in the tick in which it was active");
    clock.advance(1);
    let _second = admit(&gate, 2).unwrap();
    assert_eq!(first.reason(), Some(CloseReason::Evicted));
    let error = self::gate(1, OLDEST).0.set_eviction_floor(MS).unwrap_err();
    assert_eq!(error.to_string(), "`at_capacity` does not evict the idle, so has no floor");
    let error = gate.set_eviction_floor(Duration::MAX).unwrap_err();
    assert_eq!(error.field(), "at_capacity");
}

#[test]
fn a_gate_that_evicts_needs_no_idle_timeout() {
    for policy in [idle(), OLDEST] {
        let (builder, clock) = builder(1, policy);
        let gate = builder.no_idle_timeout().build().unwrap();
        let _first = admit(&gate, 1).unwrap();
        clock.advance(1_000_000);
        _first.touch().unwrap();
        clock.advance(FLOOR);
        assert_eq!(told(&gate), []);
        let _second = admit(&gate, 2).unwrap();
        assert_eq!(told(&gate), evicted(1));
    }
    let (builder, _) = builder(1, OLDEST);
    assert_eq!(builder.no_init_timeout().build().unwrap_err().field(), "init_timeout");
}

#[test]
fn nobody_is_evicted_under_a_limit_that_was_lowered() {
    let (gate, _clock) = gate(2, OLDEST);
    let sessions: Vec<_> = (0..2).map(|tag| admit(&gate, tag).unwrap()).collect();
    gate.set_limit(Limit::at_most(1)).unwrap();
    assert_eq!(admit(&gate, 3).unwrap_err().cause(), Cause::AtCapacity);
    assert!(sessions.iter().all(|session| session.reason().is_none()));
    drop(sessions.into_iter().next());
    assert_eq!(gate.in_use(), 0, "the other went with the vector");
}

#[test]
fn an_evicted_session_keeps_its_subjects_slot_until_its_owner_goes() {
    let (gate, _clock) = gate(1, OLDEST);
    let alice = gate.admit(Some("alice"), 1).unwrap();
    let bob = gate.admit(Some("bob"), 2).unwrap();
    assert_eq!((gate.in_use(), gate.in_use_by("alice"), gate.in_use_by("bob")), (1, 1, 1));
    drop(alice);
    assert_eq!((gate.in_use(), gate.in_use_by("alice")), (1, 0));
    drop(bob);
    assert_eq!((gate.in_use(), gate.subjects()), (0, 0));
}

/// Neither by sessions that come and go, nor by those that are used for ever.
#[test]
fn a_session_that_is_admitted_active_is_evicted_when_its_activity_has_ended() {
    let (gate, _clock) = gate(1, OLDEST);
    let (_session, activity) = gate.admit_active(None::<&str>, 1).unwrap();
    assert_eq!(admit(&gate, 2).unwrap_err().cause(), Cause::AtCapacity);
    drop(activity);
    let _newcomer = admit(&gate, 3).unwrap();
    assert_eq!(told(&gate), evicted(1));
}

#[test]
fn the_candidates_are_bounded_under_churn() {
    for policy in [idle(), OLDEST] {
        let (gate, clock) = gate(4, policy);
        let stay: Vec<_> = (0..3).map(|tag| admit(&gate, tag).unwrap()).collect();
        for tag in 3..2_000 {
            drop(admit(&gate, tag).unwrap());
            let short = admit(&gate, tag).unwrap();
            clock.advance(FLOOR);
            for session in &stay {
                session.touch().unwrap();
            }
            let busy: Vec<_> = stay.iter().map(|session| session.enter().unwrap()).collect();
            let newcomer = admit(&gate, tag).unwrap();
            assert_eq!(told(&gate), evicted(tag));
            assert!(gate.candidates() <= 5);
            drop((newcomer, short, busy));
        }
        drop(stay);
        assert_eq!(gate.candidates(), 0);
    }
}

/// The count never passes the limit nor dips; each session ends once; busy ones
/// are never evicted.
#[test]
fn evictions_under_contention_drift_nothing() {
    const LIMIT: u32 = 8;
    for policy in [CapacityPolicy::EvictIdle { floor: MS }, OLDEST] {
        let (gate, clock) = gate(LIMIT, policy);
        let full: Vec<_> = (0..LIMIT).map(|tag| admit(&gate, tag).unwrap()).collect();
        let (done, evictions) = (AtomicBool::new(false), AtomicU32::new(0));
        thread::scope(|scope| {
            let observer = scope.spawn(|| {
                while !done.load(Relaxed) {
                    assert_eq!(gate.in_use(), LIMIT, "sessions while slots only pass");
                }
            });
            let workers: Vec<_> = (0..3)
                .map(|worker| {
                    let (gate, clock, evictions) = (&gate, &clock, &evictions);
                    scope.spawn(move || {
                        let mut mine = Vec::new();
                        for step in 0..3_000 {
                            clock.advance(1);
                            if let Ok(session) = admit(gate, worker * 10_000 + step + 100) {
                                evictions.fetch_add(1, Relaxed);
                                if let Ok(work) = session.enter() {
                                    assert_eq!(session.reason(), None, "it is busy");
                                    drop(work);
                                }
                                mine.push(session);
                            }
                        }
                        mine
                    })
                })
                .collect();
            let all: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
            done.store(true, Relaxed);
            observer.join().unwrap();
            let stats = gate.stats();
            let evicted = evictions.load(Relaxed);
            assert!(evicted > LIMIT, "{evicted} evictions");
            assert_eq!(stats.ended(CloseReason::Evicted), u64::from(evicted));
            assert_eq!(stats.draining, u64::from(evicted));
            assert_eq!(told(&gate).len() as u32, evicted);
            assert_eq!(gate.in_use(), LIMIT);
            drop(all);
        });
        drop(full);
        assert_eq!((gate.in_use(), gate.candidates(), gate.stats().draining), (0, 0, 0));
    }
}
