//! A worker inserts, touches, holds and cancels timers of its own, and fails where
//! one ends that was promised to live.

use std::sync::atomic::Ordering::*;

use headcount::{Clock, HoldError};

use crate::stress::{
    BATCH, CANCELLED, EDGE, EDGE_IDLE, EDGES, FIRED, Handle, LIVE, Own, RECENT, ROUNDS, Random,
    SPREAD, Stress, WORKERS, steps,
};

impl Stress {
    pub fn worker(&self, worker: usize) -> Own {
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
}

/// Its handle goes too, and its node is used again.
fn drop_if_fired(own: &mut Own, at: usize) {
    if own[at].2.deadline().is_none() {
        drop(own.swap_remove(at));
    }
}
