//! What both hand-written ways give their sessions: a guard that counts down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// One unit of a shared count, taken off again when this goes. Every access
/// is `SeqCst`: what goes wrong in these ways is no matter of orderings.
pub struct Slot(Arc<AtomicUsize>);

impl Slot {
    /// Counts one more. Also tells how many there were before it.
    pub fn add_to(count: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = count.fetch_add(1, SeqCst);
        (Self(Arc::clone(count)), before)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
