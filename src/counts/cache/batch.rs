//! Read after `block.rs`. Retired blocks on their way from their readers back to
//! the thread that retired them.
//!
//! A batch has two parties, the thread and the deferred closure, and one word:
//!
//! | state | who acts | what follows |
//! |---|---|---|
//! | PENDING | closure: swap to PASSED | the thread will take the blocks |
//! | PENDING | thread: swap to ABANDONED | the closure will free the blocks |
//! | PASSED | thread | takes or frees the blocks, frees the batch |
//! | ABANDONED | closure | frees the blocks and the batch |
//!
//! *Invariant*: each party swaps at most once; the one that comes second finds
//! the other's word and owns everything.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the closure's swap | `Release` | the thread | the thread reuses memory that a reader has not finished with | `blocks_are_used_again_after_their_readers` |
//! | | `Acquire` | the thread | the closure frees a batch that the thread is not done with | `a_batch_is_freed_by_whoever_comes_second` |
//! | the thread's look | `Acquire` | the closure | memory is reused too early | `blocks_are_used_again_after_their_readers` |
//! | the thread's swap | `Acquire` | the closure | blocks are freed too early | `a_batch_is_freed_by_whoever_comes_second` |
//! | | `Release` | the closure | the closure frees a batch that the thread is not done with | `a_batch_is_freed_by_whoever_comes_second` |
//!
//! *Progress*: wait-free but for the allocator.
//!
//! *Who may touch it*: `thread.rs`, and the closure that it defers.
//!
//! *Checked by*: `loom-tests/counts_cache.rs`.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;

use super::block::Block;
use crate::sync::atomic::{AtomicU32, Ordering::*, with_mut};
use crate::sync::heap;

/// Retired blocks, and who has done with them.
struct Batch {
    state: AtomicU32,
    blocks: Vec<Block>,
}

const PENDING: u32 = 0;
const PASSED: u32 = 1;
const ABANDONED: u32 = 2;

/// One of the two handles of a batch: the thread's or the closure's.
pub(super) struct BatchHandle(NonNull<Batch>);

impl BatchHandle {
    /// A batch, by its two handles: the thread's and the closure's.
    pub(super) fn pair(blocks: Vec<Block>) -> (Self, Self) {
        let layout = Layout::new::<Batch>();
        // SAFETY: a batch is not zero-sized.
        let batch = unsafe { heap::alloc(layout) }.cast::<Batch>();
        let Some(batch) = NonNull::new(batch) else { std::alloc::handle_alloc_error(layout) };
        // SAFETY: freshly allocated for a batch.
        unsafe { batch.write(Batch { state: AtomicU32::new(PENDING), blocks }) };
        (Self(batch), Self(batch))
    }

    fn state(&self) -> &AtomicU32 {
        // SAFETY: the batch is freed by the second party to swap, or by the
        // thread after the closure has; this handle has done neither.
        unsafe { &self.0.as_ref().state }
    }

    /// The thread's look: the blocks, if the batch has passed.
    pub(super) fn try_take(self) -> Result<Vec<Block>, Self> {
        match self.state().load(Acquire) {
            // SAFETY: the closure has swapped, and will not come back.
            PASSED => Ok(unsafe { self.unpack() }),
            _ => Err(self),
        }
    }

    /// The thread gives the batch up. Returns the blocks if it has passed, for
    /// the thread to free.
    #[must_use]
    pub(super) fn abandon(self) -> Option<Vec<Block>> {
        let second = self.state().swap(ABANDONED, AcqRel) == PASSED;
        // SAFETY: the closure has swapped, and will not come back.
        second.then(|| unsafe { self.unpack() })
    }

    /// The closure: no guard is left that may reach the blocks. Returns them if
    /// the thread has given them up, for the closure to free.
    #[must_use]
    pub(super) fn pass(self) -> Option<Vec<Block>> {
        let second = self.state().swap(PASSED, AcqRel) == ABANDONED;
        // SAFETY: the thread has swapped, and will not come back.
        second.then(|| unsafe { self.unpack() })
    }

    /// # Safety
    ///
    /// The other party will not come back.
    unsafe fn unpack(mut self) -> Vec<Block> {
        // SAFETY: `self` is the only one left that knows the batch.
        unsafe {
            let batch = self.0.as_mut();
            with_mut(&mut batch.state, |state| debug_assert_ne!(*state, PENDING));
            let blocks = std::mem::take(&mut batch.blocks);
            self.0.drop_in_place();
            heap::dealloc(self.0.as_ptr().cast(), Layout::new::<Batch>());
            blocks
        }
    }
}
