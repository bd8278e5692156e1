//! The system allocator, with a count per thread of what was asked of it, and
//! one over all threads of the bytes that are out.

// Each test that includes this file uses its part of it.
#![allow(dead_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Install it with `#[global_allocator]`.
pub struct CountingAlloc;

impl CountingAlloc {
    fn took(layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LIVE.fetch_add(layout.size(), Relaxed);
    }
}

// SAFETY: every call goes to the system allocator unchanged; the counts beside
// it are an atomic and a `const` thread-local without a destructor, neither of
// which allocates.
unsafe impl GlobalAlloc for CountingAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::took(layout);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    // Large blocks of zeroes are not touched by the system either.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::took(layout);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + 1);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The calls to the allocator, either way, that this thread makes in `run`.
pub fn allocator_calls(run: impl FnOnce()) -> u64 {
    let calls = || ALLOCATIONS.get() + FREED.get();
    let before = calls();
    run();
    calls() - before
}

/// The blocks that this thread asks for in `run`.
pub fn allocations<R>(run: impl FnOnce() -> R) -> (u64, R) {
    let before = ALLOCATIONS.get();
    let result = run();
    (ALLOCATIONS.get() - before, result)
}

/// The bytes that all threads have taken and not given back.
pub fn live_bytes() -> usize {
    LIVE.load(Relaxed)
}
