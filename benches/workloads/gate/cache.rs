//! A cache whose entries go when they were idle, as a store of sessions. It
//! counts nobody, and has no limit that refuses.

use headcount::Cause;
use moka::sync::Cache;

use super::sessions::{IDLE, Limits, Sessions};

pub type Moka = Cache<u64, u64>;

impl Sessions for Moka {
    type Session = u64;

    fn new(limits: Limits) -> Self {
        Cache::builder().initial_capacity(limits.most as usize).time_to_idle(IDLE).build()
    }

    fn admit(&self, _subject: Option<&str>, id: u64) -> Result<u64, Cause> {
        self.insert(id, id);
        Ok(id)
    }

    fn end(&self, id: u64) {
        self.invalidate(&id);
    }

    fn touch(&self, id: &u64) {
        assert!(self.get(id).is_some());
    }

    fn settle(&self) {
        self.run_pending_tasks();
    }
}
