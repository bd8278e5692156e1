//! Hand-written, second kind: count first, look at what was there before,
//! take it back if that was too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::response::Response;

use super::Way;
use super::slot::Slot;

/// Never over its limit. But between a refused client's add and its undo the
/// count holds somebody who is not inside, and whoever asks then is refused
/// for nothing.
pub struct AddThenUndo {
    limit: usize,
    open: Arc<AtomicUsize>,
}

impl Way for AddThenUndo {
    const NAME: &'static str = "fetch_add with undo";

    type Permit = Slot;

    fn with_limit(limit: u32) -> Self {
        Self { limit: limit as usize, open: Arc::default() }
    }

    async fn open<S, R>(&self, setup: S, refuse: R) -> Result<Slot, Response>
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send,
    {
        let (slot, before) = Slot::add_to(&self.open);
        if before >= self.limit {
            return Err(refuse()); // `slot` goes on return: that is the undo
        }
        setup.await;
        Ok(slot)
    }

    fn in_use(&self) -> usize {
        self.open.load(SeqCst)
    }
}
