#![cfg(not(feature = "loom"))]
//! Real threads on one wheel, with a ground truth for every timer.
//!
//! Each round has three phases with barriers between them. In the *storm* two
//! workers insert, touch, hold and cancel while two drivers set the clock and
//! advance: every timer ends exactly once, never while it is held, and never
//! before the last deadline that its owner was promised. At the *edge* workers
//! and drivers meet at the very tick at which a batch is due. In the *calm* the
//! workers insert a batch and stop; then one advance must fire what is due of
//! it, while the workers touch, hold and cancel other timers. A last advance
//! fires what is left and due.

#[path = "support/deep.rs"]
mod deep;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Mutex, PoisonError};

use headcount::{Clock, HoldError, ManualClock, Timer, TimerWheel};

const WORKERS: usize = 2;
const DRIVERS: usize = 2;
const ROUNDS: usize = 24;
/// A worker's timers that it deals with.
const RECENT: usize = 200;
/// Edges of one round, timers of each, and how long they are idle.
const EDGES: usize = 64;
const EDGE: usize = 64;
const EDGE_IDLE: u64 = 10;
/// Timers of one worker in one calm.
const BATCH: usize = 500;
/// Ticks over which a batch is spread.
const SPREAD: u64 = 5000;

fn steps() -> usize {
    deep::usual_or_deep(10_000, 200_000)
}

type Handle = Timer<usize, ManualClock>;

const LIVE: u8 = 0;
const FIRED: u8 = 1;
const CANCELLED: u8 = 2;

/// What is known of one timer; its payload is its place in the table.
struct Record {
    end: AtomicU8,
    /// The `now` of the advance that fired it.
    fired_at: AtomicU64,
    /// The last deadline its owner was promised.
    not_before: AtomicU64,
}

/// A barrier that fails for everybody when a thread has panicked.
#[derive(Default)]
struct Meeting {
    arrived: AtomicUsize,
    is_broken: AtomicBool,
}

impl Meeting {
    fn wait(&self) {
        const ALL: usize = WORKERS + DRIVERS;
        let all_arrived = (self.arrived.fetch_add(1, AcqRel) / ALL + 1) * ALL;
        while self.arrived.load(Acquire) < all_arrived {
            self.fail_if_broken();
            std::thread::yield_now();
        }
    }

    fn fail_if_broken(&self) {
        assert!(!self.is_broken.load(Acquire), "another thread panicked");
    }

    /// Runs the whole work of a thread.
    fn attended<T>(&self, work: impl FnOnce() -> T) -> T {
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

struct Stress {
    wheel: TimerWheel<usize, ManualClock>,
    records: Vec<Record>,
    inserted: AtomicUsize,
    /// Steps done in all storms.
    stepped: AtomicUsize,
    barrier: Meeting,
    most_idle: u64,
    held_and_not_fired: AtomicUsize,
    fired_in_calms: AtomicUsize,
}

/// A worker's timers, with their idle times.
type Own = Vec<(usize, u64, Handle)>;

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

impl Stress {
    fn run(shards: usize, most_idle: u64) {
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

    fn worker(&self, worker: usize) -> Own {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (worker as u64 + 1));
        let mut own = Own::new();
        for _ in 0..ROUNDS {
            self.barrier.wait(); // the storm begins
            for _ in 0..steps() {
                self.step(&mut own, &mut random);
                self.stepped.fetch_add(1, Relaxed);
            }
            self.barrier.wait(); // everybody has returned
            for edge in 0..EDGES {
                let due = self.wheel.clock().now() + EDGE_IDLE;
                let timers = if edge % WORKERS == worker { EDGE } else { 0 };
                let timers: Own = (0..timers).map(|_| self.insert(EDGE_IDLE)).collect();
                self.barrier.wait(); // all are due at one tick, which comes
                self.edge(timers, due, &mut own);
                self.barrier.wait(); // everybody has returned
            }
            let batch: Own = (0..BATCH).map(|_| self.insert(random.below(SPREAD))).collect();
            self.barrier.wait(); // the batches are there, and one advance begins
            self.bystand(&mut own);
            self.barrier.wait(); // that advance has returned
            self.calm(&batch);
            own.extend(batch);
        }
        own
    }

    fn insert(&self, idle: u64) -> (usize, u64, Handle) {
        let id = self.inserted.fetch_add(1, Relaxed);
        let now = self.wheel.clock().now();
        self.records[id].not_before.store(now + idle, Release);
        let timer = self.wheel.insert_at(now, idle, id).expect("it is not full");
        (id, idle, timer)
    }

    fn promised(&self, id: usize, deadline: u64) {
        self.records[id].not_before.fetch_max(deadline, AcqRel);
    }

    fn is_live(&self, id: usize) -> bool {
        self.records[id].end.load(Acquire) == LIVE
    }

    fn step(&self, own: &mut Own, random: &mut Random) {
        let act = random.below(16);
        if act < 6 || own.is_empty() {
            return own.push(self.insert(random.below(self.most_idle)));
        }
        // One of the last, of which many are live.
        let at = own.len() - 1 - random.below(own.len().min(RECENT) as u64) as usize;
        let now = self.wheel.clock().now();
        match act {
            6..10 => self.touch(&own[at], now),
            10..12 => self.hold(&own[at], now),
            12..15 => self.cancel(own.swap_remove(at)),
            _ => drop_if_fired(own, at),
        }
    }

    /// A driver meets the last inserted first, and so they cross.
    fn edge(&self, timers: Own, due: u64, own: &mut Own) {
        for (n, timer) in timers.into_iter().enumerate() {
            match n % 4 {
                0 => self.hold(&timer, due),
                1 => self.touch(&timer, due),
                _ => {
                    // Whoever it ended for, its node is asked for at once.
                    self.cancel(timer);
                    own.push(self.insert(self.most_idle));
                    continue;
                }
            }
            own.push(timer);
        }
    }

    fn touch(&self, (id, idle, timer): &(usize, u64, Handle), now: u64) {
        match timer.touch_at(now) {
            Ok(()) => self.promised(*id, now + idle),
            Err(_) => self.fires(timer),
        }
    }

    /// While it is held it is live, and for its idle time after.
    fn hold(&self, (id, idle, timer): &(usize, u64, Handle), now: u64) {
        match timer.hold() {
            Ok(hold) => {
                for _ in 0..20 {
                    assert!(self.is_live(*id), "{id} fired while it was held");
                    std::hint::spin_loop();
                }
                self.held_and_not_fired.fetch_add(1, Relaxed);
                self.promised(*id, now + idle);
                hold.release_at(now);
            }
            Err(HoldError::Expired) => self.fires(timer),
            Err(other) => panic!("{other}"),
        }
    }

    /// It was said to have expired, which is for ever.
    fn fires(&self, timer: &Handle) {
        assert_eq!(timer.deadline(), None);
        assert!(timer.touch().is_err(), "it came back");
    }

    fn cancel(&self, (id, _, timer): (usize, u64, Handle)) {
        if let Some(payload) = timer.cancel() {
            assert_eq!(payload, id, "the payload of another");
            let end = self.records[id].end.swap(CANCELLED, AcqRel);
            assert_eq!(end, LIVE, "{id} was cancelled and had ended");
        }
    }

    /// Everything but inserts, on timers that are not in the batch.
    fn bystand(&self, own: &mut Own) {
        let now = self.wheel.clock().now();
        for n in 0..own.len().min(BATCH) {
            match n % 3 {
                0 => self.cancel(own.swap_remove(n % own.len())),
                1 => self.touch(&own[n % own.len()], now),
                _ => self.hold(&own[n % own.len()], now),
            }
        }
    }

    /// The one advance was at the batch's middle: just the first half fired.
    fn calm(&self, batch: &[(usize, u64, Handle)]) {
        let now = self.wheel.clock().now();
        for (id, _, timer) in batch {
            let record = &self.records[*id];
            if record.not_before.load(Acquire) <= now {
                assert_eq!(record.end.load(Acquire), FIRED, "{id} is late at {now}");
                assert_eq!(record.fired_at.load(Acquire), now);
                self.fired_in_calms.fetch_add(1, Relaxed);
            } else {
                assert!(self.is_live(*id) && timer.deadline().is_some(), "{id} is early at {now}");
            }
        }
    }

    fn driver(&self, driver: usize) {
        for round in 0..ROUNDS {
            let (start, first) = (self.wheel.clock().now(), round * WORKERS * steps());
            self.barrier.wait(); // the storm begins
            let mut done = 0;
            for turn in 0_u64.. {
                if done == WORKERS * steps() {
                    break;
                }
                self.barrier.fail_if_broken();
                // The clock goes as the workers do.
                done = self.stepped.load(Relaxed) - first;
                let now = start + done as u64 * self.most_idle / 1000;
                if driver == 0 {
                    self.wheel.clock().set(now);
                }
                if turn % 8 == 7 {
                    self.wheel.advance_some(now, 10, |id| self.fired(id, now));
                } else {
                    self.wheel.advance(now, |id| self.fired(id, now));
                }
                if turn % 64 == 63 {
                    self.wheel.sweep(now);
                }
                std::thread::yield_now();
            }
            self.barrier.wait(); // everybody has returned
            for edge in 0..EDGES {
                let due = self.wheel.clock().now() + EDGE_IDLE;
                self.barrier.wait(); // all are due at one tick, which comes
                if edge / WORKERS % DRIVERS == driver {
                    self.wheel.advance(due, |id| self.fired(id, due));
                    self.wheel.clock().set(due);
                }
                self.barrier.wait(); // everybody has returned
            }
            self.barrier.wait(); // the batches are there, and one advance begins
            if driver == 0 {
                self.wheel.clock().advance(SPREAD / 2);
                let now = self.wheel.clock().now();
                self.wheel.advance(now, |id| self.fired(id, now));
            }
            self.barrier.wait(); // that advance has returned
        }
    }

    fn fired(&self, id: usize, now: u64) {
        let record = &self.records[id];
        record.fired_at.store(now, Release);
        let end = record.end.swap(FIRED, AcqRel);
        assert_eq!(end, LIVE, "{id} fired and had ended");
        let not_before = record.not_before.load(Acquire);
        assert!(not_before <= now, "{id} fired at {now}, {not_before} was promised");
    }

    /// All have joined: one advance fires what is due, another what is left.
    fn judge(self, owned: Vec<Own>) {
        let now = self.wheel.clock().now();
        self.wheel.advance(now, |id| self.fired(id, now));
        let mut live = 0;
        for (id, _, timer) in owned.iter().flatten() {
            let not_before = self.records[*id].not_before.load(Acquire);
            match timer.deadline() {
                // A driver that met it held may have put it off further.
                Some(deadline) => assert!(deadline > now.max(not_before - 1), "{id} is late"),
                None => assert!(not_before <= now, "{id} was early"),
            }
            live += usize::from(timer.deadline().is_some());
        }
        assert_eq!(self.wheel.len(), live);
        let last = self.wheel.advance(u64::MAX, |id| self.fired(id, u64::MAX));
        assert_eq!((last, self.wheel.len()), (live, 0));
        assert_eq!((self.wheel.linked(), self.wheel.next_deadline()), (0, None));

        let inserted = self.inserted.into_inner();
        let ends = |end| self.records.iter().filter(|it| it.end.load(Acquire) == end).count();
        let (fired, cancelled) = (ends(FIRED), ends(CANCELLED));
        assert_eq!(fired + cancelled, inserted, "each ended once");
        for record in &self.records[..inserted] {
            if record.end.load(Acquire) == FIRED {
                assert!(record.not_before.load(Acquire) <= record.fired_at.load(Acquire));
            }
        }
        let (holds, calm) =
            (self.held_and_not_fired.into_inner(), self.fired_in_calms.into_inner());
        println!("{fired} fired, {calm} in calms; {cancelled} cancelled, {holds} held");
        assert!(calm > ROUNDS * BATCH * WORKERS / 4, "half of each batch is due: {calm}");
    }
}

/// Its handle goes too, and its node is used again.
fn drop_if_fired(own: &mut Own, at: usize) {
    if own[at].2.deadline().is_none() {
        drop(own.swap_remove(at));
    }
}

#[test]
fn one_shard_with_short_timers() {
    Stress::run(1, 500);
}

#[test]
fn one_shard_with_timers_over_several_levels() {
    Stress::run(1, 300_000);
}

#[test]
fn several_shards_with_short_timers() {
    Stress::run(4, 500);
}

#[test]
fn several_shards_with_timers_over_several_levels() {
    Stress::run(4, 300_000);
}
