//! The wheel of a model, whose every call says what time it is, and what has fired.

use std::sync::{Arc, Mutex};

use crate::product::{Clock, Timer, TimerWheel};
use crate::support::Shared;

/// Models say what time it is with each call.
pub struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> u64 {
        unreachable!("models say what time it is")
    }
}

pub type Wheel = TimerWheel<u32, NoClock>;

/// A wheel, what has fired, and the handles that are to be kept.
#[derive(Clone)]
pub struct Bench {
    pub wheel: Shared<Wheel>,
    pub fired: Arc<Mutex<Vec<u32>>>,
    pub kept: Arc<Mutex<Vec<Timer<u32, NoClock>>>>,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            wheel: Shared::new(TimerWheel::new(NoClock)),
            fired: Arc::default(),
            kept: Arc::default(),
        }
    }

    /// Inserts `payload`, due at `deadline`, when it is `now`.
    pub fn insert(&self, now: u64, deadline: u64, payload: u32) -> Timer<u32, NoClock> {
        self.wheel.insert_at(now, deadline - now, payload).expect("there is room")
    }

    /// ... and keeps the handle to the end.
    pub fn insert_kept(&self, now: u64, deadline: u64, payload: u32) {
        self.keep(self.insert(now, deadline, payload));
    }

    pub fn keep(&self, timer: Timer<u32, NoClock>) {
        self.kept.lock().unwrap().push(timer);
    }

    pub fn advance(&self, now: u64) {
        self.wheel.advance(now, |payload| self.fired.lock().unwrap().push(payload));
    }

    /// Looks at `most` timers.
    pub fn advance_some(&self, now: u64, most: usize) {
        let fire = |payload| self.fired.lock().unwrap().push(payload);
        let done = self.wheel.advance_some(now, most, fire);
        assert!(done.fired <= most, "{} fired", done.fired);
    }

    pub fn has_fired(&self, payload: u32) -> bool {
        self.fired.lock().unwrap().contains(&payload)
    }

    /// Fails unless exactly these have fired, in whatever order.
    #[track_caller]
    pub fn assert_fired(&self, expected: &[u32]) {
        let mut fired = self.fired.lock().unwrap().clone();
        fired.sort_unstable();
        assert_eq!(fired, expected);
    }

    /// A racing thread that has this and `state`.
    pub fn thread<S: Send + 'static>(
        &self,
        state: S,
        run: impl FnOnce(&Self, S) + Send + 'static,
    ) -> Box<dyn FnOnce() + Send> {
        let bench = self.clone();
        Box::new(move || run(&bench, state))
    }
}
