//! A sorted map behind a lock: the earliest deadline first.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Mutex;

use super::timers::{Timers, Wheel};

pub type Sorted = Mutex<BTreeMap<(u64, u64), u64>>;

pub struct Handle {
    deadline: u64,
    id: u64,
    idle: u64,
}

impl Timers for Sorted {
    type Timer = Handle;

    fn with_room(_timers: usize) -> Self {
        Self::default()
    }

    fn insert(&self, now: u64, idle: u64, id: u64) -> Handle {
        let deadline = now + idle;
        self.lock().unwrap().insert((deadline, id), id);
        Handle { deadline, id, idle }
    }

    fn touch(&self, timer: &mut Handle, now: u64) {
        let deadline = now + timer.idle;
        let mut map = self.lock().unwrap();
        let payload = map.remove(&(timer.deadline, timer.id)).expect("live");
        map.insert((deadline, timer.id), payload);
        timer.deadline = deadline;
    }
}

impl Wheel for Sorted {
    fn cancel(&self, timer: Handle) {
        let payload = self.lock().unwrap().remove(&(timer.deadline, timer.id));
        black_box(payload.expect("live"));
    }

    fn advance(&self, now: u64) -> usize {
        let (mut map, mut fired) = (self.lock().unwrap(), 0);
        while let Some(first) = map.first_entry().filter(|first| first.key().0 <= now) {
            black_box(first.remove());
            fired += 1;
        }
        fired
    }
}
