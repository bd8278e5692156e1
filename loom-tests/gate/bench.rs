//! A gate on a clock that stands still, so that only drivers know that time passes,
//! and what they were told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::product::{
    Activity, Clock, CloseReason, Gate, GateBuilder, Limit, Reservation, Session, SessionHandle,
};

/// It is always 0 for who asks; drivers are told.
pub struct StandsStill;

impl Clock for StandsStill {
    fn now(&self) -> u64 {
        0
    }
}

pub type TestGate = Gate<u32, u32, StandsStill>;
pub type Handle = SessionHandle<u32, StandsStill>;
pub type Work = Activity<u32, StandsStill>;
pub type Thread = Box<dyn FnOnce() + Send>;

/// Idle after two ticks; at four, whatever was going on at 0 is long over.
pub const IDLE: u64 = 2;
pub const LATE: u64 = 4;
pub const TICK: Duration = Duration::from_millis(1);

pub fn builder(limit: u32) -> GateBuilder<u32, u32, StandsStill> {
    Gate::builder()
        .limit(Limit::at_most(limit))
        .no_init_timeout()
        .may_lock_out_for_ever()
        .idle_timeout(2 * TICK)
        .clock(StandsStill)
}

/// A gate and what its drivers were told.
#[derive(Clone)]
pub struct Bench {
    pub gate: TestGate,
    told: Arc<Mutex<Vec<(u32, CloseReason)>>>,
}

impl Bench {
    pub fn new(builder: GateBuilder<u32, u32, StandsStill>) -> Self {
        Self { gate: builder.build().expect("a good configuration"), told: Arc::default() }
    }

    pub fn admit(&self, tag: u32) -> Session<u32, u32, StandsStill> {
        self.gate.admit_anonymous(tag).expect("there is room")
    }

    pub fn reserve(&self, tag: u32) -> Reservation<u32, u32, StandsStill> {
        self.gate.reserve_anonymous(tag).expect("there is room")
    }

    pub fn advance(&self, now: u64) {
        self.gate.advance(now, |ended| {
            self.told.lock().unwrap().push((ended.tag, ended.reason));
        });
    }

    pub fn driver(&self, now: u64) -> Thread {
        let bench = self.clone();
        Box::new(move || bench.advance(now))
    }

    pub fn told(&self) -> Vec<(u32, CloseReason)> {
        self.told.lock().unwrap().clone()
    }

    /// Fails unless nothing is held and every session that was admitted has
    /// ended, for one reason each.
    #[track_caller]
    pub fn assert_at_rest(&self) {
        let stats = self.gate.stats();
        let ended: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
        assert_eq!((stats.in_use, stats.draining), (0, 0), "slots in use, sessions draining");
        assert_eq!(ended, stats.admitted, "ends for as many sessions");
        assert_eq!(self.gate.subjects(), 0);
    }
}

/// What a thread leaves for the check after the race.
pub type Outcome<R> = Arc<Mutex<Option<R>>>;

pub fn outcome<R>() -> (Outcome<R>, Outcome<R>) {
    let outcome = Arc::new(Mutex::new(None));
    (Arc::clone(&outcome), outcome)
}

pub fn entering(handle: Handle) -> (Thread, Outcome<Result<Work, CloseReason>>) {
    let (set, entered) = outcome();
    let thread = move || {
        let result = handle.into_activity();
        *set.lock().unwrap() = Some(result.map_err(|error| error.reason().expect("closed")));
    };
    (Box::new(thread), entered)
}
