//! Shared ownership whose count is striped: a thread counts its references on the
//! stripe that its number selects, so threads of different stripes write to
//! different cache lines.
//!
//! *Invariant*: a stripe holds one reference to the value for as long as anybody
//! holds the stripe. So the value lives while any stripe is held.
//!
//! *Memory orderings*: those of `Arc`, twice.
//!
//! *In a model* there is one stripe: all threads have one number.

use std::fmt;
use std::ops::Deref;

use crossbeam_utils::CachePadded;

use super::arc::Arc;

/// A reference to the value, counted on one stripe.
pub(crate) struct ArcStripe<T>(Arc<CachePadded<Arc<T>>>);

/// A shared value, and a stripe for each of so many threads.
pub(crate) struct StripedArc<T> {
    value: Arc<T>,
    stripes: Box<[ArcStripe<T>]>,
}

impl<T> StripedArc<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Arc::new(value);
        let stripe = |_| ArcStripe(Arc::new(CachePadded::new(Arc::clone(&value))));
        let stripes = (0..super::thread::lines()).map(stripe).collect();
        Self { value, stripes }
    }

    /// The stripe of the calling thread.
    pub(crate) fn stripe(&self) -> &ArcStripe<T> {
        &self.stripes[super::thread::number() % self.stripes.len()]
    }
}

impl<T> Deref for StripedArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Deref for ArcStripe<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for ArcStripe<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for ArcStripe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
