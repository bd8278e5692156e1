//! The handover of retired memory between the thread that keeps it and the
//! reclaimer that says when nobody can reach it any more.

use std::sync::Arc;

use loom::cell::UnsafeCell;

use crate::product::cache_model::{Owned, Party, batch};
use crate::support::{model, race};

/// Stands for the memory of the block: readers read it before the reclaimer's
/// closure runs, and who owns it afterwards may write. Loom fails the model if
/// the two are unordered.
struct Memory(UnsafeCell<u32>);

// SAFETY: accessed only where the handover promises an order; loom checks.
unsafe impl Sync for Memory {}

impl Memory {
    fn read(&self) {
        // SAFETY: as for `Sync`.
        self.0.with(|memory| unsafe { assert_eq!(*memory, 0) });
    }

    /// The block is used for something else, or freed.
    fn own(&self, block: Owned) {
        // SAFETY: as for `Sync`.
        self.0.with_mut(|memory| unsafe { *memory = 1 });
        drop(block);
    }
}

/// A last reader and the closure against what the thread does.
fn handover(thread: fn(&Memory, Party)) {
    model(move || {
        let memory = Arc::new(Memory(UnsafeCell::new(0)));
        let (kept, closure) = batch();
        let reader = Arc::clone(&memory);
        race([
            Box::new(move || {
                reader.read();
                closure.pass().into_iter().for_each(|block| reader.own(block));
            }),
            Box::new(move || thread(&memory, kept)),
        ]);
    });
}

#[test]
fn blocks_are_used_again_after_their_readers() {
    handover(|memory, kept| match kept.try_take() {
        Ok(block) => memory.own(block),
        // Given up in a way that promises nothing, for this model to show what
        // the look alone does.
        Err(kept) => _ = kept.abandon(),
    });
}

#[test]
fn a_batch_is_freed_by_whoever_comes_second() {
    handover(|memory, kept| kept.abandon().into_iter().for_each(|block| memory.own(block)));
}

#[test]
fn a_thread_that_looks_in_vain_may_end() {
    handover(|memory, kept| match kept.try_take() {
        Ok(block) => memory.own(block),
        Err(kept) => kept.abandon().into_iter().for_each(|block| memory.own(block)),
    });
}
