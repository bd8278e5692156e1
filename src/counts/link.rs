//! Read after `limit.rs`. What the list is made of: links, tagged pointers to
//! links, and the places that they stand at.
//!
//! ```text
//!  link:  next | order          a bucket's dummy is only this, 16 bytes
//!
//!  next   pointer, bit 0 = mark: this link is dead, its next is frozen
//!  order  the place in the list, ascending
//!         bit 0   1 in a node, 0 in a dummy: a dummy comes before its nodes
//!         bit 1   1 in a node; in a dummy: linked, so that a search may start here
//!         others  the bits of the hash or of the bucket's number, reversed
//! ```
//!
//! *Invariant*: a link's `order` never changes once it is published; its `next`
//! never changes once marked.
//!
//! *Memory orderings*: in `list.rs`, whose words these are.
//!
//! *Who may touch it*: `search.rs` and `list.rs` publish, mark and unlink.
//!
//! *Checked by*: the counts models.

#![allow(unsafe_code)]

use std::ptr;

use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*, load_settled};

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

    /// The link of a node that is not in the list yet.
    pub(super) fn item(order: Order) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), order: AtomicU64::new(order.0) }
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

    /// [`set_next`](Self::set_next) of a link that nobody else can reach: it is
    /// written as a value, by no atomic operation.
    pub(super) fn init_next(&mut self, next: Next) {
        self.next = AtomicPtr::new(next.0);
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

    /// To the link that an element of the list starts with. The pointer may
    /// reach the whole element.
    pub(super) const fn to_element(link: *mut Link) -> Self {
        Self(link)
    }

    /// Where the element starts, null at the end of the list.
    pub(super) fn element(self) -> *mut Link {
        self.unmarked().0
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
}
