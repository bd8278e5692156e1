//! One lock around all: the sessions by id, the counts by subject, the total; and
//! where they may have to make room, the sessions in order.
//! As good as that gets: a refusal looks and changes nothing, the clock is read
//! before the lock is taken, and what a session held is freed after it. `N` is the clock.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;

use headcount::Cause;

use super::expiring::Expires;
use super::moment::{Manual, Moment};
use super::order::Order;
use super::sessions::{IDLE, Limits, Manager, SUBJECT_LIMIT, Sessions};

/// Either lock that people take.
pub trait Lock<N>: Send + Sync + 'static {
    fn new(state: State<N>) -> Self;
    fn with<R>(&self, f: impl FnOnce(&mut State<N>) -> R) -> R;
}

pub type StdMutex<N> = std::sync::Mutex<State<N>>;

impl<N: Moment> Lock<N> for StdMutex<N> {
    fn new(state: State<N>) -> Self {
        Self::new(state)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State<N>) -> R) -> R {
        f(&mut self.lock().unwrap())
    }
}

pub type ParkingLot<N> = parking_lot::Mutex<State<N>>;

impl<N: Moment> Lock<N> for ParkingLot<N> {
    fn new(state: State<N>) -> Self {
        Self::new(state)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State<N>) -> R) -> R {
        f(&mut self.lock())
    }
}

/// One session. A sweep ends those that are idle for too long and have nothing in
/// flight; none is made but where it is what is measured.
struct Live<N> {
    subject: Option<Arc<str>>,
    last_active: N,
    /// Where it stands in the order, while nothing is in flight.
    rank: N,
    in_flight: u32,
}

/// What is to be freed: the session, and its subject with its last.
type Gone<N> = (Live<N>, Option<(Arc<str>, Count)>);

/// What a subject has, by its name; the name again, to be shared.
struct Count {
    subject: Arc<str>,
    held: u32,
}

pub struct State<N> {
    limits: Limits,
    sessions: HashMap<u64, Live<N>>,
    counts: HashMap<Arc<str>, Count>,
    total: u32,
    /// When each admission leaves the rate window.
    window: VecDeque<N>,
    order: Order<N>,
    is_closed: bool,
}

impl<N: Moment> State<N> {
    fn with(limits: Limits) -> Self {
        let room = limits.most as usize;
        Self {
            limits,
            sessions: HashMap::with_capacity(room),
            counts: HashMap::with_capacity(room),
            total: 0,
            window: VecDeque::new(),
            order: Order::new(limits.policy),
            is_closed: false,
        }
    }

    /// Who had to make room, if anybody.
    fn admit(&mut self, subject: Option<&str>, id: u64, now: N) -> Result<Option<Gone<N>>, Cause> {
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
        let mut gone = None;
        let count = if self.total < self.limits.most {
            count
        } else {
            let first = self.order.first(now).ok_or(Cause::AtCapacity)?;
            gone = Some(self.end(first));
            subject.and_then(|subject| self.counts.get_mut(subject))
        };
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
        self.order.enter(now, id);
        self.sessions.insert(id, Live { subject, last_active: now, rank: now, in_flight: 0 });
        Ok(gone)
    }

    fn end(&mut self, id: u64) -> Gone<N> {
        let session = self.sessions.remove(&id).expect("it lives");
        self.total -= 1;
        self.order.leave(session.rank, id);
        let subject = session.subject.as_deref();
        let gone = subject.and_then(|subject| {
            let count = self.counts.get_mut(subject).expect("it is counted");
            count.held -= 1;
            if count.held == 0 { self.counts.remove_entry(subject) } else { None }
        });
        (session, gone)
    }

    fn is_idle(session: &Live<N>, now: N) -> bool {
        session.in_flight == 0 && session.last_active + IDLE <= now
    }

    fn idle(&self, now: N) -> Vec<u64> {
        let idle = self.sessions.iter().filter(|(_, session)| Self::is_idle(session, now));
        idle.map(|(&id, _)| id).collect()
    }

    /// Ends those of them that are idle still.
    fn end_idle(&mut self, ids: &[u64], now: N) -> Vec<Gone<N>> {
        let mut gone = Vec::with_capacity(ids.len());
        for &id in ids {
            if self.sessions.get(&id).is_some_and(|session| Self::is_idle(session, now)) {
                gone.push(self.end(id));
            }
        }
        gone
    }

    fn touch(&mut self, id: u64, now: N) {
        let session = self.sessions.get_mut(&id).expect("it lives");
        session.last_active = now;
        if session.in_flight == 0 {
            self.order.leave(session.rank, id);
            session.rank = self.order.rank(session.rank, now);
            self.order.enter(session.rank, id);
        }
    }

    fn begin(&mut self, id: u64) {
        let session = self.sessions.get_mut(&id).expect("it lives");
        session.in_flight += 1;
        if session.in_flight == 1 {
            self.order.leave(session.rank, id);
        }
    }

    fn finish(&mut self, id: u64, now: N) {
        let session = self.sessions.get_mut(&id).expect("it lives");
        session.in_flight -= 1;
        session.last_active = now;
        if session.in_flight == 0 {
            session.rank = self.order.rank(session.rank, now);
            self.order.enter(session.rank, id);
        }
    }
}

pub struct Locked<L, N>(L, PhantomData<fn() -> N>);

impl<L: Lock<N>, N: Moment> Sessions for Locked<L, N> {
    type Session = u64;

    fn new(limits: Limits) -> Self {
        Self(L::new(State::with(limits)), PhantomData)
    }

    fn admit(&self, subject: Option<&str>, id: u64) -> Result<u64, Cause> {
        let now = N::now();
        let gone = self.0.with(|state| state.admit(subject, id, now))?;
        drop(gone);
        Ok(id)
    }

    fn end(&self, id: u64) {
        drop(self.0.with(|state| state.end(id)));
    }

    fn touch(&self, id: &u64) {
        let now = N::now();
        self.0.with(|state| state.touch(*id, now));
    }

    fn set_limit(&self, most: u32) {
        self.0.with(|state| state.limits.most = most);
    }
}

impl<L: Lock<N>, N: Moment> Locked<L, N> {
    /// A sweep that lets others go first after so many, once it has found them.
    pub fn expire_by(&self, most: usize) -> usize {
        let now = N::now();
        let idle = self.0.with(|state| state.idle(now));
        let few = idle.chunks(most);
        few.map(|ids| self.0.with(|state| state.end_idle(ids, now)).len()).sum()
    }
}

impl<L: Lock<Manual>> Expires for Locked<L, Manual> {
    fn expire(&self, _held: Vec<u64>) -> usize {
        let now = Manual::now();
        let gone = self.0.with(|state| {
            let idle = state.idle(now);
            state.end_idle(&idle, now)
        });
        gone.len()
    }
}

impl<L: Lock<N>, N: Moment> Manager for Locked<L, N> {
    fn request(&self, id: &u64) {
        self.0.with(|state| state.begin(*id));
        let now = N::now();
        self.0.with(|state| state.finish(*id, now));
    }

    fn close(&self) {
        self.0.with(|state| state.is_closed = true);
    }

    fn in_use(&self) -> u32 {
        self.0.with(|state| state.total)
    }
}
