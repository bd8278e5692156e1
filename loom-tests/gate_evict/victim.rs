//! Interleavings of an eviction with everything else that may happen to the victim,
//! the newcomer and the limit.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::bench::{Bench, FLOOR, IDLE, SetClock, TICK, entering, of, settle, thread, touched};
use crate::product::{CapacityPolicy, Cause, CloseReason, Gate, Limit};
use crate::support::{model, model_with, race};

/// The victim is idle or busy, and a busy one is never evicted; who enters
/// afterwards is told. The count stays 1 throughout.
#[test]
fn evict_or_enter() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        let (enter, entered) = entering(session.handle());
        race([come, enter]);
        let (newcomer, entered) = (of(&newcomer), of(&entered));
        assert_eq!(newcomer.is_ok(), entered.is_err());
        if let Err(learned) = &entered {
            assert_eq!(*learned, CloseReason::Evicted);
        }
        bench.advance(0);
        let expected: &[_] = if newcomer.is_ok() { &[(7, CloseReason::Evicted)] } else { &[] };
        assert_eq!(bench.told(), expected);
        settle(&bench, newcomer, session);
    });
}

/// ... whatever anybody sees of it meanwhile.
#[test]
fn the_count_stands_still_while_a_slot_passes() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        let watched = bench.clone();
        race([
            come,
            Box::new(move || {
                assert_eq!(watched.gate.in_use(), 1);
                assert_eq!(watched.gate.in_use(), 1);
            }),
        ]);
        assert!(session.reason().is_some(), "nothing kept it");
        settle(&bench, of(&newcomer), session);
    });
}

#[test]
fn evict_or_close() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        let handle = session.handle();
        let (close, closed) = thread(move || handle.close(CloseReason::Closed));
        race([come, close]);
        let newcomer = of(&newcomer);
        match of(&closed) {
            Ok(()) => assert!(newcomer.is_err()),
            Err(before) => assert_eq!(before.reason, CloseReason::Evicted),
        }
        bench.advance(0);
        bench.advance(0);
        assert_eq!(bench.told().len(), usize::from(newcomer.is_ok()));
        settle(&bench, newcomer, session);
    });
}

/// The slot is the newcomer's or goes back, once.
#[test]
fn evict_or_release() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let handle = session.handle();
        let (come, newcomer) = bench.coming(8);
        race([come, Box::new(move || drop(session))]);
        let newcomer = of(&newcomer);
        assert_eq!(bench.gate.in_use(), u32::from(newcomer.is_ok()));
        bench.advance(0);
        assert_eq!(bench.told(), [], "there is nobody to tell");
        match handle.reason() {
            Some(CloseReason::Evicted) => assert!(newcomer.is_ok()),
            reason => assert_eq!(reason, Some(CloseReason::Released)),
        }
        drop(newcomer);
        drop(handle);
        bench.assert_at_rest();
    });
}

#[test]
fn evict_or_expire() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        race([come, bench.driver(IDLE)]);
        let newcomer = of(&newcomer);
        // A driver that meets the timer that tells before it is released moves it on.
        bench.advance(IDLE + 1);
        let reason = session.reason().expect("one of them has ended it");
        assert_eq!(bench.told(), [(7, reason)]);
        settle(&bench, newcomer, session);
    });
}

/// The lifetime fires the session's own timer between the seal and the end: the timer of
/// the eviction and that one do not both report.
#[test]
fn evict_or_reach_the_lifetime() {
    model(|| {
        let life = Duration::from_millis(1);
        let bench = Bench::built(1, CapacityPolicy::EvictOldest, |gate| gate.max_lifetime(life));
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        race([come, bench.driver(1)]);
        let newcomer = of(&newcomer);
        bench.advance(2);
        let reason = session.reason().expect("one of them has ended it");
        assert_eq!(bench.told(), [(7, reason)]);
        settle(&bench, newcomer, session);
    });
}

#[test]
fn of_two_newcomers_one_gets_the_slot() {
    model_with(1, || {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let ((one, first), (other, second)) = (bench.coming(8), bench.coming(9));
        race([one, other]);
        let (first, second) = (of(&first), of(&second));
        assert_eq!(u32::from(first.is_ok()) + u32::from(second.is_ok()), 1);
        let (newcomer, refused) = if first.is_ok() { (first, second) } else { (second, first) };
        assert_eq!(refused.err().map(|refused| refused.cause()), Some(Cause::AtCapacity));
        bench.advance(0);
        assert_eq!(bench.told(), [(7, CloseReason::Evicted)]);
        settle(&bench, newcomer, session);
    });
}

/// Whether the close finds the session evicted or not, its drivers tell once.
#[test]
fn evict_or_shut_down() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        let closing = bench.clone();
        race([
            come,
            Box::new(move || {
                closing.gate.close_all(CloseReason::Shutdown);
                closing.advance(0);
            }),
        ]);
        let newcomer = of(&newcomer);
        bench.advance(0);
        let reason = session.reason().expect("the gate was closed");
        assert_eq!(bench.told(), [(7, reason)]);
        assert_eq!(newcomer.is_ok(), reason == CloseReason::Evicted);
        drop((session, newcomer));
        bench.assert_at_rest();
    });
}

/// A slot that passes is no new one: the limit may change meanwhile.
#[test]
fn evict_or_lower_the_limit() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        let (come, newcomer) = bench.coming(8);
        let setting = bench.clone();
        let to = |limit| move || _ = setting.gate.set_limit(Limit::at_most(limit));
        race([come, Box::new(to(0))]);
        bench.gate.set_limit(Limit::at_most(1)).unwrap();
        // Either came first; the slot passes or stays where it is.
        settle(&bench, of(&newcomer), session);
    });
}

#[test]
fn nobody_is_evicted_while_the_gate_is_over_its_limit() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.admit(7);
        bench.gate.set_limit(Limit::at_most(0)).unwrap();
        let (come, newcomer) = bench.coming(8);
        let (enter, entered) = entering(session.handle());
        race([come, enter]);
        assert!(of(&entered).is_ok());
        settle(&bench, of(&newcomer), session);
    });
}

/// A tag whose drop panics, wherever that is.
#[derive(Clone)]
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 && !std::thread::panicking() {
            // Without the hook, which would print in each execution.
            resume_unwind(Box::new("the tag's drop panics"));
        }
    }
}

#[test]
fn a_slot_that_passes_outlives_a_panic_of_its_last_owners_tag() {
    model(|| {
        let gate: Gate<u32, Bomb, SetClock> = Gate::builder()
            .limit(Limit::at_most(1))
            .may_lock_out_for_ever()
            .no_init_timeout()
            .idle_timeout(4 * TICK)
            .at_capacity(CapacityPolicy::EvictOldest)
            .clock(SetClock::default())
            .build()
            .expect("a good configuration");
        let session = gate.admit_anonymous(Bomb(true)).expect("there is room");
        let coming = gate.clone();
        race([
            Box::new(move || {
                let come = || drop(coming.reserve_anonymous(Bomb(false)));
                _ = catch_unwind(AssertUnwindSafe(come));
            }),
            Box::new(move || _ = catch_unwind(AssertUnwindSafe(|| drop(session)))),
        ]);
        assert_eq!(gate.in_use(), 0);
        // It may be the last to have the tag, if that waits to be reported.
        _ = catch_unwind(AssertUnwindSafe(|| drop(gate)));
    });
}

/// Who is active at the decision is safe for as long as the floor.
#[test]
fn evict_the_idle_or_touch() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let (come, newcomer) = bench.coming(8);
        let handle = session.handle();
        let (touch, touched) = thread(move || handle.touch());
        race([come, touch]);
        let (newcomer, touched) = (of(&newcomer), of(&touched));
        match touched {
            Ok(()) => assert!(newcomer.is_err()),
            Err(closed) => assert_eq!(closed.reason, CloseReason::Evicted),
        }
        settle(&bench, newcomer, session);
    });
}

/// The one that was used least recently, though it stands behind.
#[test]
fn the_least_recently_active_makes_room() {
    model(|| {
        let bench = Bench::new(2, CapacityPolicy::EvictIdle { floor: FLOOR });
        let busy = touched(&bench);
        bench.clock.0.store(0, Relaxed);
        let idle = bench.admit(6);
        bench.clock.0.store(3, Relaxed);
        let (come, newcomer) = bench.coming(8);
        let handle = busy.handle();
        let (enter, entered) = entering(handle);
        race([come, enter]);
        assert!(of(&newcomer).is_ok());
        assert!(of(&entered).is_ok());
        assert_eq!((busy.reason(), idle.reason()), (None, Some(CloseReason::Evicted)));
        drop((busy, idle));
        bench.assert_at_rest();
    });
}
