//! Read after `key.rs`. What the list is made of: links, tagged pointers to
//! links, and the nodes that start with a link and hold one subject each.
//!
//! ```text
//!  link:  next | order          a bucket's dummy is only this, 16 bytes
//!  node:  next | order | count | len | subject
//!
//!  next   pointer, bit 0 = mark: this link is dead, its next is frozen
//!  order  the place in the list, ascending
//!         bit 0   1 in a node, 0 in a dummy: a dummy comes before its nodes
//!         bit 1   1 in a node; in a dummy: linked, so that a search may start here
//!         others  the bits of the hash or of the bucket's number, reversed
//!  count  permits of the subject; 0 = dead for ever
//!  len    bytes of a subject that is stored inline
//! ```
//!
//! *Invariant*: a node's `order`, `len` and subject never change once it is
//! published; its `next` never changes once marked; its `count` never changes
//! once 0.
//!
//! *Who may touch it*: `list.rs` publishes, marks and unlinks; the one thread
//! that takes `count` from 1 to 0 retires, in `list.rs` too; memory is taken
//! and given back here only.
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
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*, load_settled};
use crate::sync::epoch;

/// A place in the list, as drawn in the module header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Order(u64);

impl Order {
    const ITEM: u64 = 1;
    const LINKED: u64 = 2;

    /// The place of a subject with this hash. Two hashes that differ in their
    /// top two bits only share it, as equal hashes do.
    pub(super) const fn of_hash(hash: u64) -> Self {
        Self(hash.reverse_bits() | Self::LINKED | Self::ITEM)
    }

    /// The place of a bucket's dummy.
    pub(super) const fn of_bucket(bucket: usize) -> Self {
        Self((bucket as u64).reverse_bits() | Self::LINKED)
    }

    /// The place `position / 2^64` of the way through the list.
    pub(super) const fn at(position: u64) -> Self {
        Self(position | Self::LINKED)
    }

    /// A hash of this place; its low bits are those of every such hash.
    pub(super) const fn hash(self) -> u64 {
        self.0.reverse_bits()
    }

    pub(super) const fn is_item(self) -> bool {
        self.0 & Self::ITEM != 0
    }
}

/// What every element of the list starts with, and all that a dummy is.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Link {
    next: AtomicPtr<Link>,
    order: AtomicU64,
}

impl Link {
    /// A dummy that nobody has claimed: all bytes zero.
    pub(super) fn raw() -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), order: AtomicU64::new(0) }
    }

    /// The dummy of bucket 0, the head of the list.
    pub(super) fn head() -> Self {
        let order = AtomicU64::new(Order::of_bucket(0).0);
        Self { next: AtomicPtr::new(ptr::null_mut()), order }
    }

    /// The place of a link met in the list.
    pub(super) fn order(&self) -> Order {
        Order(load_settled(&self.order) | Order::LINKED)
    }

    /// May a search start at this dummy?
    pub(super) fn is_linked(&self) -> bool {
        self.order.load(Acquire) & Order::LINKED != 0
    }

    /// Claims a raw dummy: whoever succeeds links it, alone.
    pub(super) fn claim(&self, bucket: usize) -> bool {
        let claimed = Order::of_bucket(bucket).0 & !Order::LINKED;
        self.order.load(Relaxed) == 0
            && self.order.compare_exchange(0, claimed, Relaxed, Relaxed).is_ok()
    }

    /// Lets searches start at this dummy, which the caller claimed and linked.
    pub(super) fn publish(&self, bucket: usize) {
        self.order.store(Order::of_bucket(bucket).0, Release);
    }

    pub(super) fn next(&self) -> Next {
        Next(self.next.load(Acquire))
    }

    /// Sets the successor of a link that only the caller can reach through
    /// `next`: a dummy it claimed, or a node it has not published.
    pub(super) fn set_next(&self, next: Next) {
        self.next.store(next.0, Relaxed);
    }

    /// Replaces an unmarked successor: how a link is inserted and unlinked.
    pub(super) fn replace_next(&self, current: Next, new: Next) -> Result<(), ()> {
        match self.next.compare_exchange(current.0, new.0, AcqRel, Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => Err(()),
        }
    }

    /// Marks this link dead and returns its successor, which is final.
    pub(super) fn mark(&self) -> Next {
        let mut next = self.next();
        while !next.is_marked() {
            match self.next.compare_exchange(next.0, next.marked().0, Release, Acquire) {
                Ok(_) => return next,
                Err(now) => next = Next(now),
            }
        }
        next.unmarked()
    }
}

/// A pointer to a link or to nothing, and the mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Next(*mut Link);

impl Next {
    const MARK: usize = 1;

    pub(super) fn to(link: &Link) -> Self {
        Self(ptr::from_ref(link).cast_mut())
    }

    pub(super) fn is_marked(self) -> bool {
        self.0.addr() & Self::MARK != 0
    }

    /// A number that depends on the address and on `order`, evenly spread.
    pub(super) fn scatter(self, order: Order) -> u64 {
        (self.0.addr() as u64 ^ order.0).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn marked(self) -> Self {
        Self(self.0.map_addr(|address| address | Self::MARK))
    }

    pub(super) fn unmarked(self) -> Self {
        Self(self.0.map_addr(|address| address & !Self::MARK))
    }

    /// The link, or `None` at the end of the list.
    ///
    /// # Safety
    ///
    /// Read from a link of the list under a guard that lives for `'g`, or
    /// while nobody else can reach the list.
    pub(super) unsafe fn link<'g>(self) -> Option<&'g Link> {
        // SAFETY: unmarked, it is null or points to a link, which the guard of
        // the caller keeps from being released.
        unsafe { self.unmarked().0.as_ref() }
    }

    /// The node, if this leads to one and not to a dummy or the end.
    ///
    /// # Safety
    ///
    /// As for [`link`](Self::link), and the list holds subjects of type `K`.
    pub(super) unsafe fn node<K: 'static>(self) -> Option<NodePtr<K>> {
        // SAFETY: this function's contract.
        let link = unsafe { self.link() }?;
        let node = NonNull::new(self.unmarked().0.cast::<Node>())?;
        link.order().is_item().then_some(NodePtr { node, subject: PhantomData })
    }
}

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
        // SAFETY: nodes are created whole by `New`, and not released now by
        // this function's contract.
        unsafe { self.node.as_ref() }
    }

    pub(super) fn as_next(self) -> Next {
        Next(self.node.as_ptr().cast())
    }

    /// The subject of a node whose type is stored inline.
    ///
    /// # Safety
    ///
    /// As for [`get`](Self::get), and `is_inline::<K>()`.
    pub(super) unsafe fn bytes<'g>(self) -> &'g [u8] {
        debug_assert!(is_inline::<K>());
        // SAFETY: by this function's contract the node is whole and its
        // subject is the `len` bytes that `New::inline` wrote. The pointer
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
        // subject is the value that `New::value` wrote.
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
            // SAFETY: by this function's contract, and `New` allocated it so.
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
pub(super) struct New<K: 'static>(NodePtr<K>);

impl<K: 'static> New<K> {
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
        let link = Link { next: AtomicPtr::new(ptr::null_mut()), order: AtomicU64::new(order.0) };
        // SAFETY: freshly allocated with room and alignment for a `Node`.
        unsafe { node.write(Node { link, count: AtomicU32::new(1), len }) };
        NodePtr { node, subject: PhantomData }
    }

    pub(super) fn set_next(&mut self, next: Next) {
        // SAFETY: `self` owns the node. Written as a value, since nobody else
        // can reach it: no atomic operation.
        unsafe { (*self.0.node.as_ptr()).link.next = AtomicPtr::new(next.0) };
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

impl<K: 'static> Drop for New<K> {
    fn drop(&mut self) {
        // SAFETY: never published, so nobody else has reached the node.
        unsafe { self.0.release() };
    }
}
