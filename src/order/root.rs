//! Read after `made.rs`. The word above all others of a tree. Beside it is counted
//! how often a lower has brought its bound down: a newcomer, whose key is the
//! highest there is, seldom does.
//!
//! *Invariant*: `done <= begun`. A lower that brings the bound down counts as begun
//! before, and as done after.
//!
//! *What a search concludes*: it adds up `done`, then loads the words, then does
//! something, then adds up `begun`. If both sums are equal, no bound was brought down from
//! the load of its word to the load of its `begun`. If they are not, a waker may be held up
//! between the two; then the search adds up the versions, which a lower that was held up
//! does not change. So it begins again only if a root was lowered.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | `begun`'s addition | `Relaxed` | nothing | the lower's CAS releases it | |
//! | `done`'s addition | `Release` | its load | a search that sees it loads the word from before | `the_first_of_a_tree_is_the_oldest` |
//! | `done`'s load | `Acquire` | its addition | the same, from the other side | `the_first_of_a_tree_is_the_oldest` |
//! | `begun`'s load | `Relaxed` | nothing | it comes after the look, which acquires | |

use super::made::Made;
use super::word::{Bound, NOBODY, Word};
use crate::sync::atomic::{AtomicU64, Ordering::*};

#[derive(Debug)]
#[repr(C)]
pub(super) struct Root {
    pub(super) bound: Bound,
    begun: AtomicU64,
    done: AtomicU64,
    /// The blocks.
    pub(super) made: Made,
}

/// What was read of the roots, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roots {
    /// The least bound.
    pub(super) least: u64,
    versions: u64,
    done: u64,
}

impl Root {
    pub(super) fn zero() -> Self {
        Self {
            bound: Bound::zero(),
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
            made: Made::zero(),
        }
    }

    /// As `Bound::lower`.
    #[inline]
    pub(super) fn lower(&self, key: u64) {
        let mut seen = self.bound.guess();
        let mut counted = false;
        loop {
            if key < seen.bound() && !counted {
                self.begun.fetch_add(1, Relaxed);
                counted = true;
            }
            match self.bound.try_lower(seen, key) {
                Ok(()) => break,
                Err(now) => seen = now,
            }
        }
        if counted {
            self.done.fetch_add(1, Release);
        }
    }

    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }
}

impl Roots {
    pub(super) fn none() -> Self {
        Self { least: NOBODY, versions: 0, done: 0 }
    }

    /// Reads one more: its word.
    #[inline]
    pub(super) fn read(&mut self, root: &Root) -> Word {
        self.done = self.done.wrapping_add(root.done.load(Acquire));
        let word = root.bound.load();
        self.versions = self.versions.wrapping_add(word.version());
        self.least = self.least.min(word.bound());
        word
    }

    /// Was no bound brought down until `begun` was added up?
    pub(super) fn stood_until(&self, begun: u64) -> bool {
        self.done == begun
    }

    /// Was no bound lowered at all until these were read?
    pub(super) fn same_as(&self, later: &Self) -> bool {
        (self.versions ^ later.versions) % (1 << 16) == 0
    }
}
