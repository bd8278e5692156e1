//! Hand-written, first kind: is there room? then create the session, then
//! count it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::response::Response;

use super::Way;
use super::slot::Slot;

/// Everyone who checks while the last slot is free finds it free, and all of
/// them are counted later. It is the shape of every session manager that asks
/// its store for a length, awaits the new session and inserts it.
pub struct CheckThenAdd {
    limit: usize,
    open: Arc<AtomicUsize>,
}

impl Way for CheckThenAdd {
    const NAME: &'static str = "check, then add";

    type Permit = Slot;

    fn with_limit(limit: u32) -> Self {
        Self { limit: limit as usize, open: Arc::default() }
    }

    async fn open<S, R>(&self, setup: S, refuse: R) -> Result<Slot, Response>
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send,
    {
        if self.open.load(SeqCst) >= self.limit {
            return Err(refuse());
        }
        setup.await;
        Ok(Slot::add_to(&self.open).0)
    }

    fn in_use(&self) -> usize {
        self.open.load(SeqCst)
    }
}
