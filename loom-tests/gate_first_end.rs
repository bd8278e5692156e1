//! Interleavings of a refusal that searches for the first end, and of what changes it
//! meanwhile. After the race nobody is told a time after the first end, nor that of a
//! session that is gone.

use std::time::Duration;

use crate::product::{CapacityPolicy, Cause, Clock, Gate, GateBuilder, Limit, Session};
use crate::support::{model, model_with, race};

/// It is always 0.
struct StandsStill;

impl Clock for StandsStill {
    fn now(&self) -> u64 {
        0
    }
}

type TestGate = Gate<u32, u32, StandsStill>;
type Thread = Box<dyn FnOnce() + Send>;

const TICK: Duration = Duration::from_millis(1);
/// Where no timeout comes.
const SECOND: Duration = Duration::from_secs(1);

/// Its sessions are idle after two ticks.
fn gate(limit: u32) -> TestGate {
    let builder: GateBuilder<u32, u32> = Gate::builder();
    let builder = builder.limit(Limit::at_most(limit)).no_init_timeout().may_lock_out_for_ever();
    let builder = builder.idle_timeout(2 * TICK).clock(StandsStill);
    builder.build().expect("a good configuration")
}

fn admit(gate: &TestGate, tag: u32) -> Session<u32, u32, StandsStill> {
    gate.admit_anonymous(tag).expect("there is room")
}

/// A newcomer that may be refused, and goes if it is not.
fn asks(gate: &TestGate) -> Thread {
    let gate = gate.clone();
    Box::new(move || drop(gate.reserve_anonymous(9)))
}

#[track_caller]
fn told(gate: &TestGate) -> Duration {
    let refused = gate.reserve_anonymous(9).expect_err("the gate is full");
    assert_eq!(refused.cause(), Cause::AtCapacity);
    refused.retry_after().expect("it is of use")
}

#[test]
fn the_time_told_follows_who_leaves_during_the_search() {
    model(|| {
        let gate = gate(1);
        let session = admit(&gate, 1);
        let request = session.enter().unwrap();
        race([asks(&gate), Box::new(move || drop(request))]);
        assert_eq!(told(&gate), 2 * TICK);
        drop(session);
    });
}

/// The other session is in use, so that the one that comes is the first to end.
#[test]
fn the_time_told_follows_who_comes_during_the_search() {
    model(|| {
        let gate = gate(2);
        let other = admit(&gate, 1);
        let request = other.enter().unwrap();
        let (coming, asking) = (gate.clone(), gate.clone());
        let session = std::sync::Arc::new(std::sync::Mutex::new(None));
        let set = std::sync::Arc::clone(&session);
        race([
            Box::new(move || *set.lock().unwrap() = Some(admit(&coming, 2))) as Thread,
            Box::new(move || {
                if asking.available() == 0 {
                    told(&asking);
                }
            }),
        ]);
        assert_eq!(told(&gate), 2 * TICK);
        drop(request);
    });
}

/// ... also in the place of another, whose node it does not get.
#[test]
fn the_time_told_follows_who_comes_in_the_place_of_another_during_the_search() {
    model_with(1, || {
        let gate = gate(2);
        let other = admit(&gate, 1);
        let _request = other.enter().unwrap();
        let leaving = admit(&gate, 2);
        let _handle = leaving.handle();
        let coming = gate.clone();
        let session = std::sync::Arc::new(std::sync::Mutex::new(None));
        let set = std::sync::Arc::clone(&session);
        race([
            Box::new(move || {
                drop(leaving);
                *set.lock().unwrap() = coming.admit_anonymous(3).ok();
            }) as Thread,
            asks(&gate),
        ]);
        let _session = session.lock().unwrap().take().unwrap_or_else(|| admit(&gate, 3));
        assert_eq!(told(&gate), 2 * TICK);
    });
}

/// ... also by an eviction, which takes no slot of the count.
#[test]
fn the_time_told_follows_who_evicts_another_during_the_search() {
    model_with(1, || {
        let builder: GateBuilder<u32, u32> = Gate::builder();
        let gate = builder
            .limit(Limit::at_most(1))
            .at_capacity(CapacityPolicy::EvictOldest)
            .no_init_timeout()
            .no_idle_timeout()
            .may_lock_out_for_ever()
            .max_lifetime(2 * TICK)
            .clock(StandsStill)
            .build()
            .expect("a good configuration");
        let first = admit(&gate, 1);
        let request = first.enter().unwrap();
        let coming = gate.clone();
        let session = std::sync::Arc::new(std::sync::Mutex::new(None));
        let set = std::sync::Arc::clone(&session);
        race([
            Box::new(move || {
                drop(request);
                *set.lock().unwrap() = coming.admit_anonymous(2).ok();
            }) as Thread,
            asks(&gate),
        ]);
        let session = session.lock().unwrap().take().filter(|session| session.reason().is_none());
        let session = session.unwrap_or_else(|| admit(&gate, 2));
        let _request = session.enter().unwrap();
        assert_eq!(told(&gate), 2 * TICK, "nobody may go before");
    });
}

/// Its node is that of a session that comes later and is due later.
#[test]
fn the_time_told_is_not_that_of_a_session_that_ends_during_the_search() {
    model(|| {
        let gate = gate(2);
        gate.set_idle_timeout(Some(TICK)).unwrap();
        let first = admit(&gate, 1);
        gate.set_idle_timeout(Some(2 * TICK)).unwrap();
        let second = admit(&gate, 2);
        gate.set_limit(Limit::at_most(1)).unwrap();
        race([asks(&gate), Box::new(move || drop(first))]);
        gate.set_limit(Limit::at_most(2)).unwrap();
        let third = admit(&gate, 3);
        assert_eq!(told(&gate), 2 * TICK);
        drop((second, third));
    });
}

/// The one that came first in the search is in use after it, or was.
#[test]
fn the_time_told_is_not_that_of_a_session_that_is_entered_during_the_search() {
    model(|| {
        let gate = gate(1);
        let session = admit(&gate, 1);
        let handle = session.handle();
        let request = std::sync::Arc::new(std::sync::Mutex::new(None));
        let set = std::sync::Arc::clone(&request);
        race([asks(&gate), Box::new(move || *set.lock().unwrap() = handle.enter().ok())]);
        assert_eq!(told(&gate), SECOND, "nothing ends it");
        drop(request.lock().unwrap().take());
        assert_eq!(told(&gate), 2 * TICK);
        drop(session);
    });
}

/// Two search, one after the other or one while the other does; somebody leaves.
#[test]
fn two_who_are_told_at_once_lose_nobody() {
    model(|| {
        let gate = gate(1);
        let session = admit(&gate, 1);
        let request = session.enter().unwrap();
        race([asks(&gate), asks(&gate), Box::new(move || drop(request))]);
        assert_eq!(told(&gate), 2 * TICK);
        drop(session);
    });
}

/// Its node is that of a session that comes in its place, and is due later.
#[test]
fn the_time_told_is_not_that_of_a_session_whose_place_another_takes_during_the_search() {
    model(|| {
        let gate = gate(2);
        gate.set_idle_timeout(Some(TICK)).unwrap();
        let first = admit(&gate, 1);
        gate.set_idle_timeout(Some(2 * TICK)).unwrap();
        let second = admit(&gate, 2);
        let coming = gate.clone();
        let third = std::sync::Arc::new(std::sync::Mutex::new(None));
        let set = std::sync::Arc::clone(&third);
        race([
            asks(&gate),
            Box::new(move || {
                drop(first);
                *set.lock().unwrap() = coming.admit_anonymous(3).ok();
            }) as Thread,
        ]);
        let third = third.lock().unwrap().take().unwrap_or_else(|| admit(&gate, 3));
        assert_eq!(told(&gate), 2 * TICK);
        drop((second, third));
    });
}

/// The limit is raised for one more, whose timer is the first of a new chunk and ends
/// first; who found the gate full before has seen nothing of that.
#[test]
fn a_refusal_need_not_have_seen_a_later_timer_be_made() {
    model_with(1, || {
        let gate = gate(2);
        let _sessions = [admit(&gate, 1), admit(&gate, 2)];
        gate.set_idle_timeout(Some(TICK)).expect("a good timeout");
        let coming = gate.clone();
        let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
        let keep = std::sync::Arc::clone(&kept);
        race([
            Box::new(move || {
                coming.set_limit(Limit::at_most(3)).expect("a good limit");
                let session = coming.admit_anonymous(3).ok();
                // Refused, and so it searches, unless the other one has gone again.
                let another = coming.reserve_anonymous(4);
                *keep.lock().unwrap() = Some((session, another.ok()));
            }) as Thread,
            asks(&gate),
        ]);
        drop(kept.lock().unwrap().take());
    });
}

/// The first timer of all is made by one who then searches and says what it found; the
/// other has seen nothing of that.
#[test]
fn a_refusal_need_not_have_seen_the_timer_be_made() {
    model(|| {
        let gate = gate(1);
        let (coming, asking) = (gate.clone(), gate.clone());
        let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
        let keep = std::sync::Arc::clone(&kept);
        race([
            Box::new(move || {
                let session = coming.admit_anonymous(1);
                if session.is_ok() {
                    told(&coming);
                }
                *keep.lock().unwrap() = session.ok();
            }) as Thread,
            Box::new(move || {
                if asking.available() == 0 {
                    told(&asking);
                }
            }),
        ]);
        drop(kept.lock().unwrap().take());
    });
}
