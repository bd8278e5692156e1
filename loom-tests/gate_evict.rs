//! Interleavings of evictions: a session that is in the way, a newcomer, and
//! whatever else happens to the session at that moment.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::product::{
    Activity, CapacityPolicy, Cause, Clock, CloseReason, Gate, GateBuilder, Limit, Rejected,
    Reservation, Session, SessionHandle,
};
use crate::support::{model, model_with, race};

/// The time is what the model sets it to, between races.
#[derive(Clone, Default)]
struct SetClock(Arc<AtomicU64>);

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

type TestGate = Gate<u32, u32, SetClock>;
type Newcomer = Result<Reservation<u32, u32, SetClock>, Rejected>;
type Thread = Box<dyn FnOnce() + Send>;
type Outcome<R> = Arc<Mutex<Option<R>>>;

const TICK: Duration = Duration::from_millis(1);
const IDLE: u64 = 4;
const FLOOR: Duration = TICK;
/// Whoever was active before is idle by now.
const LATER: u64 = 10;

#[derive(Clone)]
struct Bench {
    gate: TestGate,
    clock: SetClock,
    told: Arc<Mutex<Vec<(u32, CloseReason)>>>,
}

impl Bench {
    fn new(limit: u32, policy: CapacityPolicy) -> Self {
        Self::built(limit, policy, |builder| builder)
    }

    fn built(
        limit: u32,
        policy: CapacityPolicy,
        more: impl FnOnce(GateBuilder<u32, u32, SetClock>) -> GateBuilder<u32, u32, SetClock>,
    ) -> Self {
        let clock = SetClock::default();
        let builder = Gate::builder()
            .limit(Limit::at_most(limit))
            .no_init_timeout()
            .may_lock_out_for_ever()
            .idle_timeout(4 * TICK)
            .at_capacity(policy)
            .clock(clock.clone());
        let gate = more(builder).build().expect("a good configuration");
        Self { gate, clock, told: Arc::default() }
    }

    fn oldest() -> Self {
        Self::new(1, CapacityPolicy::EvictOldest)
    }

    fn idle() -> Self {
        Self::new(1, CapacityPolicy::EvictIdle { floor: FLOOR })
    }

    fn admit(&self, tag: u32) -> Session<u32, u32, SetClock> {
        self.gate.admit_anonymous(tag).expect("there is room")
    }

    /// A thread that reserves; nobody evicts what is only reserved.
    fn coming(&self, tag: u32) -> (Thread, Outcome<Newcomer>) {
        let gate = self.gate.clone();
        thread(move || gate.reserve_anonymous(tag))
    }

    fn driver(&self, now: u64) -> Thread {
        let bench = self.clone();
        Box::new(move || bench.advance(now))
    }

    fn advance(&self, now: u64) {
        self.gate.advance(now, |ended| {
            self.told.lock().unwrap().push((ended.tag, ended.reason));
        });
    }

    fn told(&self) -> Vec<(u32, CloseReason)> {
        self.told.lock().unwrap().clone()
    }

    /// Fails unless nothing is held, and every session that was admitted has
    /// ended, for one reason each.
    #[track_caller]
    fn assert_at_rest(&self) {
        let stats = self.gate.stats();
        let ended: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
        assert_eq!((stats.in_use, stats.draining), (0, 0), "slots in use, sessions draining");
        assert_eq!(ended, stats.admitted, "ends for as many sessions");
        assert_eq!(self.gate.candidates(), 0, "candidates");
    }
}

fn thread<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> (Thread, Outcome<R>) {
    let outcome = Outcome::default();
    let set = Arc::clone(&outcome);
    (Box::new(move || *set.lock().unwrap() = Some(run())), outcome)
}

fn of<R>(outcome: &Outcome<R>) -> R {
    outcome.lock().unwrap().take().expect("its thread has run")
}

type Handle = SessionHandle<u32, SetClock>;
type Entered = Result<Activity<u32, SetClock>, CloseReason>;

fn entering(handle: Handle) -> (Thread, Outcome<Entered>) {
    thread(move || handle.into_activity().map_err(|error| error.reason().expect("closed")))
}

/// A newcomer that came in evicted `session`, or found it gone: then nothing of
/// it is left but its owner. Else it was refused, and the session has its slot.
#[track_caller]
fn settle(bench: &Bench, newcomer: Newcomer, session: Session<u32, u32, SetClock>) {
    let evicted = session.reason() == Some(CloseReason::Evicted);
    match newcomer {
        Ok(newcomer) => {
            assert!(evicted, "{:?}", session.reason());
            assert_eq!((bench.gate.in_use(), bench.gate.stats().draining), (1, 1));
            drop(session);
            assert_eq!((bench.gate.in_use(), bench.gate.stats().draining), (1, 0));
            drop(newcomer);
        }
        Err(refused) => {
            assert!(!evicted);
            assert_eq!((refused.cause(), bench.gate.in_use()), (Cause::AtCapacity, 1));
            drop(session);
        }
    }
    bench.assert_at_rest();
}

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

#[test]
fn a_session_is_no_candidate_before_it_is_established() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.gate.reserve_anonymous(7).unwrap().commit().unwrap();
        let (come, newcomer) = bench.coming(8);
        let handle = session.handle();
        let (establish, established) = thread(move || handle.establish());
        race([come, establish]);
        let (newcomer, established) = (of(&newcomer), of(&established));
        assert_eq!(established, Ok(()), "it was pending until then");
        settle(&bench, newcomer, session);
    });
}

#[test]
fn nothing_is_left_of_a_session_that_is_established_as_its_owner_leaves() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.gate.reserve_anonymous(7).unwrap().commit().unwrap();
        let handle = session.handle();
        race([Box::new(move || drop(session)), Box::new(move || _ = handle.establish())]);
        bench.assert_at_rest();
    });
}

/// A session that was touched since it took its place, long before now.
fn touched(bench: &Bench) -> Session<u32, u32, SetClock> {
    let session = bench.admit(7);
    bench.clock.0.store(1, Relaxed);
    session.touch().unwrap();
    bench.clock.0.store(3, Relaxed);
    session
}

#[test]
fn nothing_is_left_of_a_session_that_is_moved_as_its_owner_leaves() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let (come, newcomer) = bench.coming(8);
        race([come, Box::new(move || drop(session))]);
        drop(of(&newcomer));
        bench.assert_at_rest();
    });
}

/// It is in sight while another search moves it.
#[test]
fn a_session_that_another_search_moves_can_be_evicted() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let searching = [(); 2].map(|()| -> Thread {
            let gate = bench.gate.clone();
            Box::new(move || assert!(gate.finds_victim(), "nobody used the session"))
        });
        race(searching);
        drop(session);
        bench.assert_at_rest();
    });
}

/// ... and while two do, the one to where it belonged before it was touched.
#[test]
fn a_session_that_two_searches_move_can_be_evicted() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let (first, second, handle) = (bench.clone(), bench.clone(), session.handle());
        race([
            Box::new(move || {
                first.gate.finds_victim();
                if first.clock.now() == LATER {
                    assert!(first.gate.finds_victim(), "nobody used it after that");
                }
            }),
            Box::new(move || {
                handle.touch().unwrap();
                second.clock.0.store(LATER, Relaxed);
                assert!(second.gate.finds_victim());
            }),
        ]);
        drop(session);
        bench.assert_at_rest();
    });
}

#[test]
fn nothing_is_left_of_an_admission_that_the_close_of_the_gate_overtakes() {
    model(|| {
        let bench = Bench::oldest();
        let (gate, closing) = (bench.gate.clone(), bench.clone());
        let (come, admitted) = thread(move || gate.admit_anonymous(7));
        race([
            come,
            Box::new(move || {
                closing.gate.close_all(CloseReason::Shutdown);
                closing.advance(0);
            }),
        ]);
        drop(of(&admitted));
        bench.advance(0);
        bench.assert_at_rest();
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
