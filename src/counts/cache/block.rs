//! Read first of `cache`. Blocks of memory by classes of size.

#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::NonNull;

use crate::sync::heap;

/// Blocks of one size: multiples of 16 bytes, from 32 to 144.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class(u8);

#[cfg_attr(feature = "loom", allow(dead_code, reason = "models do without the cache itself"))]
impl Class {
    pub(super) const COUNT: usize = 8;

    /// The smallest class that serves a layout, if one does.
    #[inline]
    pub(super) fn of(layout: Layout) -> Option<Self> {
        let class = layout.size().div_ceil(16).saturating_sub(2);
        (layout.align() <= 8 && class < Self::COUNT).then_some(Self(class as u8))
    }

    /// The class of a number below `COUNT`.
    #[inline]
    pub(super) const fn numbered(number: usize) -> Self {
        Self(number as u8)
    }

    /// Below `COUNT`.
    #[inline]
    pub(super) fn number(self) -> usize {
        usize::from(self.0)
    }

    #[inline]
    pub(super) fn layout(self) -> Layout {
        Layout::from_size_align(16 * (self.number() + 2), 8).expect("small and aligned")
    }
}

/// Memory that nobody uses, or will use once its batch has passed.
pub(super) struct Block {
    pub(super) at: NonNull<u8>,
    pub(super) class: Class,
}

impl Block {
    /// # Safety
    ///
    /// The block was allocated with its class's layout and nobody uses it any
    /// more.
    pub(super) unsafe fn free(self) {
        // SAFETY: this function's contract.
        unsafe { heap::dealloc(self.at.as_ptr(), self.class.layout()) };
    }
}

/// Frees the blocks of a batch that has passed.
///
/// # Safety
///
/// The batch has passed, so nobody uses the blocks.
pub(super) unsafe fn free(blocks: Option<Vec<Block>>) {
    for block in blocks.into_iter().flatten() {
        // SAFETY: this function's contract; blocks come from `alloc`.
        unsafe { block.free() };
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
}
