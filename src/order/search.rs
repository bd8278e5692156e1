//! Read after `branch.rs`. The order itself, and the search for the first that may go.
//!
//! *Ways into the order*: `enter` and `wake` lower the slot's bound, then those above it
//! up to the root. `leave`, and a search that finds nobody in a slot, or somebody who may
//! not go, or may go under a higher key only, raise them.
//!
//! *Linearization points*: enter, wake → the root's CAS; leave → the slot's; a search → its
//! last look, or between its two readings of the roots.
//!
//! *Why what is found is the first*: a search reads the roots, descends to the slot
//! that has the least bound, looks at its entry, and reads the roots again. If none was
//! brought down in between, then at the look nobody with a key below the least bound
//! was announced. So it is with the answer that nobody may go.
//!
//! *Why it is so of who may not go*: a raise releases and a load acquires, so whoever sees
//! that one has gone sees who was woken before.
//!
//! *Progress*: lock-free. A search begins again because its own raise went through, or
//! another thread's CAS did.

#![allow(unreachable_pub, reason = "public for the models only")]

use std::fmt;

use crossbeam_utils::CachePadded;

use super::branch::Branch;
use super::root::Roots;
use super::tree::{OutOfMemory, Tree};
use super::word::{MOST_KEY, NOBODY};
use crate::sync::atomic::Ordering::*;

/// The name of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId {
    /// Less than the order has.
    pub branch: u32,
    /// From 1 to 2^26 - 1.
    pub number: u32,
}

/// What the caller says about the entry of a slot, from a load or a read-modify-write that
/// acquires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look<S> {
    /// It may not go now. It is marked, by a read-modify-write that whoever makes it free
    /// sees, and then calls `wake`.
    Busy,
    /// There is nobody, or somebody who has not entered.
    Gone,
    /// It may go, with this key. `seen` is what the caller claims it from.
    MayGo {
        /// Where it stands in the order.
        key: u64,
        /// For the caller.
        seen: S,
    },
}

/// The answer of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<S> {
    /// The first of those that may go, at an instant of the search.
    First {
        /// Its slot.
        id: SlotId,
        /// What the caller saw at its last look.
        seen: S,
    },
    /// At an instant of the search, all that may go had this key or a higher one, which
    /// is after `not_after`.
    NotBefore(u64),
    /// At an instant of the search nobody could go.
    Nobody,
}

/// Of the key of an entry that has not entered yet.
const PREPARED: u64 = 1 << 63;

/// The entries that may go, in the order of their keys. See the module's header.
pub struct Order {
    branches: Box<[CachePadded<Branch>]>,
}

impl Order {
    /// Of so many branches, 1 to 64, and with nobody in it.
    pub fn new(branches: usize) -> Self {
        assert!((1..=64).contains(&branches), "an order has 1 to 64 branches, not {branches}");
        Self { branches: (0..branches).map(|_| CachePadded::new(Branch::new())).collect() }
    }

    fn branch(&self, id: SlotId) -> &Branch {
        &self.branches[id.branch as usize]
    }

    /// A newcomer will enter, under this key if it is that of the slot then, and then there
    /// is memory for it. Fails if there is none.
    pub fn prepare(&self, id: SlotId, key: u64) -> Result<(), OutOfMemory> {
        let slot = self.branch(id).provide(id.number)?;
        slot.key().store(key | PREPARED, Relaxed);
        Ok(())
    }

    /// Who has prepared may go, under this key; nothing if it has left. True for one of those
    /// who call this.
    pub fn enter_prepared(&self, id: SlotId, key: u64) -> bool {
        let Some(slot) = self.branch(id).slot(id.number) else { return false };
        let mut seen = slot.key().load(Relaxed);
        let is_first = loop {
            if seen == 0 {
                return false;
            }
            if seen & PREPARED == 0 {
                break false;
            }
            match slot.key().compare_exchange(seen, key, Relaxed, Relaxed) {
                Ok(_) => break true,
                Err(now) => seen = now,
            }
        };
        slot.lower(key.min(MOST_KEY));
        is_first
    }

    /// A newcomer is prepared and has entered at once, for tests, under this key, which is
    /// not 0.
    #[cfg(any(test, feature = "loom"))]
    pub fn enter(&self, id: SlotId, key: u64) -> Result<(), OutOfMemory> {
        let slot = self.branch(id).provide(id.number)?;
        slot.key().store(key, Relaxed);
        slot.lower(key.min(MOST_KEY));
        Ok(())
    }

    /// An entry that a search was told is busy may go again, under this key. If it has left
    /// meanwhile, a search finds it gone.
    pub fn wake(&self, id: SlotId, key: u64) {
        if let Some(slot) = self.branch(id).slot(id.number) {
            slot.lower(key.min(MOST_KEY));
        }
    }

    /// The entry is gone for good. Called before its number is used again. Had it entered?
    #[inline]
    pub fn leave(&self, id: SlotId) -> bool {
        let Some(slot) = self.branch(id).slot(id.number) else { return false };
        let key = slot.key().swap(0, Release);
        let was = slot.bound().clear();
        if was != NOBODY {
            slot.raise_above(was);
        }
        key != 0 && key & PREPARED == 0
    }

    /// The key under which the slot's entry entered, or will, if it has not left.
    #[inline]
    pub fn key_of(&self, id: SlotId) -> Option<u64> {
        let key = self.branch(id).slot(id.number)?.key().load(Acquire) & !PREPARED;
        (key != 0).then_some(key)
    }

    /// The first that may go: at an instant of the search, nobody who could go had a
    /// key that is lower by more than `quantum`. Only one whose key is not after
    /// `not_after` is found.
    pub fn search<S>(
        &self,
        mut look: impl FnMut(SlotId) -> Look<S>,
        quantum: u64,
        not_after: u64,
    ) -> Found<S> {
        let not_after = not_after.min(MOST_KEY);
        loop {
            let (roots, lowest) = self.read_roots();
            let answer = match lowest {
                Some(lowest) => {
                    let latest = roots.least.saturating_add(quantum).min(not_after);
                    self.pass(&lowest, &mut look, roots.least, latest)
                }
                None => Some(Found::Nobody),
            };
            let Some(answer) = answer else { continue };
            if roots.stood_until(self.begun()) || roots.same_as(&self.read_roots().0) {
                return answer;
            }
        }
    }

    /// Looks at the entry with the least bound of a tree. If it may not go, or only under
    /// a key after `latest` and after its bound, the bound is raised.
    fn pass<S>(
        &self,
        lowest: &Lowest<'_>,
        look: &mut impl FnMut(SlotId) -> Look<S>,
        least: u64,
        latest: u64,
    ) -> Option<Found<S>> {
        let slot = lowest.tree.descend()?;
        let id = SlotId { branch: lowest.branch, number: lowest.first + slot.number() as u32 };
        // Before the look: a lower that comes after it makes the raise fail.
        let word = slot.bound().load();
        if word.bound() == NOBODY {
            return None;
        }
        let bound = match look(id) {
            Look::MayGo { key, seen } => match key.min(MOST_KEY) {
                key if key <= latest => return Some(Found::First { id, seen }),
                key if key <= least => return Some(Found::NotBefore(key)),
                key => key,
            },
            Look::Busy | Look::Gone => NOBODY,
        };
        if word.bound() < bound && slot.bound().raise(word, bound) {
            slot.raise_above(word.bound());
        }
        None
    }

    /// Reads all roots, and says where the least bound is, if anybody may go.
    fn read_roots(&self) -> (Roots, Option<Lowest<'_>>) {
        let (mut roots, mut lowest) = (Roots::none(), None);
        for (branch, trees) in (0..).zip(&self.branches) {
            trees.for_each(|first, tree| {
                let least = roots.least;
                if roots.read(&tree.root).bound() < least {
                    lowest = Some(Lowest { branch, first, tree });
                }
            });
        }
        (roots, lowest)
    }

    /// How often a lower has begun to bring a root's bound down.
    #[inline]
    fn begun(&self) -> u64 {
        let mut begun = 0_u64;
        for branch in &self.branches {
            branch.for_each(|_, tree| begun = begun.wrapping_add(tree.root.begun()));
        }
        begun
    }

    /// How many bytes it has allocated for its slots.
    #[cfg(all(test, not(feature = "loom")))]
    pub fn bytes(&self) -> usize {
        self.branches.iter().map(|branch| branch.bytes()).sum()
    }
}

/// The tree with the least bound.
struct Lowest<'a> {
    branch: u32,
    /// The number of its first slot.
    first: u32,
    tree: &'a Tree,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("branches", &self.branches.len()).finish_non_exhaustive()
    }
}
