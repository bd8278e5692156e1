//! Values that are handed on, from whoever has come to have a reference to whoever comes to
//! take them: in a gate, evicted sessions that a driver is to report.
//!
//! *Origin*: Treiber's stack (1986), pushed to and taken whole, so that nothing recurs
//! that a compare-and-swap could mistake. The link is in the value, so nothing is
//! allocated.
//!
//! *Invariant*: a value is put here once. Whoever takes the values
//! passes each on, or puts it back: also one that is stopped by a panic.
//!
//! *Those that nobody wants any more*, because their owner has left: if nobody takes, they
//! would be kept for ever, so owners that leave take them out now and then, when there are
//! more of them than of the others, as these were counted the last time. So each costs
//! its owner a constant, on the average, and memory is bounded by the values whose owner is
//! there, and a few.
//!
//! *What a taker may miss*: what was in the hand of such an owner, who is told that it has
//! put something back.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the push, CAS | `Release` | the take | the link is read before it is written | `what_is_handed_on_is_taken_once` |
//! | the take, swap | `Acquire` | the push | the same, from the other side | `what_is_handed_on_is_taken_once` |
//! | the counts | `Relaxed` | nothing | they say when, not what | |
//!
//! *Progress*: a push is lock-free, a take wait-free.

use std::marker::PhantomData;
use std::ptr::null_mut;

use super::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use super::counted::{Counted, HasCount};

/// Owners that leave before what nobody wants is taken out, at least.
#[cfg(not(feature = "loom"))]
const FEW: usize = 16;
#[cfg(feature = "loom")]
const FEW: usize = 0;

/// What can be in a list, once at a time.
pub(crate) trait Linked: HasCount {
    fn next(&self) -> &AtomicPtr<()>;
    /// Not if the owner has left.
    fn is_wanted(&self) -> bool;
}

pub(crate) struct HandedOn<R: HasCount> {
    first: AtomicPtr<()>,
    /// What was put back the last time.
    stayed: AtomicUsize,
    /// The owners that have left since.
    left: AtomicUsize,
    holds: PhantomData<Counted<R>>,
}

impl<R: HasCount> HandedOn<R> {
    pub(crate) fn new() -> Self {
        let zero = || AtomicUsize::new(0);
        Self { first: AtomicPtr::new(null_mut()), stayed: zero(), left: zero(), holds: PhantomData }
    }

    /// Is there nothing?
    pub(crate) fn is_empty(&self) -> bool {
        self.first.load(Relaxed).is_null()
    }
}

impl<R: Linked> HandedOn<R> {
    pub(crate) fn put(&self, value: Counted<R>) {
        let raw = Counted::into_raw(value);
        let mut first = self.first.load(Relaxed);
        loop {
            // SAFETY: the reference is this thread's until it is pushed.
            #[allow(unsafe_code)]
            let value = std::mem::ManuallyDrop::new(unsafe { Counted::<R>::of_raw(raw) });
            value.next().store(first, Relaxed);
            match self.first.compare_exchange(first, raw, Release, Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// All that there are.
    pub(crate) fn take(&self) -> Taken<'_, R> {
        let first = match self.first.load(Relaxed).is_null() {
            true => null_mut(),
            false => self.first.swap(null_mut(), Acquire),
        };
        Taken { from: self, first }
    }

    /// The owner of a value that was put here has left. Were others put back?
    pub(crate) fn owner_left(&self) -> bool {
        if self.left.fetch_add(1, Relaxed) < self.stayed.load(Relaxed) + FEW {
            return false;
        }
        self.left.swap(0, Relaxed);
        let mut stayed = 0;
        for value in self.take() {
            if value.is_wanted() {
                self.put(value);
                stayed += 1;
            }
        }
        self.stayed.swap(stayed, Relaxed);
        stayed > 0
    }
}

impl<R: HasCount> Drop for HandedOn<R> {
    fn drop(&mut self) {
        debug_assert!(self.is_empty(), "each has a reference to what this is in");
    }
}

/// Values that are in one hand. Those that are left when it is dropped, by a panic say,
/// are put back.
pub(crate) struct Taken<'a, R: Linked> {
    from: &'a HandedOn<R>,
    first: *mut (),
}

impl<R: Linked> Iterator for Taken<'_, R> {
    type Item = Counted<R>;

    fn next(&mut self) -> Option<Counted<R>> {
        if self.first.is_null() {
            return None;
        }
        // SAFETY: it was pushed, and its take made the reference the taker's.
        #[allow(unsafe_code)]
        let value = unsafe { Counted::<R>::of_raw(self.first) };
        self.first = value.next().load(Relaxed);
        Some(value)
    }
}

impl<R: Linked> Drop for Taken<'_, R> {
    fn drop(&mut self) {
        while let Some(value) = self.next() {
            self.from.put(value);
        }
    }
}
