//! Read after `node.rs`. Where the memory of nodes waits to be used again: with
//! the thread that retired them.
//!
//! *Origin*: the thread caches of memory allocators (Bonwick and Adams'
//! magazines, 2001), filled by a reclaimer. A node that goes to the epoch
//! reclaimer by itself is freed on whichever thread collects, far from the next
//! insert. Here a thread keeps its retired nodes in batches and the reclaimer
//! says only when: it sets a flag, and the nodes never change cores.
//!
//! ```text
//!  retire → open batch ─ full ─→ waiting, its passing deferred ─ passed ─→ free lists → alloc
//! ```
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
//! *Bounds*, for each thread that used a map and still runs: 256 blocks of each
//! of 8 sizes (180 KB at the very most, 12 KB with subjects of one size up to
//! 24 bytes), 8 batches of 64 waiting and one open. Beyond that, blocks go
//! back to the allocator. Blocks over 144 bytes are never kept.
//!
//! *Who may touch it*: `node.rs` only. A cache belongs to its thread; nothing
//! of it is borrowed while foreign code may run, so a `Drop` that the reclaimer
//! runs may come back here.
//!
//! *Checked by*: `loom-tests/counts_cache.rs`; `tests/counts_stress.rs`. The
//! models of the list do without it: reuse would hide a use after a release.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::sync::atomic::{AtomicU32, Ordering::*, with_mut};
use crate::sync::heap;

#[cfg(not(feature = "loom"))]
pub(super) use thread::{alloc, retire};

#[cfg(feature = "loom")]
pub(super) use crate::sync::heap::{alloc, dealloc};

/// Gives memory of `alloc` straight back.
///
/// # Safety
///
/// `alloc` returned it for this layout, and nobody uses it any more.
#[cfg(not(feature = "loom"))]
pub(super) unsafe fn dealloc(at: *mut u8, layout: Layout) {
    let layout = Class::of(layout).map_or(layout, Class::layout);
    // SAFETY: this function's contract; `alloc` asked for the class's layout.
    unsafe { heap::dealloc(at, layout) };
}

/// Blocks of one size: multiples of 16 bytes, from 32 to 144.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Class(u8);

#[cfg_attr(feature = "loom", allow(dead_code, reason = "models do without the cache itself"))]
impl Class {
    const COUNT: usize = 8;

    /// The smallest class that serves a layout, if one does.
    fn of(layout: Layout) -> Option<Self> {
        let class = layout.size().div_ceil(16).saturating_sub(2);
        (layout.align() <= 8 && class < Self::COUNT).then_some(Self(class as u8))
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(16 * (usize::from(self.0) + 2), 8).expect("small and aligned")
    }
}

/// Memory that nobody uses, or will use once its batch has passed.
struct Block {
    at: NonNull<u8>,
    class: Class,
}

impl Block {
    /// # Safety
    ///
    /// The block was allocated with its class's layout and nobody uses it any
    /// more.
    unsafe fn free(self) {
        // SAFETY: this function's contract.
        unsafe { heap::dealloc(self.at.as_ptr(), self.class.layout()) };
    }
}

/// Retired blocks, and who has done with them.
struct Batch {
    state: AtomicU32,
    blocks: Vec<Block>,
}

const PENDING: u32 = 0;
const PASSED: u32 = 1;
const ABANDONED: u32 = 2;

/// One party's half of a batch.
struct Half(NonNull<Batch>);

impl Half {
    /// The thread's half and the closure's.
    fn pair(blocks: Vec<Block>) -> (Self, Self) {
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
        // thread after the closure has; this half has done neither.
        unsafe { &self.0.as_ref().state }
    }

    /// The thread's look: the blocks, if the batch has passed.
    fn try_take(self) -> Result<Vec<Block>, Self> {
        match self.state().load(Acquire) {
            // SAFETY: the closure has swapped, and will not come back.
            PASSED => Ok(unsafe { self.unpack() }),
            _ => Err(self),
        }
    }

    /// The thread gives the batch up. Returns the blocks if it has passed, for
    /// the thread to free.
    #[must_use]
    fn abandon(self) -> Option<Vec<Block>> {
        let second = self.state().swap(ABANDONED, AcqRel) == PASSED;
        // SAFETY: the closure has swapped, and will not come back.
        second.then(|| unsafe { self.unpack() })
    }

    /// The closure: no guard is left that may reach the blocks. Returns them if
    /// the thread has given them up, for the closure to free.
    #[must_use]
    fn pass(self) -> Option<Vec<Block>> {
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

/// Frees the blocks of a batch that has passed.
///
/// # Safety
///
/// The batch has passed, so nobody uses the blocks.
unsafe fn free(blocks: Option<Vec<Block>>) {
    for block in blocks.into_iter().flatten() {
        // SAFETY: this function's contract; blocks come from `alloc`.
        unsafe { block.free() };
    }
}

#[cfg(not(feature = "loom"))]
mod thread {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::*;
    use crate::sync::epoch;

    /// Blocks in a batch.
    const BATCH: usize = 64;
    /// Batches that wait at once. More means that some thread stays pinned.
    const WAITING: usize = 8;
    /// Free blocks kept of each class.
    const KEPT: usize = 256;

    struct Cache {
        free: [Vec<NonNull<u8>>; Class::COUNT],
        open: Vec<Block>,
        waiting: VecDeque<Half>,
    }

    thread_local! {
        static CACHE: RefCell<Cache> = const { RefCell::new(Cache::new()) };
    }

    /// Memory for a node, or null.
    ///
    /// # Safety
    ///
    /// The layout is not empty.
    pub(in super::super) unsafe fn alloc(layout: Layout) -> *mut u8 {
        let Some(class) = Class::of(layout) else {
            // SAFETY: this function's contract.
            return unsafe { heap::alloc(layout) };
        };
        // No cache any more: the thread is about to end.
        let cached = CACHE.try_with(|cache| cache.borrow_mut().take(class)).ok().flatten();
        match cached {
            Some(block) => block.as_ptr(),
            // SAFETY: a class's layout is not empty.
            None => unsafe { heap::alloc(class.layout()) },
        }
    }

    /// Gives memory of `alloc` back, to be used again when every guard that
    /// exists now is gone.
    ///
    /// # Safety
    ///
    /// `alloc` returned it for this layout; only guards that exist now may
    /// still reach it, and this is called once.
    pub(in super::super) unsafe fn retire(at: NonNull<u8>, layout: Layout) {
        let Some(class) = Class::of(layout) else {
            let at = at.as_ptr();
            // SAFETY: allocated with this layout, by this function's contract,
            // and nobody uses it when the closure runs.
            return unsafe { epoch::pin().defer_unchecked(move || heap::dealloc(at, layout)) };
        };
        let block = Block { at, class };
        let full = CACHE.try_with(|cache| cache.borrow_mut().put(block));
        match full {
            Ok(None) => {}
            Ok(Some(closure)) => {
                let guard = epoch::pin();
                // SAFETY: the closure owns its half. All blocks of the batch
                // were retired, so who reaches them has a guard that exists.
                unsafe { guard.defer_unchecked(move || free(closure.pass())) };
                // Or batches would wait in the thread's bag for 63 more.
                guard.flush();
            }
            // No cache any more: the thread is about to end.
            Err(_) => {
                let block = Block { at, class };
                // SAFETY: allocated with the class's layout, as `alloc` does.
                unsafe { epoch::pin().defer_unchecked(move || block.free()) };
            }
        }
    }

    /// How much the calling thread keeps.
    #[cfg(test)]
    #[derive(Debug)]
    pub(super) struct Kept {
        pub(super) free: usize,
        pub(super) waiting: usize,
        pub(super) open: usize,
    }

    #[cfg(test)]
    pub(super) fn kept() -> Kept {
        CACHE.with_borrow(|cache| Kept {
            free: cache.free.iter().map(Vec::len).sum(),
            waiting: cache.waiting.len(),
            open: cache.open.len(),
        })
    }

    impl Cache {
        const fn new() -> Self {
            Self {
                free: [const { Vec::new() }; Class::COUNT],
                open: Vec::new(),
                waiting: VecDeque::new(),
            }
        }

        fn take(&mut self, class: Class) -> Option<NonNull<u8>> {
            let free = &mut self.free[usize::from(class.0)];
            if free.is_empty() && !self.waiting.is_empty() {
                self.collect();
                return self.free[usize::from(class.0)].pop();
            }
            free.pop()
        }

        /// Keeps a retired block. If that fills the batch, the closure's half
        /// of it is returned, for the caller to defer.
        fn put(&mut self, block: Block) -> Option<Half> {
            if self.open.capacity() == 0 {
                self.open.reserve_exact(BATCH);
            }
            self.open.push(block);
            if self.open.len() < BATCH {
                return None;
            }
            self.collect();
            if self.waiting.len() == WAITING {
                let oldest = self.waiting.pop_front().and_then(Half::abandon);
                // SAFETY: what a half returns has passed.
                unsafe { free(oldest) };
            }
            let (mine, closure) = Half::pair(std::mem::take(&mut self.open));
            self.waiting.push_back(mine);
            Some(closure)
        }

        /// Takes over what has passed. Batches pass in the order they wait in,
        /// or nearly.
        fn collect(&mut self) {
            while let Some(oldest) = self.waiting.pop_front() {
                match oldest.try_take() {
                    Ok(mut blocks) => {
                        for block in blocks.drain(..) {
                            let free = &mut self.free[usize::from(block.class.0)];
                            if free.len() < KEPT {
                                free.push(block.at);
                            } else {
                                // SAFETY: its batch has passed.
                                unsafe { block.free() };
                            }
                        }
                        if self.open.capacity() == 0 {
                            self.open = blocks;
                        }
                    }
                    Err(oldest) => return self.waiting.push_front(oldest),
                }
            }
        }
    }

    impl Drop for Cache {
        /// The thread ends.
        fn drop(&mut self) {
            for (class, free) in self.free.iter_mut().enumerate() {
                for at in free.drain(..) {
                    // SAFETY: on a free list, so nobody uses it.
                    unsafe { Block { at, class: Class(class as u8) }.free() };
                }
            }
            for waiting in self.waiting.drain(..) {
                // SAFETY: what a half returns has passed.
                unsafe { free(waiting.abandon()) };
            }
            if !self.open.is_empty() {
                let open = std::mem::take(&mut self.open);
                // SAFETY: when the closure runs, the blocks have passed.
                unsafe { epoch::pin().defer_unchecked(move || free(Some(open))) };
            }
        }
    }
}

/// What the models of the handover use: one batch of one block.
#[cfg(feature = "loom")]
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations, reason = "for models only")]
pub mod model {
    use super::*;

    /// One party's half, or the block it came to own.
    pub struct Party(Half);

    pub struct Owned(Vec<Block>);

    // SAFETY: the closure's half goes to the thread that runs it.
    unsafe impl Send for Party {}

    pub fn batch() -> (Party, Party) {
        let class = Class(0);
        // SAFETY: a class's layout is not empty.
        let at = unsafe { heap::alloc(class.layout()) };
        let at = NonNull::new(at).expect("memory for a model");
        let (thread, closure) = Half::pair(vec![Block { at, class }]);
        (Party(thread), Party(closure))
    }

    impl Party {
        pub fn try_take(self) -> Result<Owned, Self> {
            self.0.try_take().map(Owned).map_err(Self)
        }

        pub fn abandon(self) -> Option<Owned> {
            self.0.abandon().map(Owned)
        }

        pub fn pass(self) -> Option<Owned> {
            self.0.pass().map(Owned)
        }
    }

    impl Drop for Owned {
        fn drop(&mut self) {
            let blocks = std::mem::take(&mut self.0);
            // SAFETY: what a half returns has passed.
            unsafe { free(Some(blocks)) };
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_holds_the_layout() {
        for size in 1..300 {
            let layout = Layout::from_size_align(size, 8).unwrap();
            match Class::of(layout) {
                Some(class) => {
                    let held = class.layout().size();
                    assert!(size <= held && (held < size + 16 || held == 32), "{size} in {held}");
                }
                None => assert!(size > 144),
            }
        }
        assert_eq!(Class::of(Layout::from_size_align(32, 16).unwrap()), None);
    }

    fn use_and_retire(blocks: usize) {
        let layout = Layout::from_size_align(47, 8).unwrap();
        for _ in 0..blocks {
            // SAFETY: not empty; retired once, with its layout, never used.
            unsafe { retire(NonNull::new(alloc(layout)).unwrap(), layout) };
        }
    }

    #[test]
    fn what_a_thread_keeps_is_bounded_however_long_readers_stay() {
        let reader = crate::sync::epoch::pin();
        use_and_retire(10_000);
        assert!(thread::kept().waiting <= 8, "{:?}", thread::kept());
        drop(reader);
        use_and_retire(10_000);
        let kept = thread::kept();
        assert!(kept.free <= 256 && kept.waiting <= 8 && kept.open < 64, "{kept:?}");
    }

    #[test]
    fn a_thread_uses_again_what_it_retired() {
        // Other tests pin too, so some rounds may find nothing passed yet.
        for _ in 0..1000 {
            use_and_retire(64);
            crate::sync::epoch::pin().flush();
            if thread::kept().free > 0 {
                return;
            }
        }
        panic!("nothing ever passed: {:?}", thread::kept());
    }
}
