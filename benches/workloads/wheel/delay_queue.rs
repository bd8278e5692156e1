//! tokio-util's `DelayQueue`, which wants `&mut self`: behind a lock.

use std::hint::black_box;
use std::task::{Context, Poll, Waker};

use tokio::runtime::EnterGuard;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use super::paused::Paused;
use super::timers::{Timers, Wheel};

/// Either lock that people take.
pub trait Lock: Send + Sync + 'static {
    fn new(queue: DelayQueue<u64>) -> Self;
    fn with<R>(&self, f: impl FnOnce(&mut DelayQueue<u64>) -> R) -> R;
}

pub type StdMutex = std::sync::Mutex<DelayQueue<u64>>;

impl Lock for StdMutex {
    fn new(queue: DelayQueue<u64>) -> Self {
        Self::new(queue)
    }

    fn with<R>(&self, f: impl FnOnce(&mut DelayQueue<u64>) -> R) -> R {
        f(&mut self.lock().unwrap())
    }
}

pub type ParkingLot = parking_lot::Mutex<DelayQueue<u64>>;

impl Lock for ParkingLot {
    fn new(queue: DelayQueue<u64>) -> Self {
        Self::new(queue)
    }

    fn with<R>(&self, f: impl FnOnce(&mut DelayQueue<u64>) -> R) -> R {
        f(&mut self.lock())
    }
}

pub struct Delays<L> {
    queue: L,
    clock: Paused,
}

pub struct Handle {
    key: Key,
    idle: u64,
}

impl<L: Lock> Timers for Delays<L> {
    type Timer = Handle;

    fn with_room(timers: usize) -> Self {
        let clock = Paused::new();
        let queue = {
            let _inside = clock.enter();
            DelayQueue::with_capacity(timers + 8)
        };
        Self { queue: L::new(queue), clock }
    }

    fn enter(&self) -> Option<EnterGuard<'_>> {
        Some(self.clock.enter())
    }

    fn insert(&self, now: u64, idle: u64, id: u64) -> Handle {
        let deadline = self.clock.at(now + idle);
        let key = self.queue.with(|queue| queue.insert_at(id, deadline));
        Handle { key, idle }
    }

    fn touch(&self, timer: &mut Handle, now: u64) {
        let deadline = self.clock.at(now + timer.idle);
        self.queue.with(|queue| queue.reset_at(&timer.key, deadline));
    }
}

impl<L: Lock> Wheel for Delays<L> {
    fn cancel(&self, timer: Handle) {
        black_box(self.queue.with(|queue| queue.remove(&timer.key)).into_inner());
    }

    fn pass(&self, now: u64) {
        self.clock.pass(now);
    }

    fn advance(&self, _now: u64) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        self.queue.with(|queue| {
            let mut fired = 0;
            while let Poll::Ready(Some(expired)) = queue.poll_expired(&mut context) {
                black_box(expired.into_inner());
                fired += 1;
            }
            fired
        })
    }
}
