//! What threads do with sessions, among others that live throughout.
//!
//! Those that live are made once for all cases of a peer and a size, before
//! anything is timed.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use headcount::{CapacityPolicy, Cause};

use super::super::counts::{SUBJECTS, start, subject};
use super::super::scatter;
use super::sessions::{Limits, Manager, SUBJECT_LIMIT, Sessions};
use crate::common::{Worker, Workload};

/// The subject that is at its limit.
pub const HOT: &str = "hot";

/// Places for the sessions that come and go.
const ROOM: u32 = 64;

/// A manager and what lives in it.
pub struct Live<M: Sessions> {
    manager: M,
    sessions: Vec<M::Session>,
    /// So many may be inside at first.
    most: u32,
}

/// Made when it is first needed, and there until the last case is dropped.
pub type Shared<M> = Arc<LazyLock<Live<M>, Box<dyn FnOnce() -> Live<M> + Send>>>;

impl<M: Sessions> Live<M> {
    /// So many sessions: the hot subject's, and else each of a subject of its
    /// own.
    fn new(live: u32, rate: Option<u32>) -> Self {
        let most = live + ROOM;
        let manager = M::new(Limits { rate, ..Limits::new(most) });
        let admit = |id| {
            let own = format!("client-{:016x}", scatter(id));
            let subject = if id < u64::from(SUBJECT_LIMIT) { Some(HOT) } else { Some(&*own) };
            manager.admit(subject, id).expect("there is room")
        };
        let sessions = (0..u64::from(live)).map(admit).collect();
        Self { manager, sessions, most }
    }

    fn shared(make: impl FnOnce() -> Self + Send + 'static) -> Shared<M> {
        Arc::new(LazyLock::new(Box::new(make)))
    }

    /// Nobody is refused but the hot subject. Others have come and gone before,
    /// so that whatever grows with them has grown.
    pub fn open(live: u32) -> Shared<M> {
        Self::shared(move || {
            let live = Self::new(live, None);
            let before = SUBJECTS.min(10 * live.sessions.len());
            admissions(&live, 0)(before as u64);
            live
        })
    }

    /// The rate window is full, for longer than any run.
    pub fn rate_limited(live: u32) -> Shared<M> {
        Self::shared(move || Self::new(live, Some(live)))
    }

    fn at_random<'a>(&'a self, thread: usize) -> impl FnMut() -> &'a M::Session {
        let (mut draws, sessions) = ((thread as u64) << 32, self.sessions.len() as u64);
        move || {
            draws += 1;
            &self.sessions[(((scatter(draws) >> 32) * sessions) >> 32) as usize]
        }
    }
}

impl<M: Manager> Live<M> {
    /// So many sessions may be inside, and one of them makes room for the next.
    /// Its workers own them.
    pub fn evicting(most: u32, policy: CapacityPolicy) -> Shared<M> {
        Self::shared(move || {
            let manager = M::new(Limits { policy, ..Limits::new(most) });
            Self { manager, sessions: Vec::new(), most }
        })
    }

    /// Nobody is admitted any more.
    pub fn closed(live: u32) -> Shared<M> {
        Self::shared(move || {
            let live = Self::new(live, None);
            live.manager.close();
            live
        })
    }
}

/// Does one thread's work.
type Run<M> = for<'a> fn(&'a Live<M>, usize) -> Worker<'a>;

/// What is done, and where.
pub struct Job<M: Sessions> {
    live: Shared<M>,
    run: Run<M>,
    /// Places besides those taken.
    room: u32,
}

impl<M: Sessions> Clone for Job<M> {
    fn clone(&self) -> Self {
        Self { live: Arc::clone(&self.live), ..*self }
    }
}

impl<M: Sessions> Job<M> {
    pub fn new(live: &Shared<M>, run: Run<M>) -> Self {
        Self { live: Arc::clone(live), run, room: ROOM }
    }

    /// Evictions, where so many may be inside.
    pub fn evicting(live: &Shared<M>, most: u32) -> Self {
        Self { room: most, ..Self::new(live, evictions) }
    }

    /// The same, while no place is free.
    pub fn at_capacity(live: &Shared<M>, run: Run<M>) -> Self {
        Self { room: 0, ..Self::new(live, run) }
    }

    fn prepare(&self) {
        // What threads read that admit.
        black_box(subject(0));
        self.live.manager.settle();
        self.live.manager.set_limit(self.live.sessions.len() as u32 + self.room);
    }
}

/// Thread 0 has its job; so have all others, or they have one that does not
/// count.
pub struct Work<M: Sessions> {
    job: Job<M>,
    others: Option<Job<M>>,
}

impl<M: Sessions> Work<M> {
    pub fn of_all(job: &Job<M>) -> Self {
        job.prepare();
        Self { job: job.clone(), others: None }
    }

    pub fn beside(job: &Job<M>, others: &Job<M>) -> Self {
        others.prepare();
        Self { others: Some(others.clone()), ..Self::of_all(job) }
    }
}

impl<M: Sessions> Workload for Work<M> {
    fn worker(&self, thread: usize) -> Worker<'_> {
        let others = self.others.as_ref().filter(|_| thread > 0);
        let Job { live, run, .. } = others.unwrap_or(&self.job);
        run(live, thread)
    }

    fn is_counted(&self, thread: usize) -> bool {
        thread == 0 || self.others.is_none()
    }
}

/// Ids that nobody else has, while no worker has been there before.
fn ids(thread: usize) -> impl Iterator<Item = u64> {
    (thread as u64 + 1) << 40..
}

/// Sessions, admitted and ended, each its subject's only one: of so many
/// subjects in turn.
fn come_and_go<M: Sessions>(live: &Live<M>, thread: usize, subjects: usize) -> Worker<'_> {
    let (first, mut nth, mut ids) = (start(thread, SUBJECTS), 0, ids(thread));
    Box::new(move |operations| {
        for id in ids.by_ref().take(operations as usize) {
            nth = if nth + 1 == subjects { 0 } else { nth + 1 };
            let next = first + nth;
            let next = subject(if next < SUBJECTS { next } else { next - SUBJECTS });
            let session = live.manager.admit(Some(next), id).expect("there is room");
            live.manager.end(black_box(session));
        }
    })
}

/// Admissions, each of which makes another session go. A worker owns as many as
/// may be inside, so that the one that it lets go of has gone before; now and
/// then it does what a driver does.
fn evictions<M: Sessions>(live: &Live<M>, thread: usize) -> Worker<'_> {
    // Under a lock, what a worker leaves behind lives on.
    static WORKERS: AtomicU64 = AtomicU64::new(0);
    let ids = WORKERS.fetch_add(1, Relaxed) << 40..;
    let subjects = (0..SUBJECTS).cycle().skip(start(thread, SUBJECTS));
    let mut admissions = ids.zip(subjects).map(move |(id, next)| {
        // Who was kept waiting since it looked at the clock may find that all
        // others have come since: it tries again.
        loop {
            match live.manager.admit(Some(subject(next)), id) {
                Ok(session) => break session,
                Err(refused) => assert_eq!(refused, Cause::AtCapacity),
            }
        }
    });
    let mut owned: VecDeque<_> = admissions.by_ref().take(live.most as usize).collect();
    Box::new(move |operations| {
        for session in admissions.by_ref().take(operations as usize) {
            owned.push_back(session);
            drop(black_box(owned.pop_front()));
        }
        live.manager.settle();
    })
}

pub fn admissions<M: Sessions>(live: &Live<M>, thread: usize) -> Worker<'_> {
    come_and_go(live, thread, SUBJECTS)
}

/// Of subjects that were there just now.
pub fn returns<M: Sessions>(live: &Live<M>, thread: usize) -> Worker<'_> {
    come_and_go(live, thread, 256)
}

/// The same, of nobody in particular.
pub fn anonymous<M: Sessions>(live: &Live<M>, thread: usize) -> Worker<'_> {
    let mut ids = ids(thread);
    Box::new(move |operations| {
        for id in ids.by_ref().take(operations as usize) {
            let session = live.manager.admit(None, id).expect("there is room");
            live.manager.end(black_box(session));
        }
    })
}

/// A touch of one that lives, at random.
pub fn touches<M: Sessions>(live: &Live<M>, thread: usize) -> Worker<'_> {
    let mut any = live.at_random(thread);
    Box::new(move |operations| (0..operations).for_each(|_| live.manager.touch(any())))
}

/// An activity of one that lives, at random: begun and ended.
pub fn requests<M: Manager>(live: &Live<M>, thread: usize) -> Worker<'_> {
    let mut any = live.at_random(thread);
    Box::new(move |operations| (0..operations).for_each(|_| live.manager.request(any())))
}

fn refusals<'a, M: Manager>(
    live: &'a Live<M>,
    subject: Option<&'static str>,
    cause: Cause,
) -> Worker<'a> {
    Box::new(move |operations| {
        for _ in 0..operations {
            let refused = black_box(live.manager.admit(subject, u64::MAX)).err();
            assert_eq!(refused, Some(cause));
        }
    })
}

pub fn at_limit<M: Manager>(live: &Live<M>, _thread: usize) -> Worker<'_> {
    refusals(live, Some(HOT), Cause::SubjectAtLimit)
}

pub fn at_capacity<M: Manager>(live: &Live<M>, thread: usize) -> Worker<'_> {
    refusals(live, Some(subject(thread)), Cause::AtCapacity)
}

pub fn rate_limited<M: Manager>(live: &Live<M>, thread: usize) -> Worker<'_> {
    refusals(live, Some(subject(thread)), Cause::RateLimited)
}

pub fn shut_down<M: Manager>(live: &Live<M>, thread: usize) -> Worker<'_> {
    refusals(live, Some(subject(thread)), Cause::ShutDown)
}

/// A peer that admits or refuses wrongly is not compared.
pub fn is_exact<M: Manager>() -> bool {
    const ROUNDS: u64 = 2_000;
    let most = 2 * SUBJECT_LIMIT;
    let manager = M::new(Limits::new(most));
    let both = |thread: usize| {
        (0..ROUNDS).all(|_| {
            let admit = |id| manager.admit(Some(subject(thread)), id);
            let mut held: Vec<_> =
                ids(thread).take(SUBJECT_LIMIT as usize + 1).map(admit).collect();
            let last = held.pop().and_then(Result::err);
            let are_admitted = held.iter().all(Result::is_ok);
            held.into_iter().flatten().for_each(|session| manager.end(session));
            are_admitted && last == Some(Cause::SubjectAtLimit)
        })
    };
    let exact = std::thread::scope(|scope| {
        let other = scope.spawn(|| both(1));
        both(2) & other.join().unwrap()
    });
    let held: Vec<_> = (0..=most).map(|id| manager.admit(None, id.into())).collect();
    let is_full = held.iter().filter(|held| held.is_ok()).count() == most as usize
        && matches!(held.last(), Some(Err(Cause::AtCapacity)));
    held.into_iter().flatten().for_each(|session| manager.end(session));
    let is_empty = manager.in_use() == 0;
    manager.close();
    let is_closed = manager.admit(None, 0).err() == Some(Cause::ShutDown);
    exact && is_full && is_empty && is_closed
}
