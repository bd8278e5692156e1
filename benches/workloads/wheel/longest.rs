//! The longest of many operations, while something else goes on or after it.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use super::timers::{IDLE, Idles, Wheel, fill, share};

/// A clock that stops the time of each operation.
struct Longest {
    last: Instant,
    longest: Duration,
}

impl Longest {
    fn new() -> Self {
        Self { last: Instant::now(), longest: Duration::ZERO }
    }

    fn done(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }
}

/// The longest insert and cancel, while another thread expires `live` timers
/// at once that this thread inserted, so in a shard of its own.
pub fn churn<T: Wheel>(live: usize, expire: fn(&T, u64) -> usize) -> Duration {
    let timers = T::with_room(live);
    let (ready, is_over) = (Barrier::new(2), AtomicBool::new(false));
    let now = 2 * IDLE;
    std::thread::scope(|scope| {
        let churner = scope.spawn(|| {
            let mut held = Vec::with_capacity(live);
            fill(&timers, Idles::Uniform, share(live, 1, 0), &mut held);
            let _inside = timers.enter();
            ready.wait();
            let mut longest = Longest::new();
            loop {
                timers.cancel(black_box(timers.insert(now, IDLE, live as u64)));
                longest.done();
                if is_over.load(Acquire) {
                    return (longest.longest, held);
                }
            }
        });
        ready.wait();
        let fired = expire(&timers, now);
        is_over.store(true, Release);
        assert_eq!(fired, live);
        churner.join().unwrap().0
    })
}

/// The longest insert with a short idle time, of as many as were cancelled
/// that were to idle for long.
pub fn insert<T: Wheel>(live: usize) -> Duration {
    let timers = T::with_room(live);
    let _inside = timers.enter();
    let mut held = Vec::with_capacity(live);
    let ids = || 0..live as u64;
    held.extend(ids().map(|id| timers.insert(0, 100 * IDLE, id)));
    held.drain(..).for_each(|timer| timers.cancel(timer));
    let mut longest = Longest::new();
    for id in ids() {
        held.push(timers.insert(0, 1_000 + id % 1_000, id));
        longest.done();
    }
    longest.longest
}
