//! Read after `lib.rs`. What is said once, and not at each request.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Is it the first time?
#[derive(Debug, Default)]
pub(crate) struct Once(AtomicBool);

impl Once {
    /// True once. Later it is a load.
    pub(crate) fn is_first(&self) -> bool {
        !self.0.load(Relaxed) && !self.0.swap(true, Relaxed)
    }
}
