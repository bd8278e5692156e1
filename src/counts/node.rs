//! Read after `key.rs`, `link.rs` and `cache/mod.rs`. The nodes: each starts
//! with a link and holds one subject.
//!
//! ```text
//!  node:  next | order | count | len | subject
//!
//!  next, order  the link, as in `link.rs`
//!  count        permits of the subject; 0 = dead for ever
//!  len          bytes of a subject that is stored inline
//! ```
//!
//! *Invariant*: a node's `len` and subject never change once it is published;
//! its `count` never changes once 0.
//!
//! *Memory orderings*: in `list.rs`, whose words these are.
//!
//! *Who may touch it*: `list.rs` publishes a node and counts in it; the one
//! thread that takes `count` from 1 to 0 retires, in `list.rs` too; memory is
//! taken and given back here only.
//!
//! *Checked by*: the counts models, whose memory is under quarantine;
//! `tests/counts_stress.rs`, also under AddressSanitizer.

#![allow(unsafe_code)]

use std::alloc::{Layout, handle_alloc_error};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use super::cache;
use super::key::is_inline;
use super::link::{Link, Next, Order};
use crate::sync::atomic::AtomicU32;
use crate::sync::epoch;

/// The part of a node that does not depend on the subject's type; the subject
/// follows it in the same block.
#[repr(C)]
pub(super) struct Node {
    link: Link,
    count: AtomicU32,
    len: u32,
}

/// A pointer to a node that holds a subject of type `K`: its bytes if `K` is
/// one of the types stored inline, else the value.
pub(super) struct NodePtr<K> {
    node: NonNull<Node>,
    subject: PhantomData<*mut K>,
}

impl Next {
    /// The node, if this leads to one and not to a dummy or the end.
    ///
    /// # Safety
    ///
    /// As for [`link`](Self::link), and the list holds subjects of type `K`.
    pub(super) unsafe fn node<K: 'static>(self) -> Option<NodePtr<K>> {
        // SAFETY: this function's contract.
        let link = unsafe { self.link() }?;
        let node = NonNull::new(self.element().cast::<Node>())?;
        link.order().is_item().then_some(NodePtr { node, subject: PhantomData })
    }
}

impl<K> Clone for NodePtr<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for NodePtr<K> {}

impl<K> PartialEq for NodePtr<K> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// The whole block's layout, and where in it the subject starts.
fn layout<K: 'static>(len: usize) -> (Layout, usize) {
    let subject = match is_inline::<K>() {
        true => Layout::array::<u8>(len),
        false => Ok(Layout::new::<K>()),
    };
    let (block, at) = subject
        .and_then(|subject| Layout::new::<Node>().extend(subject))
        .expect("a subject fits in memory together with 24 bytes");
    (block.pad_to_align(), at)
}

impl<K: 'static> NodePtr<K> {
    /// The node without its subject.
    ///
    /// # Safety
    ///
    /// The node is not released during `'g`: the caller holds a permit of it or
    /// a guard under which it was reachable, or owns it.
    pub(super) unsafe fn get<'g>(self) -> &'g Node {
        // SAFETY: nodes are created whole by `NewNode`, and not released now by
        // this function's contract.
        unsafe { self.node.as_ref() }
    }

    pub(super) fn as_next(self) -> Next {
        Next::to_element(self.node.as_ptr().cast())
    }

    /// The subject of a node whose type is stored inline.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get), and `is_inline::<K>()`.
    pub(super) unsafe fn bytes<'g>(self) -> &'g [u8] {
        debug_assert!(is_inline::<K>());
        // SAFETY: by this function's contract the node is whole and its
        // subject is the `len` bytes that `NewNode::inline` wrote. The pointer
        // comes from the allocation, so it may reach all of the block.
        unsafe {
            let len = self.get().len as usize;
            std::slice::from_raw_parts(self.subject().cast_const(), len)
        }
    }

    /// The subject of a node whose type is stored as a value.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get), and not `is_inline::<K>()`.
    pub(super) unsafe fn value<'g>(self) -> &'g K {
        debug_assert!(!is_inline::<K>());
        // SAFETY: by this function's contract the node is whole and its
        // subject is the value that `NewNode::value` wrote.
        unsafe { &*self.subject().cast::<K>() }
    }

    /// # Safety
    ///
    /// As for [`get`](Self::get).
    unsafe fn subject(self) -> *mut u8 {
        // SAFETY: by this function's contract the node is whole.
        let (_, at) = layout::<K>(unsafe { self.get() }.len as usize);
        // SAFETY: `layout` is the one the block was allocated with, in which
        // the subject starts at `at`.
        unsafe { self.node.as_ptr().cast::<u8>().add(at) }
    }

    /// Releases the node when every guard that exists now is gone.
    ///
    /// # Safety
    ///
    /// Only guards that exist now may still reach the node, and this is called
    /// once. `K` may be dropped on any thread.
    pub(super) unsafe fn retire(self) {
        // With no subject to drop, memory is all that there is to release.
        // Models watch each node go by itself.
        #[cfg(not(feature = "loom"))]
        if is_inline::<K>() || !std::mem::needs_drop::<K>() {
            // SAFETY: by this function's contract; whole until it passed.
            let (layout, _) = layout::<K>(unsafe { self.get() }.len as usize);
            // SAFETY: by this function's contract, and `NewNode` allocated it so.
            return unsafe { cache::retire(self.node.cast(), layout) };
        }
        // SAFETY: by this function's contract nobody can reach the node when
        // the closure runs.
        unsafe { epoch::pin().defer_unchecked(move || self.release()) };
    }

    /// Drops the subject and gives the memory back. A panic of the subject's
    /// own `Drop` ends here: this may run on any thread, at any pin.
    ///
    /// # Safety
    ///
    /// Nobody can reach the node any more, and this is called once.
    pub(super) unsafe fn release(self) {
        // SAFETY: the node is whole until the end of this function, which by
        // its contract is alone with it. A value is dropped once, here.
        unsafe {
            let (layout, _) = layout::<K>(self.get().len as usize);
            if !is_inline::<K>() && std::mem::needs_drop::<K>() {
                let subject = self.subject().cast::<K>();
                let dropped = catch_unwind(AssertUnwindSafe(|| ptr::drop_in_place(subject)));
                if let Err(payload) = dropped {
                    // The payload's drop is user code too. What that panics
                    // with is left where it is: somewhere this has to end.
                    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
                }
            }
            ptr::drop_in_place(self.node.as_ptr());
            cache::dealloc(self.node.as_ptr().cast(), layout);
        }
    }
}

impl Node {
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn count(&self) -> &AtomicU32 {
        &self.count
    }
}

/// A node that is not in the list yet, with a count of 1; dropping it releases
/// it.
pub(super) struct NewNode<K: 'static>(NodePtr<K>);

impl<K: 'static> NewNode<K> {
    /// A node for a type that is stored inline, whose bytes these are.
    pub(super) fn inline(order: Order, bytes: &[u8]) -> Self {
        assert!(is_inline::<K>());
        let len = u32::try_from(bytes.len()).expect("subjects are bounded far below 4 GiB");
        let node = Self::allocate(order, len);
        // SAFETY: the block has room for `bytes.len()` bytes at its subject,
        // nobody else knows it, and any bytes are valid bytes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), node.subject(), bytes.len()) };
        Self(node)
    }

    /// A node for a type that is stored as it is.
    pub(super) fn value(order: Order, subject: K) -> Self {
        assert!(!is_inline::<K>());
        let node = Self::allocate(order, 0);
        // SAFETY: the block has room for a `K` at its subject, aligned for it,
        // and nobody else knows it.
        unsafe { node.subject().cast::<K>().write(subject) };
        Self(node)
    }

    /// A block with everything but the subject written.
    fn allocate(order: Order, len: u32) -> NodePtr<K> {
        let (layout, _) = layout::<K>(len as usize);
        // SAFETY: the layout holds a `Node`, so it is not empty.
        let block = unsafe { cache::alloc(layout) };
        let Some(node) = NonNull::new(block.cast::<Node>()) else { handle_alloc_error(layout) };
        // SAFETY: freshly allocated with room and alignment for a `Node`.
        unsafe { node.write(Node { link: Link::item(order), count: AtomicU32::new(1), len }) };
        NodePtr { node, subject: PhantomData }
    }

    pub(super) fn set_next(&mut self, next: Next) {
        // SAFETY: `self` owns the node, and nobody else can reach it.
        unsafe { (*self.0.node.as_ptr()).link.init_next(next) };
    }

    pub(super) fn as_next(&self) -> Next {
        self.0.as_next()
    }

    /// The node now belongs to the list.
    pub(super) fn published(self) -> NodePtr<K> {
        let node = self.0;
        std::mem::forget(self);
        node
    }
}

impl<K: 'static> Drop for NewNode<K> {
    fn drop(&mut self) {
        // SAFETY: never published, so nobody else has reached the node.
        unsafe { self.0.release() };
    }
}
