//! A driver sets the clock and advances, and fails where a timer fires that was
//! promised to live.

use std::sync::atomic::Ordering::*;

use headcount::Clock;

use crate::stress::{
    DRIVERS, EDGE_IDLE, EDGES, FIRED, LIVE, ROUNDS, SPREAD, Stress, WORKERS, steps,
};

impl Stress {
    pub fn driver(&self, driver: usize) {
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

    pub fn fired(&self, id: usize, now: u64) {
        let record = &self.records[id];
        record.fired_at.store(now, Release);
        let end = record.end.swap(FIRED, AcqRel);
        assert_eq!(end, LIVE, "{id} fired and had ended");
        let not_before = record.not_before.load(Acquire);
        assert!(not_before <= now, "{id} fired at {now}, {not_before} was promised");
    }
}
