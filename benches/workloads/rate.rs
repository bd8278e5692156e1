//! The sliding window and what people use instead of it.
//!
//! - `undone`: reserve and roll back, in a window half full. An operation is a
//!   pair.
//! - `admits`: reserve and commit, each a little later than the one before, so
//!   that an old admission leaves for each new one. An operation is an attempt,
//!   and with every peer it draws the time from one shared counter.
//! - `storm`: the window is full and stays full. An operation is a refusal.
//!
//! The mutexes hold a queue of admissions, pruned at each attempt. governor is
//! no window: its GCRA lets up to twice as many into one, and it cannot give
//! back, so it has no `undone`.

use std::collections::VecDeque;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use headcount::{RateToken, SlidingWindow};

use crate::common::{Case, Goal, Measure, OURS, Over, Part, Worker, Workload};

const MOST: u32 = 100;
const WINDOW: u64 = 60_000;

/// Anything that limits admissions in a window, told the time.
trait Limiter: Sync + 'static {
    /// A place that may still be given back, by its drop.
    type Place<'a>;
    fn new() -> Self;
    fn try_reserve(&self, now: u64) -> Option<Self::Place<'_>>;
    fn commit(place: Self::Place<'_>);
}

impl Limiter for SlidingWindow {
    type Place<'a> = RateToken<'a>;

    fn new() -> Self {
        SlidingWindow::new(MOST, WINDOW).unwrap()
    }

    fn try_reserve(&self, now: u64) -> Option<RateToken<'_>> {
        self.try_reserve_at(now).ok()
    }

    fn commit(place: RateToken<'_>) {
        place.commit();
    }
}

fn reserve(queue: &mut VecDeque<u64>, now: u64) -> bool {
    while queue.front().is_some_and(|&leaves| leaves <= now) {
        queue.pop_front();
    }
    let room = queue.len() < MOST as usize;
    if room {
        queue.push_back(now + WINDOW);
    }
    room
}

fn undo(queue: &mut VecDeque<u64>, now: u64) {
    if let Some(index) = queue.iter().rposition(|&leaves| leaves == now + WINDOW) {
        queue.remove(index);
    }
}

/// A limiter that keeps its queue under a mutex.
macro_rules! queue {
    ($name:ident, $place:ident, $mutex:ty, |$locked:ident| $lock:expr) => {
        struct $name($mutex);

        struct $place<'a> {
            queue: &'a $name,
            now: u64,
        }

        impl Drop for $place<'_> {
            fn drop(&mut self) {
                let $locked = &self.queue.0;
                undo(&mut $lock, self.now);
            }
        }

        impl Limiter for $name {
            type Place<'a> = $place<'a>;

            fn new() -> Self {
                Self(<$mutex>::new(VecDeque::with_capacity(MOST as usize)))
            }

            fn try_reserve(&self, now: u64) -> Option<$place<'_>> {
                let $locked = &self.0;
                reserve(&mut $lock, now).then(|| $place { queue: self, now })
            }

            fn commit(place: $place<'_>) {
                std::mem::forget(place);
            }
        }
    };
}

queue!(ParkingLot, ParkingLotPlace, parking_lot::Mutex<VecDeque<u64>>, |mutex| mutex.lock());
queue!(StdMutex, StdPlace, std::sync::Mutex<VecDeque<u64>>, |mutex| mutex.lock().unwrap());
// Its lock is awaited elsewhere; with nobody inside, so is this.
queue!(TokioMutex, TokioPlace, tokio::sync::Mutex<VecDeque<u64>>, |mutex| mutex.blocking_lock());

/// GCRA, on a clock that stands still.
struct Gcra(RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>);

impl Limiter for Gcra {
    type Place<'a> = ();

    fn new() -> Self {
        let most = NonZeroU32::new(MOST).unwrap();
        let quota = Quota::with_period(Duration::from_millis(WINDOW / u64::from(MOST))).unwrap();
        let clock = FakeRelativeClock::default();
        Self(RateLimiter::direct_with_clock(quota.allow_burst(most), clock))
    }

    fn try_reserve(&self, _now: u64) -> Option<()> {
        self.0.check().ok()
    }

    fn commit((): ()) {}
}

fn filled<L: Limiter>(places: u32, now: u64) -> Box<L> {
    let limiter = L::new();
    (0..places).for_each(|_| L::commit(limiter.try_reserve(now).expect("there is room")));
    Box::new(limiter)
}

struct Undone<L>(Box<L>);

impl<L: Limiter> Workload for Undone<L> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        Box::new(|operations| {
            for _ in 0..operations {
                drop(black_box(self.0.try_reserve(1)));
            }
        })
    }
}

struct Admits<L> {
    limiter: Box<L>,
    clock: AtomicU64,
}

/// Ticks from one attempt to the next: an admission leaves for each new one.
const STEP: u64 = WINDOW / MOST as u64;

impl<L: Limiter> Workload for Admits<L> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        Box::new(|operations| {
            for _ in 0..operations {
                let place = self.limiter.try_reserve(self.clock.fetch_add(STEP, Relaxed));
                black_box(place.is_some());
                place.into_iter().for_each(L::commit);
            }
        })
    }
}

struct Storm<L>(Box<L>);

impl<L: Limiter> Workload for Storm<L> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        Box::new(|operations| {
            for _ in 0..operations {
                assert!(black_box(self.0.try_reserve(1).is_none()));
            }
        })
    }
}

fn storm<L: Limiter>(peer: &'static str, cases: &mut Vec<Case>) {
    for threads in [1, 2, 4] {
        let set_up = || Box::new(Storm(filled::<L>(MOST, 0))) as Box<dyn Workload>;
        let measure = Measure::Window(Box::new(set_up));
        cases.push(Case { workload: "storm", peer, threads, measure, takes_long: false });
    }
}

fn cases<L: Limiter>(peer: &'static str, cases: &mut Vec<Case>) {
    storm::<L>(peer, cases);
    for threads in [1, 2, 4] {
        let mut case = |workload, set_up: fn() -> Box<dyn Workload>| {
            let measure = Measure::Window(Box::new(set_up));
            cases.push(Case { workload, peer, threads, measure, takes_long: false });
        };
        case("undone", || Box::new(Undone(filled::<L>(MOST / 2, 0))));
        case("admits", || {
            Box::new(Admits { limiter: filled::<L>(MOST, 0), clock: AtomicU64::new(WINDOW) })
        });
    }
}

/// Every case and goal of the sliding window.
pub fn part() -> Part {
    let mut all = Vec::new();
    cases::<SlidingWindow>(OURS, &mut all);
    cases::<ParkingLot>("parking_lot Mutex<VecDeque>", &mut all);
    cases::<StdMutex>("std Mutex<VecDeque>", &mut all);
    cases::<TokioMutex>("tokio Mutex<VecDeque>", &mut all);
    storm::<Gcra>("governor (GCRA, no window)", &mut all);

    let goal = |workload, threads, at_least| {
        let over = Over::Peer("parking_lot Mutex<VecDeque>");
        Goal { workload, threads, over, at_least }
    };
    let goals = vec![
        goal("storm", 2, 3.0),
        goal("admits", 1, 1.3),
        goal("admits", 2, 1.0),
        goal("admits", 4, 0.8),
        goal("undone", 1, 0.9),
        goal("undone", 2, 0.6),
        goal("undone", 4, 0.5),
    ];
    Part { name: "rate", cases: all, goals }
}
