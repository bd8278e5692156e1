//! The workloads. Each thread inserts its share of the timers itself, so where
//! threads have shards of their own, the timers are in their threads' shards.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::timers::{IDLE, Idles, Random, Timers, Wheel, fill, share};
use crate::common::{Done, Worker, Workload, together};

/// How many timers live, with which idle times, and who works on them.
#[derive(Clone, Copy)]
pub struct Scale {
    pub live: usize,
    pub idles: Idles,
    pub threads: usize,
}

impl Scale {
    /// Timers, and what a thread holds of them.
    fn filled<T: Timers>(self, timers: &T, thread: usize) -> Vec<T::Timer> {
        let mut held = Vec::with_capacity(self.live / self.threads);
        fill(timers, self.idles, share(self.live, self.threads, thread), &mut held);
        held
    }
}

/// Touches of timers at random.
pub struct Touch<T> {
    timers: T,
    scale: Scale,
    /// By how much the tick moves from one operation to the next.
    step: u64,
}

impl<T: Timers> Touch<T> {
    pub fn new(scale: Scale, step: u64) -> Self {
        Self { timers: T::with_room(scale.live), scale, step }
    }
}

impl<T: Timers> Workload for Touch<T> {
    fn worker(&self, thread: usize) -> Worker<'_> {
        let timers = &self.timers;
        let mut held = self.scale.filled(timers, thread);
        let (mut random, mut now) = (Random::of(thread), IDLE);
        // So that with a step of 0 each has been touched at this tick.
        held.iter_mut().for_each(|timer| timers.touch(timer, now));
        Box::new(move |operations| {
            let _inside = timers.enter();
            for _ in 0..operations {
                now += self.step;
                let next = random.below(held.len());
                timers.touch(&mut held[next], now);
            }
        })
    }
}

/// So many operations to a tick, where one that follows is not the point.
const TO_A_TICK: u64 = 64;

/// An insert and its cancellation, among timers that live on.
pub struct Churn<T> {
    timers: T,
    scale: Scale,
}

impl<T: Wheel> Churn<T> {
    pub fn new(scale: Scale) -> Self {
        Self { timers: T::with_room(scale.live), scale }
    }
}

impl<T: Wheel> Workload for Churn<T> {
    fn worker(&self, thread: usize) -> Worker<'_> {
        let (timers, idles) = (&self.timers, self.scale.idles);
        let held = self.scale.filled(timers, thread);
        let (id, mut done) = ((self.scale.live + thread) as u64, 0);
        Box::new(move |operations| {
            let _live = &held;
            let _inside = timers.enter();
            for _ in 0..operations {
                done += 1;
                let (now, idle) = (IDLE + done / TO_A_TICK, idles.of(done));
                timers.cancel(black_box(timers.insert(now, idle, id)));
            }
        })
    }
}

/// Inserts into an empty wheel.
pub fn insert<T: Timers>(scale: Scale) -> Done {
    let Scale { live, idles, threads } = scale;
    let timers = T::with_room(live);
    let prepare = |_| Vec::with_capacity(live / threads);
    let work = |thread, held: &mut Vec<_>| fill(&timers, idles, share(live, threads, thread), held);
    Done { operations: live as u64, took: together(threads, prepare, work) }
}

/// Cancels all, in no order.
pub fn cancel<T: Wheel>(scale: Scale) -> Done {
    let timers = T::with_room(scale.live);
    let prepare = |thread| {
        let mut held = scale.filled(&timers, thread);
        Random::of(thread).shuffle(&mut held);
        held
    };
    let work = |_, held: &mut Vec<T::Timer>| {
        let _inside = timers.enter();
        held.drain(..).for_each(|timer| timers.cancel(timer));
    };
    Done { operations: scale.live as u64, took: together(scale.threads, prepare, work) }
}

/// The ticks from one advance to the next.
const STEP: u64 = 200;

/// Advances until all have expired. An operation is a timer.
pub fn expiry<T: Wheel>(scale: Scale) -> Done {
    let timers = T::with_room(scale.live);
    let _held = scale.filled(&timers, 0);
    let _inside = timers.enter();
    let (mut now, mut fired, mut took) = (scale.idles.least(), 0, Duration::ZERO);
    while now < 2 * IDLE {
        now += STEP;
        timers.pass(now);
        let began = Instant::now();
        fired += timers.advance(now);
        took += began.elapsed();
    }
    assert_eq!(fired, scale.live);
    Done { operations: scale.live as u64, took }
}

/// Advances before anything is due. A clock of the peer's own stands.
pub fn empty_advance<T: Wheel>(scale: Scale) -> Done {
    const ADVANCES: u64 = 1_000;
    let timers = T::with_room(scale.live);
    let _held = scale.filled(&timers, 0);
    let _inside = timers.enter();
    let began = Instant::now();
    let fired: usize = (1..=ADVANCES).map(|nth| timers.advance(black_box(nth * STEP))).sum();
    let took = began.elapsed();
    assert_eq!(fired, 0);
    Done { operations: ADVANCES, took }
}

/// A peer that expires early, late, twice or never is not compared.
pub fn is_right<T: Wheel>(idles: Idles) -> bool {
    const LIVE: usize = 3_000;
    let timers = T::with_room(LIVE);
    let mut held = Vec::new();
    fill(&timers, idles, share(LIVE, 1, 0), &mut held);
    let _inside = timers.enter();
    let mut deadlines = Vec::new();
    let mut kept = Vec::new();
    for (id, mut timer) in held.into_iter().enumerate() {
        let mut last = id as u64 * IDLE / LIVE as u64;
        if id % 3 == 0 {
            last = IDLE + id as u64;
            timers.touch(&mut timer, last);
        }
        if id % 5 == 0 {
            timers.cancel(timer);
        } else {
            deadlines.push(last + idles.of(id as u64));
            kept.push(timer);
        }
    }
    let due = |now| deadlines.iter().filter(|&&deadline| deadline <= now).count();
    let mut fired = 0;
    (1..=3 * IDLE / STEP).map(|nth| nth * STEP).all(|now| {
        timers.pass(now);
        fired += timers.advance(now);
        fired == due(now)
    })
}
