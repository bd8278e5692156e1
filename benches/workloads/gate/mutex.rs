//! One lock around all: the sessions by id, the counts by subject, the total.
//! As good as that gets: a refusal looks and changes nothing, the clock is read
//! before the lock is taken, and what a session held is freed after it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use headcount::Cause;

use super::sessions::{IDLE, Limits, Manager, SUBJECT_LIMIT, Sessions};

/// Either lock that people take.
pub trait Lock: Send + Sync + 'static {
    fn new(state: State) -> Self;
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R;
}

pub type StdMutex = std::sync::Mutex<State>;

impl Lock for StdMutex {
    fn new(state: State) -> Self {
        Self::new(state)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.lock().unwrap())
    }
}

pub type ParkingLot = parking_lot::Mutex<State>;

impl Lock for ParkingLot {
    fn new(state: State) -> Self {
        Self::new(state)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.lock())
    }
}

/// One session. A sweep would end those that are idle for too long and have
/// nothing in flight; none is made here.
struct Live {
    subject: Option<Arc<str>>,
    last_active: Instant,
    in_flight: u32,
}

/// What a subject has, by its name; the name again, to be shared.
struct Count {
    subject: Arc<str>,
    held: u32,
}

pub struct State {
    limits: Limits,
    sessions: HashMap<u64, Live>,
    counts: HashMap<Arc<str>, Count>,
    total: u32,
    /// When each admission leaves the rate window.
    window: VecDeque<Instant>,
    is_closed: bool,
}

impl State {
    fn with(limits: Limits) -> Self {
        let room = limits.most as usize;
        Self {
            limits,
            sessions: HashMap::with_capacity(room),
            counts: HashMap::with_capacity(room),
            total: 0,
            window: VecDeque::new(),
            is_closed: false,
        }
    }

    fn admit(&mut self, subject: Option<&str>, id: u64, now: Instant) -> Result<(), Cause> {
        if self.is_closed {
            return Err(Cause::ShutDown);
        }
        let count = subject.and_then(|subject| self.counts.get_mut(subject));
        if count.as_ref().is_some_and(|count| count.held >= SUBJECT_LIMIT) {
            return Err(Cause::SubjectAtLimit);
        }
        if let Some(most) = self.limits.rate {
            while self.window.front().is_some_and(|&leaves| leaves <= now) {
                self.window.pop_front();
            }
            if self.window.len() >= most as usize {
                return Err(Cause::RateLimited);
            }
        }
        if self.total >= self.limits.most {
            return Err(Cause::AtCapacity);
        }
        let subject = match (count, subject) {
            (Some(count), _) => {
                count.held += 1;
                Some(Arc::clone(&count.subject))
            }
            (None, Some(subject)) => {
                let subject: Arc<str> = subject.into();
                let count = Count { subject: Arc::clone(&subject), held: 1 };
                self.counts.insert(Arc::clone(&subject), count);
                Some(subject)
            }
            (None, None) => None,
        };
        if self.limits.rate.is_some() {
            self.window.push_back(now + IDLE);
        }
        self.total += 1;
        self.sessions.insert(id, Live { subject, last_active: now, in_flight: 0 });
        Ok(())
    }

    /// What is to be freed: the session, and its subject with its last.
    fn end(&mut self, id: u64) -> (Live, Option<(Arc<str>, Count)>) {
        let session = self.sessions.remove(&id).expect("it lives");
        self.total -= 1;
        let subject = session.subject.as_deref();
        let gone = subject.and_then(|subject| {
            let count = self.counts.get_mut(subject).expect("it is counted");
            count.held -= 1;
            if count.held == 0 { self.counts.remove_entry(subject) } else { None }
        });
        (session, gone)
    }

    fn session(&mut self, id: u64) -> &mut Live {
        self.sessions.get_mut(&id).expect("it lives")
    }
}

pub struct Locked<L>(L);

impl<L: Lock> Sessions for Locked<L> {
    type Session = u64;

    fn new(limits: Limits) -> Self {
        Self(L::new(State::with(limits)))
    }

    fn admit(&self, subject: Option<&str>, id: u64) -> Result<u64, Cause> {
        let now = Instant::now();
        self.0.with(|state| state.admit(subject, id, now)).map(|()| id)
    }

    fn end(&self, id: u64) {
        drop(self.0.with(|state| state.end(id)));
    }

    fn touch(&self, id: &u64) {
        let now = Instant::now();
        self.0.with(|state| state.session(*id).last_active = now);
    }

    fn set_limit(&self, most: u32) {
        self.0.with(|state| state.limits.most = most);
    }
}

impl<L: Lock> Manager for Locked<L> {
    fn request(&self, id: &u64) {
        self.0.with(|state| state.session(*id).in_flight += 1);
        let now = Instant::now();
        self.0.with(|state| {
            let session = state.session(*id);
            session.in_flight -= 1;
            session.last_active = now;
        });
    }

    fn close(&self) {
        self.0.with(|state| state.is_closed = true);
    }

    fn in_use(&self) -> u32 {
        self.0.with(|state| state.total)
    }
}
