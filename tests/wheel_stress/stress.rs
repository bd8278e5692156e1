//! What the threads share: the wheel, the truth about each timer, and the phases of
//! a run.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Mutex, PoisonError};

use headcount::{ManualClock, Timer, TimerWheel};

use crate::deep;

pub const WORKERS: usize = 2;
pub const DRIVERS: usize = 2;
pub const ROUNDS: usize = 24;
/// A worker's timers that it deals with.
pub const RECENT: usize = 200;
/// Edges of one round, timers of each, and how long they are idle.
pub const EDGES: usize = 64;
pub const EDGE: usize = 64;
pub const EDGE_IDLE: u64 = 10;
/// Timers of one worker in one calm.
pub const BATCH: usize = 500;
/// Ticks over which a batch is spread.
pub const SPREAD: u64 = 5000;

pub fn steps() -> usize {
    deep::usual_or_deep(10_000, 200_000)
}

pub type Handle = Timer<usize, ManualClock>;

pub const LIVE: u8 = 0;
pub const FIRED: u8 = 1;
pub const CANCELLED: u8 = 2;

/// What is known of one timer; its payload is its place in the table.
pub struct Record {
    pub end: AtomicU8,
    /// The `now` of the advance that fired it.
    pub fired_at: AtomicU64,
    /// The last deadline its owner was promised.
    pub not_before: AtomicU64,
}

/// A barrier that fails for everybody when a thread has panicked.
#[derive(Default)]
pub struct Meeting {
    arrived: AtomicUsize,
    is_broken: AtomicBool,
}

impl Meeting {
    pub fn wait(&self) {
        const ALL: usize = WORKERS + DRIVERS;
        let all_arrived = (self.arrived.fetch_add(1, AcqRel) / ALL + 1) * ALL;
        while self.arrived.load(Acquire) < all_arrived {
            self.fail_if_broken();
            std::thread::yield_now();
        }
    }

    pub fn fail_if_broken(&self) {
        assert!(!self.is_broken.load(Acquire), "another thread panicked");
    }

    /// Runs the whole work of a thread.
    pub fn attended<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Break<'a>(&'a AtomicBool);
        impl Drop for Break<'_> {
            fn drop(&mut self) {
                self.0.fetch_or(std::thread::panicking(), AcqRel);
            }
        }
        let _break = Break(&self.is_broken);
        work()
    }
}

pub struct Stress {
    pub wheel: TimerWheel<usize, ManualClock>,
    pub records: Vec<Record>,
    pub inserted: AtomicUsize,
    /// Steps done in all storms.
    pub stepped: AtomicUsize,
    pub barrier: Meeting,
    pub most_idle: u64,
    pub held_and_not_fired: AtomicUsize,
    pub fired_in_calms: AtomicUsize,
}

/// A worker's timers, with their idle times.
pub type Own = Vec<(usize, u64, Handle)>;

/// xorshift64*
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

impl Stress {
    pub fn run(shards: usize, most_idle: u64) {
        static ALONE: Mutex<()> = Mutex::new(());
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let record = |_| Record {
            end: AtomicU8::new(LIVE),
            fired_at: AtomicU64::new(0),
            not_before: AtomicU64::new(0),
        };
        let stress = Self {
            wheel: TimerWheel::new(ManualClock::at(1)).with_shards(shards),
            records: (0..ROUNDS * (WORKERS * (steps() + BATCH) + 2 * EDGES * EDGE))
                .map(record)
                .collect(),
            inserted: AtomicUsize::new(0),
            stepped: AtomicUsize::new(0),
            barrier: Meeting::default(),
            most_idle,
            held_and_not_fired: AtomicUsize::new(0),
            fired_in_calms: AtomicUsize::new(0),
        };
        let owned: Vec<Own> = std::thread::scope(|scope| {
            let stress = &stress;
            let meeting = &stress.barrier;
            for driver in 0..DRIVERS {
                scope.spawn(move || meeting.attended(|| stress.driver(driver)));
            }
            let worker = |worker| scope.spawn(move || meeting.attended(|| stress.worker(worker)));
            let workers: Vec<_> = (0..WORKERS).map(worker).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        stress.judge(owned);
    }
}
