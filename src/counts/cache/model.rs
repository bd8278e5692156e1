//! Read after `batch.rs`. What the models of the handover use: one batch of one
//! block.

#![allow(unsafe_code)]
#![allow(missing_docs, missing_debug_implementations, reason = "for models only")]

use std::ptr::NonNull;

use super::batch::BatchHandle;
use super::block::{Block, Class, free};
use crate::sync::heap;

/// One party's handle, or the block it came to own.
pub struct Party(BatchHandle);

pub struct Owned(Vec<Block>);

// SAFETY: the closure's handle goes to the thread that runs it.
unsafe impl Send for Party {}

pub fn batch() -> (Party, Party) {
    let class = Class::numbered(0);
    // SAFETY: a class's layout is not empty.
    let at = unsafe { heap::alloc(class.layout()) };
    let at = NonNull::new(at).expect("memory for a model");
    let (thread, closure) = BatchHandle::pair(vec![Block { at, class }]);
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
        // SAFETY: what a handle returns has passed.
        unsafe { free(Some(blocks)) };
    }
}
