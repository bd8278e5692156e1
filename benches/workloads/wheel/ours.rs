//! The wheel of this crate, with as many shards as its peer with locks.

use std::hint::black_box;

use headcount::{ManualClock, Timer, TimerWheel};

use super::timers::{Timers, Wheel};

pub type Ours = TimerWheel<u64, ManualClock>;

impl Timers for Ours {
    type Timer = Timer<u64, ManualClock>;

    fn with_room(_timers: usize) -> Self {
        TimerWheel::new(ManualClock::new()).with_shards(4)
    }

    fn insert(&self, now: u64, idle: u64, id: u64) -> Self::Timer {
        self.insert_at(now, idle, id).expect("room")
    }

    fn touch(&self, timer: &mut Self::Timer, now: u64) {
        timer.touch_at(now).expect("live");
    }
}

impl Wheel for Ours {
    fn cancel(&self, timer: Self::Timer) {
        black_box(timer.cancel().expect("live"));
    }

    fn advance(&self, now: u64) -> usize {
        self.advance(now, |payload| _ = black_box(payload))
    }
}

/// Looks at no more than `most` timers of a shard at once.
pub fn advance_by(wheel: &Ours, now: u64, most: usize) -> usize {
    let mut fired = 0;
    loop {
        let step = wheel.advance_some(now, most, |payload| _ = black_box(payload));
        fired += step.fired;
        if step.is_complete {
            return fired;
        }
    }
}
