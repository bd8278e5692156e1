//! A cache whose entries go when they were idle, by the real clock. A touch is
//! a `get`, which is all that is compared: it does more than time.

use std::time::Duration;

use moka::sync::Cache;

use super::timers::{IDLE, Timers};

pub type Moka = Cache<u64, u64>;

impl Timers for Moka {
    type Timer = u64;

    fn with_room(timers: usize) -> Self {
        let idle = Duration::from_millis(IDLE);
        Cache::builder().initial_capacity(timers).time_to_idle(idle).build()
    }

    fn insert(&self, _now: u64, _idle: u64, id: u64) -> u64 {
        self.insert(id, id);
        id
    }

    fn touch(&self, timer: &mut u64, _now: u64) {
        assert!(self.get(timer).is_some());
    }
}
