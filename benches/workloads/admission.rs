//! The admission counter and what people use instead of it.
//!
//! - `far`: acquire and release, far from the limit. An operation is a pair.
//! - `mixed`: every thread wants one slot more than its share, so about half
//!   of the attempts are refused. An operation is an attempt.
//! - `storm`: the counter is full and stays full. An operation is a refusal.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::*};

use headcount::{AdmissionCounter, Limit, Permit};

use crate::common::{Case, Goal, Measure, OURS, Over, Part, Worker, Workload};

/// Anything that counts admissions up to a limit.
trait Limiter: Sync + 'static {
    /// Gives the slot back when dropped.
    type Slot<'a>: Send;
    fn new(limit: usize) -> Self;
    fn try_acquire(&self) -> Option<Self::Slot<'_>>;
}

impl Limiter for AdmissionCounter {
    type Slot<'a> = Permit<'a>;

    fn new(limit: usize) -> Self {
        AdmissionCounter::new(Limit::try_from(limit).unwrap())
    }

    fn try_acquire(&self) -> Option<Permit<'_>> {
        self.try_acquire().ok()
    }
}

impl Limiter for tokio::sync::Semaphore {
    type Slot<'a> = tokio::sync::SemaphorePermit<'a>;

    fn new(limit: usize) -> Self {
        Self::new(limit)
    }

    fn try_acquire(&self) -> Option<Self::Slot<'_>> {
        self.try_acquire().ok()
    }
}

impl Limiter for async_lock::Semaphore {
    type Slot<'a> = async_lock::SemaphoreGuard<'a>;

    fn new(limit: usize) -> Self {
        Self::new(limit)
    }

    fn try_acquire(&self) -> Option<Self::Slot<'_>> {
        self.try_acquire()
    }
}

/// Defines a limiter by how it takes and gives back a slot.
macro_rules! limiter {
    ($name:ident, $slot:ident, $state:ty, $new:expr, $take:expr, $give:expr) => {
        struct $name {
            limit: usize,
            in_use: $state,
        }

        struct $slot<'a>(&'a $name);

        impl Drop for $slot<'_> {
            fn drop(&mut self) {
                $give(&self.0.in_use)
            }
        }

        impl Limiter for $name {
            type Slot<'a> = $slot<'a>;

            fn new(limit: usize) -> Self {
                Self { limit, in_use: $new(0) }
            }

            fn try_acquire(&self) -> Option<$slot<'_>> {
                $take(&self.in_use, self.limit).then(|| $slot(self))
            }
        }
    };
}

fn take_below(in_use: &mut usize, limit: usize) -> bool {
    let room = *in_use < limit;
    *in_use += usize::from(room);
    room
}

limiter!(
    BareCas,
    BareSlot,
    AtomicUsize,
    AtomicUsize::new,
    |in_use: &AtomicUsize, limit| {
        let mut seen = in_use.load(Relaxed);
        while seen < limit {
            match in_use.compare_exchange_weak(seen, seen + 1, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    },
    |in_use: &AtomicUsize| {
        in_use.fetch_sub(1, Release);
    }
);

limiter!(
    StdMutex,
    StdSlot,
    std::sync::Mutex<usize>,
    std::sync::Mutex::new,
    |in_use: &std::sync::Mutex<usize>, limit| take_below(&mut in_use.lock().unwrap(), limit),
    |in_use: &std::sync::Mutex<usize>| *in_use.lock().unwrap() -= 1
);

limiter!(
    ParkingLot,
    ParkingLotSlot,
    parking_lot::Mutex<usize>,
    parking_lot::Mutex::new,
    |in_use: &parking_lot::Mutex<usize>, limit| take_below(&mut in_use.lock(), limit),
    |in_use: &parking_lot::Mutex<usize>| *in_use.lock() -= 1
);

struct Far<L>(Box<L>);

impl<L: Limiter> Workload for Far<L> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        Box::new(|operations| {
            for _ in 0..operations {
                drop(black_box(self.0.try_acquire()));
            }
        })
    }
}

/// The slots that a thread may expect under `mixed`; it wants one more.
const SHARE: usize = 2;

struct Mixed<L>(Box<L>);

impl<L: Limiter> Workload for Mixed<L> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        let mut held = VecDeque::with_capacity(SHARE + 1);
        Box::new(move |operations| {
            for _ in 0..operations {
                let refused = match self.0.try_acquire() {
                    Some(slot) => {
                        held.push_back(slot);
                        false
                    }
                    None => true,
                };
                if refused || held.len() > SHARE {
                    held.pop_front();
                }
            }
        })
    }
}

struct Storm<L>(Box<L>);

impl<L: Limiter> Workload for Storm<L> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        Box::new(|operations| {
            for _ in 0..operations {
                assert!(black_box(self.0.try_acquire().is_none()));
            }
        })
    }
}

fn cases<L: Limiter>(peer: &'static str, cases: &mut Vec<Case>) {
    for threads in [1, 2, 4] {
        let mut case = |workload, set_up: Box<dyn Fn() -> Box<dyn Workload>>| {
            let measure = Measure::Window(set_up);
            cases.push(Case { workload, peer, threads, measure, takes_long: false });
        };
        case("far", Box::new(|| Box::new(Far(Box::new(L::new(1_000_000))))));
        case("mixed", Box::new(move || Box::new(Mixed(Box::new(L::new(SHARE * threads))))));
        case("storm", Box::new(|| Box::new(Storm(Box::new(L::new(0))))));
    }
}

/// Every case and goal of the admission counter.
pub fn part() -> Part {
    let mut all = Vec::new();
    cases::<AdmissionCounter>(OURS, &mut all);
    cases::<BareCas>("bare CAS loop", &mut all);
    cases::<tokio::sync::Semaphore>("tokio Semaphore", &mut all);
    cases::<async_lock::Semaphore>("async-lock Semaphore", &mut all);
    cases::<StdMutex>("std Mutex", &mut all);
    cases::<ParkingLot>("parking_lot Mutex", &mut all);

    let goal = |workload, threads, over, at_least| Goal { workload, threads, over, at_least };
    let mut goals = vec![
        goal("far", 1, Over::Peer("tokio Semaphore"), 1.2),
        goal("far", 2, Over::Peer("tokio Semaphore"), 2.0),
        goal("mixed", 2, Over::Peer("tokio Semaphore"), 2.0),
        goal("storm", 2, Over::OurselvesAtOneThread, 1.7),
        goal("storm", 2, Over::Peer("std Mutex"), 20.0),
        goal("storm", 2, Over::Peer("parking_lot Mutex"), 20.0),
    ];
    for workload in ["far", "mixed"] {
        for threads in [1, 2, 4] {
            goals.push(goal(workload, threads, Over::Peer("bare CAS loop"), 0.9));
        }
    }
    Part { name: "admission", cases: all, goals }
}
