//! Memory that is freed by hand: std's allocator, or under the feature `loom`
//! a quarantine.
//!
//! *In a model*: `dealloc` keeps the block for a while, so that a late access
//! to an atomic in it finds the mark that its drop left (`atomic.rs`) instead
//! of undefined behaviour; a block freed twice fails at once, and one that is
//! never freed fails the execution.
//!
//! *Checked by*: the mutants of the counts models that retire twice, too
//! early, or never.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;

#[cfg(feature = "loom")]
pub(crate) use model::{alloc, dealloc, zeroed_slice};
#[cfg(not(feature = "loom"))]
pub(crate) use std::alloc::{alloc, dealloc};

/// `len` values whose bytes are all zero, or `None` if memory is short. The
/// system hands out zeroed pages lazily, so a long slice costs nothing until
/// it is used. Goes back through `free_slice`.
///
/// # Safety
///
/// All-zero bytes are a valid `T`, the same that `_zero` returns. `T` is not
/// zero-sized, `len` is not 0.
#[cfg(not(feature = "loom"))]
pub(crate) unsafe fn zeroed_slice<T>(len: usize, _zero: fn() -> T) -> Option<NonNull<T>> {
    let layout = Layout::array::<T>(len).ok()?;
    // SAFETY: the layout is not empty, by this function's contract.
    NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }.cast())
}

/// Drops the values and gives their memory back.
///
/// # Safety
///
/// The slice came from `zeroed_slice` with this `len`; nobody uses it any more,
/// and it is freed once.
pub(crate) unsafe fn free_slice<T>(slice: NonNull<T>, len: usize) {
    let layout = Layout::array::<T>(len).expect("it was allocated with this layout");
    // SAFETY: by this function's contract these are `len` values, in a block of
    // this layout, that nobody uses.
    unsafe {
        std::ptr::slice_from_raw_parts_mut(slice.as_ptr(), len).drop_in_place();
        dealloc(slice.as_ptr().cast(), layout);
    }
}

#[cfg(feature = "loom")]
mod model {
    use std::alloc::Layout;
    use std::cell::RefCell;
    use std::collections::{HashMap, VecDeque};
    use std::mem::ManuallyDrop;
    use std::ptr::NonNull;

    use loom::alloc::Track;

    /// Blocks kept after their release. More than any model releases in one
    /// execution, so the oldest belong to executions that are over.
    const QUARANTINE: usize = 1024;

    // All threads of a model run on one thread of the system, so this is one
    // registry for each model.
    thread_local! {
        static BLOCKS: RefCell<Blocks> = RefCell::default();
    }

    #[derive(Default)]
    struct Blocks {
        /// Loom fails an execution at whose end a `Track` is left. Not dropped
        /// outside an execution, where loom would panic.
        live: HashMap<usize, ManuallyDrop<Track<()>>>,
        quarantine: VecDeque<(usize, Layout)>,
    }

    pub(crate) unsafe fn alloc(layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `std::alloc::alloc`.
        let block = unsafe { std::alloc::alloc(layout) };
        let track = ManuallyDrop::new(Track::new(()));
        BLOCKS.with_borrow_mut(|blocks| blocks.live.insert(block.addr(), track));
        block
    }

    pub(crate) unsafe fn dealloc(block: *mut u8, layout: Layout) {
        let freed = BLOCKS.with_borrow_mut(|blocks| {
            let track = blocks.live.remove(&block.addr());
            blocks.quarantine.push_back((block.expose_provenance(), layout));
            let oldest = (blocks.quarantine.len() > QUARANTINE)
                .then(|| blocks.quarantine.pop_front())
                .flatten();
            if let Some((block, layout)) = oldest {
                // SAFETY: the block came from `alloc` with this layout, was
                // released once, and the execution that used it is over.
                unsafe { std::alloc::dealloc(std::ptr::with_exposed_provenance_mut(block), layout) }
            }
            track
        });
        let track = freed.expect("freed twice, or never allocated");
        drop(ManuallyDrop::into_inner(track));
    }

    /// Models have no all-zero atomics, so each value is made.
    pub(crate) unsafe fn zeroed_slice<T>(len: usize, zero: fn() -> T) -> Option<NonNull<T>> {
        // SAFETY: the layout is not empty, by the contract of the original.
        let slice = NonNull::new(unsafe { alloc(Layout::array::<T>(len).ok()?) }.cast::<T>())?;
        for index in 0..len {
            // SAFETY: inside the block just allocated.
            unsafe { slice.add(index).write(zero()) };
        }
        Some(slice)
    }
}
