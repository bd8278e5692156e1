//! Read after `lib.rs`. What is said once, and not at each request.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Is it the first time?
#[derive(Debug, Default)]
pub(crate) struct FirstTime(AtomicBool);

impl FirstTime {
    /// True once. Later it is a load.
    pub(crate) fn is_first(&self) -> bool {
        !self.0.load(Relaxed) && !self.0.swap(true, Relaxed)
    }

    /// Logs as a warning what clients can bring about; from the second time on
    /// for who asks for it.
    pub(crate) fn warn_or_debug(&self, what: fmt::Arguments<'_>) {
        if self.is_first() {
            tracing::warn!("{what}; from now on this is logged as debug");
        } else {
            tracing::debug!("{what}");
        }
    }
}
