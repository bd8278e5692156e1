//! Read after `tree.rs`. The trees of a branch: in chunks that double, are never moved,
//! and are freed with the branch.
//!
//! *Invariant*: every number that was ever entered lies in one of the first `made` trees.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | publishing a chunk, CAS | `Release` | loads of its pointer | a tree is used before it is zeroed | `of_two_that_enter_a_block_each_is_found` |
//! | loading its pointer | `Acquire` | its publication | the same, from the other side | `of_two_that_enter_a_block_each_is_found` |

use std::ptr::{self, NonNull};

use super::made::Made;
use super::tree::{OutOfMemory, Slot, TREE_SLOTS, Tree};
use crate::sync::atomic::{AtomicPtr, Ordering::*, load_pointer};
use crate::sync::heap;

/// Numbers are less than 2^26.
const NUMBER_BITS: u32 = 26;

/// The first chunk is of one tree, the last holds the highest number.
const CHUNKS: usize = (NUMBER_BITS - TREE_SLOTS.ilog2() + 1) as usize;

pub(super) struct Branch {
    made: Made,
    chunks: [AtomicPtr<Tree>; CHUNKS],
}

/// The chunk of a number, its tree in the chunk, and its slot in the tree.
#[inline]
fn locate(number: u32) -> (usize, usize, usize) {
    debug_assert!((1..1 << NUMBER_BITS).contains(&number), "{number} is no number of a slot");
    let (tree, slot) = ((number as usize - 1) / TREE_SLOTS, (number as usize - 1) % TREE_SLOTS);
    let chunk = (tree + 1).ilog2() as usize;
    (chunk, tree + 1 - (1 << chunk), slot)
}

#[allow(unsafe_code)]
impl Branch {
    pub(super) fn new() -> Self {
        let chunks = [(); CHUNKS].map(|()| AtomicPtr::new(ptr::null_mut()));
        Self { made: Made::zero(), chunks }
    }

    /// The slot of this number, if it was ever entered.
    #[inline]
    pub(super) fn slot(&self, number: u32) -> Option<Slot<'_>> {
        let (chunk, tree, slot) = locate(number);
        self.chunk(chunk)?[tree].slot(slot)
    }

    /// The slot of this number, made if need be.
    #[inline]
    pub(super) fn provide(&self, number: u32) -> Result<Slot<'_>, OutOfMemory> {
        loop {
            if let Some(slot) = self.slot(number) {
                return Ok(slot);
            }
            self.provide_new(number)?;
        }
    }

    #[cold]
    fn provide_new(&self, number: u32) -> Result<(), OutOfMemory> {
        let (chunk, tree, slot) = locate(number);
        // Before, as the tree does it.
        self.made.at_least((1 << chunk) + tree);
        if self.chunk(chunk).is_none() {
            // SAFETY: zeroed bytes are trees, as `Tree::zero` is, which is not zero-sized.
            let fresh = unsafe { heap::zeroed_slice(1 << chunk, Tree::zero) }.ok_or(OutOfMemory)?;
            let published = self.chunks[chunk].compare_exchange(
                ptr::null_mut(),
                fresh.as_ptr(),
                Release,
                Relaxed,
            );
            if published.is_err() {
                // SAFETY: another thread's chunk is there; nobody has seen this one.
                unsafe { heap::free_slice(fresh, 1 << chunk) };
            }
        }
        self.chunk(chunk).expect("it was just published")[tree].provide(slot)
    }

    #[inline]
    fn chunk(&self, chunk: usize) -> Option<&[Tree]> {
        let trees = NonNull::new(load_pointer(&self.chunks[chunk]))?;
        // SAFETY: a published chunk has as many trees as its place says, and is freed
        // with `self`.
        Some(unsafe { NonNull::slice_from_raw_parts(trees, 1 << chunk).as_ref() })
    }

    /// Shows all its trees, each with the number of its first slot.
    #[inline]
    pub(super) fn for_each<'a>(&'a self, mut show: impl FnMut(u32, &'a Tree)) {
        let (mut first, mut left) = (1, self.made.load());
        for chunk in 0.. {
            let len = left.min(1 << chunk);
            if len == 0 {
                return;
            }
            // It may be missing, or not be seen yet.
            for (tree, at) in self.chunk(chunk).unwrap_or(&[]).iter().take(len).zip(0..) {
                show(first + at * TREE_SLOTS as u32, tree);
            }
            first += len as u32 * TREE_SLOTS as u32;
            left -= len;
        }
    }

    /// How many bytes it has allocated.
    #[cfg(all(test, not(feature = "loom")))]
    pub(super) fn bytes(&self) -> usize {
        let mut bytes = 0;
        for trees in (0..CHUNKS).filter_map(|chunk| self.chunk(chunk)) {
            let blocks: usize = trees.iter().map(Tree::block_bytes).sum();
            bytes += size_of_val(trees) + blocks;
        }
        bytes
    }
}

#[allow(unsafe_code)]
impl Drop for Branch {
    fn drop(&mut self) {
        for (chunk, pointer) in self.chunks.iter().enumerate() {
            if let Some(trees) = NonNull::new(load_pointer(pointer)) {
                // SAFETY: published once with this length; nobody else has the branch.
                unsafe { heap::free_slice(trees, 1 << chunk) };
            }
        }
    }
}
