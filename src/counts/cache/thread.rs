//! Read after `batch.rs`. What a thread keeps: a batch that it fills, batches
//! that wait, and free lists by class.
//!
//! *Progress*: wait-free but for the allocator.
//!
//! *Bounds*, for each thread that used a map and still runs: 256 blocks of each
//! of 8 sizes (180 KB at the very most, 12 KB with subjects of one size up to
//! 24 bytes), 8 batches of 64 waiting and one open. Beyond that, blocks go
//! back to the allocator. Blocks over 144 bytes are never kept.
//!
//! *Who may touch it*: a cache belongs to its thread. Nothing of it is borrowed
//! while foreign code may run, so a `Drop` that the reclaimer runs may come back
//! here.
//!
//! *Checked by*: the tests below; `tests/counts_stress.rs`, `tests/counts_memory.rs`.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ptr::NonNull;

use super::batch::BatchHandle;
use super::block::{Block, Class, free};
use crate::sync::epoch;
use crate::sync::heap;

/// Blocks in a batch.
const BLOCKS_PER_BATCH: usize = 64;
/// Batches that wait at once. More means that some thread stays pinned.
const MOST_WAITING_BATCHES: usize = 8;
/// Free blocks kept of each class.
const MOST_FREE_BLOCKS: usize = 256;

struct Cache {
    free: [Vec<NonNull<u8>>; Class::COUNT],
    open: Vec<Block>,
    waiting: VecDeque<BatchHandle>,
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
            // SAFETY: the closure owns its handle. All blocks of the batch
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

/// Gives memory of `alloc` straight back.
///
/// # Safety
///
/// `alloc` returned it for this layout, and nobody uses it any more.
pub(in super::super) unsafe fn dealloc(at: *mut u8, layout: Layout) {
    let layout = Class::of(layout).map_or(layout, Class::layout);
    // SAFETY: this function's contract; `alloc` asked for the class's layout.
    unsafe { heap::dealloc(at, layout) };
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
        let free = &mut self.free[class.number()];
        if free.is_empty() && !self.waiting.is_empty() {
            self.collect();
            return self.free[class.number()].pop();
        }
        free.pop()
    }

    /// Keeps a retired block. If that fills the batch, the closure's handle
    /// of it is returned, for the caller to defer.
    fn put(&mut self, block: Block) -> Option<BatchHandle> {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(BLOCKS_PER_BATCH);
        }
        self.open.push(block);
        if self.open.len() < BLOCKS_PER_BATCH {
            return None;
        }
        self.collect();
        if self.waiting.len() == MOST_WAITING_BATCHES {
            let oldest = self.waiting.pop_front().and_then(BatchHandle::abandon);
            // SAFETY: what a handle returns has passed.
            unsafe { free(oldest) };
        }
        let (mine, closure) = BatchHandle::pair(std::mem::take(&mut self.open));
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
                        let free = &mut self.free[block.class.number()];
                        if free.len() < MOST_FREE_BLOCKS {
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
                unsafe { Block { at, class: Class::numbered(class) }.free() };
            }
        }
        for waiting in self.waiting.drain(..) {
            // SAFETY: what a handle returns has passed.
            unsafe { free(waiting.abandon()) };
        }
        if !self.open.is_empty() {
            let open = std::mem::take(&mut self.open);
            // SAFETY: when the closure runs, the blocks have passed.
            unsafe { epoch::pin().defer_unchecked(move || free(Some(open))) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much the calling thread keeps.
    #[derive(Debug)]
    struct CacheSizes {
        free: usize,
        waiting: usize,
        open: usize,
    }

    fn cache_sizes() -> CacheSizes {
        CACHE.with_borrow(|cache| CacheSizes {
            free: cache.free.iter().map(Vec::len).sum(),
            waiting: cache.waiting.len(),
            open: cache.open.len(),
        })
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
        let reader = epoch::pin();
        use_and_retire(10_000);
        assert!(cache_sizes().waiting <= 8, "{:?}", cache_sizes());
        drop(reader);
        use_and_retire(10_000);
        let sizes = cache_sizes();
        assert!(sizes.free <= 256 && sizes.waiting <= 8 && sizes.open < 64, "{sizes:?}");
    }

    #[test]
    fn a_thread_uses_again_what_it_retired() {
        // Other tests pin too, so some rounds may find nothing passed yet.
        for _ in 0..1000 {
            use_and_retire(64);
            epoch::pin().flush();
            if cache_sizes().free > 0 {
                return;
            }
        }
        panic!("nothing ever passed: {:?}", cache_sizes());
    }
}
