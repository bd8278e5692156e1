//! A word for each timer with the tick of its last activity, and no structure:
//! whoever advances looks at all of them. All idle equally long, and the place
//! of a timer is given, so an insert finds none by itself.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::*};

use super::timers::{IDLE, Timers, Wheel};

pub struct Scan(Vec<AtomicU64>);

/// The word of no timer.
const NONE: u64 = u64::MAX;

impl Timers for Scan {
    type Timer = usize;

    fn with_room(timers: usize) -> Self {
        Self((0..timers + 8).map(|_| AtomicU64::new(NONE)).collect())
    }

    fn insert(&self, now: u64, _idle: u64, id: u64) -> usize {
        self.0[id as usize].store(now, Release);
        id as usize
    }

    fn touch(&self, timer: &mut usize, now: u64) {
        // One that expires meanwhile comes back to life: what a plain store
        // saves is the answer whether it was in time.
        self.0[*timer].store(now, Relaxed);
    }
}

impl Wheel for Scan {
    fn cancel(&self, timer: usize) {
        self.0[timer].store(NONE, Relaxed);
    }

    fn advance(&self, now: u64) -> usize {
        let mut fired = 0;
        for (id, word) in self.0.iter().enumerate() {
            let last = word.load(Relaxed);
            if last.saturating_add(IDLE) <= now
                && word.compare_exchange(last, NONE, Acquire, Relaxed).is_ok()
            {
                black_box(id);
                fired += 1;
            }
        }
        fired
    }
}
