//! Read after `handed_on.rs`. What the models of `counted` and `handed_on` use: a value
//! that has a count and a link beside what the model puts in it.

#![allow(missing_docs, missing_debug_implementations, reason = "for models only")]

use std::ops::Deref;
use std::ptr::null_mut;

use super::atomic::{AtomicPtr, AtomicU32, Ordering::*};
use super::counted::{Counted, HasCount};
use super::handed_on::{HandedOn, Linked};

struct Value<P> {
    references: AtomicU32,
    next: AtomicPtr<()>,
    owners: AtomicU32,
    payload: P,
}

impl<P> HasCount for Value<P> {
    fn references(&self) -> &AtomicU32 {
        &self.references
    }
}

impl<P> Linked for Value<P> {
    fn next(&self) -> &AtomicPtr<()> {
        &self.next
    }

    fn is_wanted(&self) -> bool {
        self.owners.load(Acquire) > 0
    }
}

/// A reference to a value, which its owner has not left yet.
pub struct Reference<P>(Counted<Value<P>>);

impl<P> Reference<P> {
    pub fn pair(payload: P) -> (Self, Self) {
        let (references, owners) = (AtomicU32::new(2), AtomicU32::new(1));
        let next = AtomicPtr::new(null_mut());
        let (one, other) = Counted::pair(Value { references, next, owners, payload });
        (Self(one), Self(other))
    }

    pub fn drop_both(self, other: Self) {
        Counted::drop_both(self.0, other.0);
    }

    /// Nobody wants to be told of it any more.
    pub fn owner_leaves(&self) {
        self.0.owners.store(0, Release);
    }
}

impl<P> Clone for Reference<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> Deref for Reference<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.0.payload
    }
}

pub struct List<P>(HandedOn<Value<P>>);

impl<P> List<P> {
    #[expect(clippy::new_without_default, reason = "for models only")]
    pub fn new() -> Self {
        Self(HandedOn::new())
    }

    pub fn put(&self, reference: Reference<P>) {
        self.0.put(reference.0);
    }

    /// At most so many; the others are put back.
    pub fn take(&self, most: usize) -> Vec<Reference<P>> {
        self.0.take().take(most).map(Reference).collect()
    }

    pub fn owner_left(&self) {
        self.0.owner_left();
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn close(&self) {
        self.0.close();
    }
}
