//! Read after `root.rs`. Where the slots lie: a tree has 8,192 of them below its root.
//!
//! ```text
//! root                                          Tree: the root, and the bounds and
//!  ├── block bound ─┬─ group bound ─ 16 slots    the pointers of 32 blocks
//!  │                ├─ ...                      Block: 16 group bounds, 256 slots
//!  │                └─ 16th                     slot: a bound, a key
//!  └── ... 32nd
//! ```
//!
//! The bounds that a search compares lie beside each other: those of a group fill two
//! cache lines, those of a tree's blocks four.
//!
//! *Invariant*: a slot whose entry was entered lies in a block that was published
//! before.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | publishing a block, CAS | `Release` | loads of its pointer | a slot is used before it is zeroed | `of_two_that_enter_a_block_each_is_found` |
//! | loading its pointer | `Acquire` | its publication | the same, from the other side | `of_two_that_enter_a_block_each_is_found` |
//! | a key's store | `Relaxed` | nothing | the lower that follows releases it | |
//! | its store of 0, its load | `Release`, `Acquire` | each other | a look sees that one has left, and not who was woken before | `nobody_is_not_said_while_one_may_go` |

use std::array::from_fn;
use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use super::root::Root;
use super::word::{Bound, least};
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*, load_pointer};
use crate::sync::heap;

/// Slots of a group, groups of a block, blocks of a tree.
#[cfg(not(feature = "loom"))]
const FAN_OUT: (usize, usize, usize) = (16, 16, 32);
#[cfg(feature = "loom")]
const FAN_OUT: (usize, usize, usize) = (2, 2, 2);

const GROUP_SLOTS: usize = FAN_OUT.0;
const GROUPS: usize = FAN_OUT.1;
const BLOCKS: usize = FAN_OUT.2;

const BLOCK_SLOTS: usize = GROUP_SLOTS * GROUPS;
pub(super) const TREE_SLOTS: usize = BLOCK_SLOTS * BLOCKS;

/// There is no memory for the slot of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unreachable_pub, reason = "public for the models only")]
pub struct OutOfMemory;

#[repr(C, align(64))]
pub(super) struct Block {
    groups: [Bound; GROUPS],
    slots: [[Bound; GROUP_SLOTS]; GROUPS],
    keys: [[AtomicU64; GROUP_SLOTS]; GROUPS],
}

impl Block {
    /// What zeroed memory is, for models, whose atomics are not.
    fn zero() -> Self {
        Self {
            groups: from_fn(|_| Bound::zero()),
            slots: from_fn(|_| from_fn(|_| Bound::zero())),
            keys: from_fn(|_| from_fn(|_| AtomicU64::new(0))),
        }
    }
}

#[repr(C)]
pub(super) struct Tree {
    pub(super) root: CachePadded<Root>,
    bounds: [Bound; BLOCKS],
    blocks: [AtomicPtr<Block>; BLOCKS],
}

/// A slot, and what is above it.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    tree: &'a Tree,
    block: &'a Block,
    at: [usize; 3],
}

/// The numbers of a slot's block in the tree, its group in the block, and its own in
/// the group.
fn locate(slot: usize) -> [usize; 3] {
    [slot / BLOCK_SLOTS, slot / GROUP_SLOTS % GROUPS, slot % GROUP_SLOTS]
}

impl Tree {
    pub(super) fn zero() -> Self {
        Self {
            root: CachePadded::new(Root::zero()),
            bounds: from_fn(|_| Bound::zero()),
            blocks: from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// The slot of this number in the tree, if its block is there.
    #[inline]
    pub(super) fn slot(&self, slot: usize) -> Option<Slot<'_>> {
        let at = locate(slot);
        Some(Slot { tree: self, block: self.block(at[0])?, at })
    }

    /// The bounds of the blocks that are or were about to be made.
    #[inline]
    fn bounds(&self) -> &[Bound] {
        // Loaded after a bound that counts lowers below these, so it counts their blocks.
        &self.bounds[..self.root.made.load()]
    }

    /// The way to the slot with the least bound. Where a bound is too low, it is
    /// raised, and there is no such way.
    #[inline]
    pub(super) fn descend(&self) -> Option<Slot<'_>> {
        // Each word is loaded before those below it, so that it can be raised.
        let root = self.root.bound.load();
        let (block, bound) = least(self.bounds());
        if bound > root.bound() {
            self.root.bound.raise(root, bound);
            return None;
        }
        let above = self.bounds[block].load();
        // Who lowered its bound has published it.
        let nodes = self.block(block)?;
        let (group, bound) = least(&nodes.groups);
        let way = |slot| Slot { tree: self, block: nodes, at: [block, group, slot] };
        if bound > above.bound() {
            if self.bounds[block].raise(above, bound) {
                way(0).raise_root(above.bound());
            }
            return None;
        }
        let above = nodes.groups[group].load();
        let (slot, bound) = least(&nodes.slots[group]);
        if bound > above.bound() {
            if nodes.groups[group].raise(above, bound) {
                way(0).raise_block(above.bound());
            }
            return None;
        }
        Some(way(slot))
    }

    /// How many bytes its blocks take.
    #[cfg(all(test, not(feature = "loom")))]
    pub(super) fn block_bytes(&self) -> usize {
        let blocks = self.blocks.iter().filter(|block| !load_pointer(block).is_null());
        blocks.count() * size_of::<Block>()
    }
}

#[allow(unsafe_code)]
impl Tree {
    #[inline]
    fn block(&self, block: usize) -> Option<&Block> {
        // SAFETY: what is published here is a block, and is freed with `self`.
        unsafe { load_pointer(&self.blocks[block]).as_ref() }
    }

    /// Sees to it that this slot's block is there.
    #[cold]
    pub(super) fn provide(&self, slot: usize) -> Result<(), OutOfMemory> {
        let block = locate(slot)[0];
        let pointer = &self.blocks[block];
        // Before: whoever finds the block lowers its bound, and then it has to be seen.
        self.root.made.at_least(block + 1);
        // SAFETY: zeroed bytes are a block, as `Block::zero` is, which is not zero-sized.
        let fresh = unsafe { heap::zeroed_slice(1, Block::zero) }.ok_or(OutOfMemory)?;
        let published = pointer.compare_exchange(ptr::null_mut(), fresh.as_ptr(), Release, Relaxed);
        if published.is_err() {
            // SAFETY: another thread's block is there; nobody has seen this one.
            unsafe { heap::free_slice(fresh, 1) };
        }
        Ok(())
    }
}

#[allow(unsafe_code)]
impl Drop for Tree {
    fn drop(&mut self) {
        for block in &self.blocks {
            if let Some(block) = NonNull::new(load_pointer(block)) {
                // SAFETY: published once; nobody else has the tree any more.
                unsafe { heap::free_slice(block, 1) };
            }
        }
    }
}

impl Slot<'_> {
    /// Its number in the tree.
    pub(super) fn number(&self) -> usize {
        let [block, group, slot] = self.at;
        block * BLOCK_SLOTS + group * GROUP_SLOTS + slot
    }

    pub(super) fn bound(&self) -> &Bound {
        &self.block.slots[self.at[1]][self.at[2]]
    }

    pub(super) fn key(&self) -> &AtomicU64 {
        &self.block.keys[self.at[1]][self.at[2]]
    }

    /// Who is in the slot, under this key, may go.
    #[inline]
    pub(super) fn lower(&self, key: u64) {
        let [block, group, _] = self.at;
        self.bound().lower(key);
        // Each level, even if it is low enough: another lower may have come so far
        // and no further.
        self.block.groups[group].lower(key);
        self.tree.bounds[block].lower(key);
        self.tree.root.lower(key);
    }

    /// Raises what is above the slot, whose bound was this one and was raised.
    #[inline]
    pub(super) fn raise_above(&self, was: u64) {
        let group = self.at[1];
        if self.block.groups[group].raise_from(was, || least(&self.block.slots[group]).1) {
            self.raise_block(was);
        }
    }

    fn raise_block(&self, was: u64) {
        if self.tree.bounds[self.at[0]].raise_from(was, || least(&self.block.groups).1) {
            self.raise_root(was);
        }
    }

    fn raise_root(&self, was: u64) {
        self.tree.root.bound.raise_from(was, || least(self.tree.bounds()).1);
    }
}
