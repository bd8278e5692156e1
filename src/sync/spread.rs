//! Shared ownership that many threads take and let go of all the time, without
//! writing to one another's cache lines: each counts its references to a copy of
//! its own, as far as there are copies.
//!
//! *Invariant*: a copy holds one reference to the value for as long as somebody
//! holds the copy. So the value is there while any copy is held.
//!
//! *Memory orderings*: those of `Arc`, twice.
//!
//! *In a model* there is one copy: all threads have one number.

use std::fmt;
use std::ops::Deref;

use crossbeam_utils::CachePadded;

use super::arc::Arc;

/// A reference to the value, counted with those of the threads that share its
/// copy.
pub(crate) struct Near<T>(Arc<CachePadded<Arc<T>>>);

/// A value and the copies of a reference to it.
pub(crate) struct Spread<T> {
    value: Arc<T>,
    copies: Box<[Near<T>]>,
}

impl<T> Spread<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Arc::new(value);
        let copy = |_| Near(Arc::new(CachePadded::new(Arc::clone(&value))));
        let copies = (0..super::thread::lines()).map(copy).collect();
        Self { value, copies }
    }

    /// The copy of the calling thread.
    pub(crate) fn near(&self) -> &Near<T> {
        &self.copies[super::thread::number() % self.copies.len()]
    }
}

impl<T> Deref for Spread<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Deref for Near<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Near<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Near<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
