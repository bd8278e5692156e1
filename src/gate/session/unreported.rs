//! Read after `reason.rs`. The sessions that were evicted and that no driver has
//! reported yet.
//!
//! *Origin*: Treiber's stack (1986), pushed to and taken whole, so that nothing recurs
//! that a compare-and-swap could mistake. The link is in the record, so nothing is
//! allocated.
//!
//! *Invariant*: a session is put here once, by its evictor. Whoever takes the sessions
//! reports them, or puts them back: also one that is stopped by a panic.
//!
//! *Those whose owner has left* are reported to nobody. A gate that nobody drives would
//! keep them for ever, so owners that leave take them out now and then: when there are
//! more of them than of the others, as these were counted the last time. So each costs
//! its owner a constant, on the average, and memory is bounded by the sessions there are.
//!
//! *What a driver may miss*: who was in the hand of such an owner. It rings for the
//! drivers when it puts them back.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the push, CAS | `Release` | the take | the record's link is read before it is written | `an_eviction_is_reported_once` |
//! | the take, swap | `Acquire` | the push | the same, from the other side | `an_eviction_is_reported_once` |
//! | the counts | `Relaxed` | nothing | they say when, not what | |
//!
//! *Progress*: a push is lock-free, a take wait-free.

use std::marker::PhantomData;
use std::ptr::null_mut;

use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use crate::sync::counted::{Counted, HasCount};

/// Owners that leave before their sessions are taken out, at least.
#[cfg(not(feature = "loom"))]
const FEW: usize = 16;
#[cfg(feature = "loom")]
const FEW: usize = 0;

/// What can be in a list, once at a time.
pub(crate) trait Linked: HasCount {
    fn next(&self) -> &AtomicPtr<()>;
    /// Has the owner not left?
    fn is_to_be_reported(&self) -> bool;
}

pub(crate) struct Unreported<R: HasCount> {
    first: AtomicPtr<()>,
    /// The sessions that were put back the last time.
    stayed: AtomicUsize,
    /// The owners that have left since.
    left: AtomicUsize,
    holds: PhantomData<Counted<R>>,
}

impl<R: HasCount> Unreported<R> {
    pub(crate) fn new() -> Self {
        let zero = || AtomicUsize::new(0);
        Self { first: AtomicPtr::new(null_mut()), stayed: zero(), left: zero(), holds: PhantomData }
    }

    /// Is there anything to report?
    pub(crate) fn is_empty(&self) -> bool {
        self.first.load(Relaxed).is_null()
    }
}

impl<R: Linked> Unreported<R> {
    pub(crate) fn put(&self, session: Counted<R>) {
        let raw = Counted::into_raw(session);
        let mut first = self.first.load(Relaxed);
        loop {
            // SAFETY: the reference is this thread's until it is pushed.
            #[allow(unsafe_code)]
            let session = std::mem::ManuallyDrop::new(unsafe { Counted::<R>::of_raw(raw) });
            session.next().store(first, Relaxed);
            match self.first.compare_exchange(first, raw, Release, Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// All that there are, to be reported.
    pub(crate) fn take(&self) -> Taken<'_, R> {
        let first = match self.first.load(Relaxed).is_null() {
            true => null_mut(),
            false => self.first.swap(null_mut(), Acquire),
        };
        Taken { from: self, first }
    }

    /// The owner of a session that was put here has left. Were others put back?
    pub(crate) fn owner_left(&self) -> bool {
        if self.left.fetch_add(1, Relaxed) < self.stayed.load(Relaxed) + FEW {
            return false;
        }
        self.left.swap(0, Relaxed);
        let mut stayed = 0;
        for session in self.take() {
            if session.is_to_be_reported() {
                self.put(session);
                stayed += 1;
            }
        }
        self.stayed.swap(stayed, Relaxed);
        stayed > 0
    }
}

impl<R: HasCount> Drop for Unreported<R> {
    fn drop(&mut self) {
        debug_assert!(self.first.load(Relaxed).is_null(), "a session keeps its gate");
    }
}

/// Sessions that are in one hand. Those that are left when it is dropped, by a panic say,
/// are put back.
pub(crate) struct Taken<'a, R: Linked> {
    from: &'a Unreported<R>,
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
        let session = unsafe { Counted::<R>::of_raw(self.first) };
        self.first = session.next().load(Relaxed);
        Some(session)
    }
}

impl<R: Linked> Drop for Taken<'_, R> {
    fn drop(&mut self) {
        while let Some(session) = self.next() {
            self.from.put(session);
        }
    }
}
