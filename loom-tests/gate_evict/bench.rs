//! A gate that makes room at its limit, on a clock that a model sets between races.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::product::{
    Activity, CapacityPolicy, Cause, Clock, CloseReason, Gate, GateBuilder, Limit, Rejected,
    Reservation, Session, SessionHandle,
};

/// The time is what the model sets it to, between races.
#[derive(Clone, Default)]
pub struct SetClock(pub Arc<AtomicU64>);

impl Clock for SetClock {
    fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

pub type TestGate = Gate<u32, u32, SetClock>;
pub type Newcomer = Result<Reservation<u32, u32, SetClock>, Rejected>;
pub type Thread = Box<dyn FnOnce() + Send>;
pub type Outcome<R> = Arc<Mutex<Option<R>>>;

pub const TICK: Duration = Duration::from_millis(1);
pub const IDLE: u64 = 4;
pub const FLOOR: Duration = TICK;
/// Whoever was active before is idle by now.
pub const LATER: u64 = 10;

#[derive(Clone)]
pub struct Bench {
    pub gate: TestGate,
    pub clock: SetClock,
    told: Arc<Mutex<Vec<(u32, CloseReason)>>>,
}

impl Bench {
    pub fn new(limit: u32, policy: CapacityPolicy) -> Self {
        Self::built(limit, policy, |builder| builder)
    }

    pub fn built(
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

    pub fn oldest() -> Self {
        Self::new(1, CapacityPolicy::EvictOldest)
    }

    pub fn idle() -> Self {
        Self::new(1, CapacityPolicy::EvictIdle { floor: FLOOR })
    }

    pub fn admit(&self, tag: u32) -> Session<u32, u32, SetClock> {
        self.gate.admit_anonymous(tag).expect("there is room")
    }

    /// A thread that reserves; nobody evicts what is only reserved.
    pub fn coming(&self, tag: u32) -> (Thread, Outcome<Newcomer>) {
        let gate = self.gate.clone();
        thread(move || gate.reserve_anonymous(tag))
    }

    pub fn driver(&self, now: u64) -> Thread {
        let bench = self.clone();
        Box::new(move || bench.advance(now))
    }

    pub fn advance(&self, now: u64) {
        self.gate.advance(now, |ended| {
            self.told.lock().unwrap().push((ended.tag, ended.reason));
        });
    }

    pub fn told(&self) -> Vec<(u32, CloseReason)> {
        self.told.lock().unwrap().clone()
    }

    /// Fails unless nothing is held, and every session that was admitted has
    /// ended, for one reason each.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        let stats = self.gate.stats();
        let ended: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
        assert_eq!((stats.in_use, stats.draining), (0, 0), "slots in use, sessions draining");
        assert_eq!(ended, stats.admitted, "ends for as many sessions");
        assert_eq!(self.gate.candidates(), 0, "candidates");
    }
}

pub fn thread<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> (Thread, Outcome<R>) {
    let outcome = Outcome::default();
    let set = Arc::clone(&outcome);
    (Box::new(move || *set.lock().unwrap() = Some(run())), outcome)
}

pub fn of<R>(outcome: &Outcome<R>) -> R {
    outcome.lock().unwrap().take().expect("its thread has run")
}

pub type Handle = SessionHandle<u32, SetClock>;
pub type Entered = Result<Activity<u32, SetClock>, CloseReason>;

pub fn entering(handle: Handle) -> (Thread, Outcome<Entered>) {
    thread(move || handle.into_activity().map_err(|error| error.reason().expect("closed")))
}

/// A newcomer that came in evicted `session`, or found it gone: then nothing of
/// it is left but its owner. Else it was refused, and the session has its slot.
#[track_caller]
pub fn settle(bench: &Bench, newcomer: Newcomer, session: Session<u32, u32, SetClock>) {
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

/// A session that was touched since it took its place, long before now.
pub fn touched(bench: &Bench) -> Session<u32, u32, SetClock> {
    let session = bench.admit(7);
    bench.clock.0.store(1, Relaxed);
    session.touch().unwrap();
    bench.clock.0.store(3, Relaxed);
    session
}
