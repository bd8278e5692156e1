//! Read after `directory.rs` and `node.rs`. How a place in the list is found:
//! searches, looks and walks, the dummies that they start from, and when to have
//! more of those.
//!
//! *Ground rules*: a search starts at a linked dummy or at an ancestor's, and
//! unlinks what is marked on its way. A look finds what a search finds, and a
//! walk visits all; neither changes anything.
//!
//! *Invariant, linearization points, orderings, progress*: in `list.rs`, whose
//! steps these are.
//!
//! *Who may touch it*: `list.rs` only.
//!
//! *Checked by*: what checks `list.rs`.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::ControlFlow::{self, Break, Continue};

use super::directory::{Directory, Geometry};
use super::link::{Link, Next, Order};
use super::node::NodePtr;
use crate::sync::epoch::Guard;

/// Growth looks at a stretch of this many buckets ...
const SAMPLED_BUCKETS: usize = 16;

/// ... and happens if more subjects than this lie there for each.
const MOST_PER_BUCKET: usize = 2;

/// The links of all subjects and of all buckets, in one order.
pub(super) struct Links<K: 'static> {
    pub(super) directory: Directory,
    subjects: PhantomData<*mut K>,
}

// SAFETY: the list owns its directory and its subjects, hands the subjects and
// references to them to any thread, and has no state tied to a thread.
unsafe impl<K: Send + Sync> Send for Links<K> {}
// SAFETY: as above.
unsafe impl<K: Send + Sync> Sync for Links<K> {}

/// Where a search or a look ended, and a new node is inserted: between `before`, the
/// last link up to the order searched for that is not marked, and `next`, the first
/// link beyond that order. A CAS of `before`'s successor from `next` to a new node
/// inserts it at the end of the run of that order, however long ago the point was
/// found: if it succeeds, `before` is in the list and `next` is next to it.
pub(super) struct InsertPoint<'g> {
    pub(super) before: &'g Link,
    pub(super) next: Next,
    pub(super) walked: usize,
}

/// What a search or a look found: the node, which may be dead, or the point at
/// which to insert it. Good for as long as the guard lives.
pub(super) type Place<'g, K> = Result<NodePtr<K>, InsertPoint<'g>>;

impl<K: 'static> Links<K> {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { directory: Directory::new(geometry), subjects: PhantomData }
    }

    /// Searches from `start`, a linked dummy at or before `order`, for a node
    /// of that order that `is_it`, unlinking what is marked on the way, or else
    /// for the insert point at the end of the run.
    pub(super) fn search<'g>(
        &self,
        start: &'g Link,
        order: Order,
        is_it: impl Fn(NodePtr<K>) -> bool,
        _guard: &'g Guard,
    ) -> Place<'g, K> {
        'again: loop {
            let mut before = start;
            let mut this = start.next();
            let mut walked = 0;
            // SAFETY: read from a link of the list under the guard.
            while let Some(link) = unsafe { this.link::<'g>() } {
                if link.order() > order {
                    break;
                }
                let next = link.next();
                if next.is_marked() {
                    if before.replace_next(this, next.unmarked()).is_err() {
                        continue 'again;
                    }
                    this = next.unmarked();
                    continue;
                }
                if link.order() == order {
                    // SAFETY: as above.
                    let node = unsafe { this.node::<K>() };
                    if let Some(node) = node.filter(|&node| is_it(node)) {
                        return Ok(node);
                    }
                }
                walked += 1;
                (before, this) = (link, next);
            }
            return Err(InsertPoint { before, next: this, walked });
        }
    }

    /// Looks from `start` as [`search`](Self::search) does, but changes nothing:
    /// it passes by what is marked. Where it did so just before the insert point, no
    /// CAS there succeeds until somebody has unlinked that.
    pub(super) fn look<'g>(
        &self,
        start: &'g Link,
        order: Order,
        is_it: impl Fn(NodePtr<K>) -> bool,
        _guard: &'g Guard,
    ) -> Place<'g, K> {
        let mut point = InsertPoint { before: start, next: start.next(), walked: 0 };
        // SAFETY: read from a link of the list under the guard, or from a marked
        // one, as in `walk`.
        while let Some(link) = unsafe { point.next.link::<'g>() } {
            if link.order() > order {
                break;
            }
            if link.order() == order {
                // SAFETY: as above.
                let node = unsafe { point.next.node::<K>() };
                if let Some(node) = node.filter(|&node| is_it(node)) {
                    return Ok(node);
                }
            }
            let next = link.next();
            if !next.is_marked() {
                point.before = link;
                point.walked += 1;
            }
            point.next = next.unmarked();
        }
        Err(point)
    }

    /// Visits the links after `start` in order, dead ones too, changing nothing.
    pub(super) fn walk<'g>(
        &self,
        start: &'g Link,
        _guard: &'g Guard,
        mut visit: impl FnMut(&'g Link, Next) -> ControlFlow<()>,
    ) {
        let mut this = start.next().unmarked();
        // SAFETY: read from a link of the list under the guard. A marked link
        // leads on too: its successor was still in the list when it left, so
        // was not retired before this guard was made.
        while let Some(link) = unsafe { this.link::<'g>() } {
            if visit(link, this).is_break() {
                break;
            }
            this = link.next().unmarked();
        }
    }

    /// A linked dummy at or before the place of `hash`: its bucket's, if it can
    /// be used or made usable without waiting, else an ancestor's.
    pub(super) fn start<'g>(&'g self, hash: u64, guard: &'g Guard) -> &'g Link {
        let mut bucket = hash as usize & (self.directory.len() - 1);
        loop {
            let dummy = self.directory.bucket(bucket);
            if dummy.is_linked() {
                return dummy;
            }
            if dummy.claim(bucket) {
                self.link_dummy(dummy, bucket, guard);
                return dummy;
            }
            // Somebody else is linking it. Bucket 0 is linked from the start.
            bucket = parent(bucket);
        }
    }

    /// Links a dummy that this thread has claimed.
    #[cold]
    fn link_dummy(&self, dummy: &Link, bucket: usize, guard: &Guard) {
        let order = Order::of_bucket(bucket);
        loop {
            let start = self.start(parent(bucket) as u64, guard);
            let Err(point) = self.search(start, order, |_| false, guard) else { unreachable!() };
            dummy.set_next(point.next);
            if point.before.replace_next(point.next, Next::to(dummy)).is_ok() {
                return dummy.publish(bucket);
            }
        }
    }

    /// Doubles the directory if a stretch of the list is dense. The place
    /// depends on a hash and an address, so that a crowd in one place, of
    /// subjects with equal hashes say, does not look like a full map.
    #[cold]
    pub(super) fn grow_if_dense(&self, node: Next, order: Order, guard: &Guard) {
        let buckets = self.directory.len();
        if buckets >= self.directory.most() {
            return;
        }
        let stretch = SAMPLED_BUCKETS.min(buckets);
        // Fits: `buckets / stretch` is 1, so `all` of the list, or at least 2.
        let (first, last) = match (buckets / stretch).ilog2() {
            0 => (0, u64::MAX),
            stretches => {
                let first = node.scatter(order) & !(u64::MAX >> stretches);
                (first, first | u64::MAX >> stretches)
            }
        };
        let (mut steps, mut found) = (0, 0);
        self.walk(self.start(Order::at(first).hash(), guard), guard, |link, _| {
            steps += 1;
            let inside = Order::at(first) <= link.order() && link.order() <= Order::at(last);
            found += usize::from(inside && link.order().is_item());
            match link.order() > Order::at(last)
                || found > MOST_PER_BUCKET * stretch
                || steps > 16 * stretch
            {
                true => Break(()),
                false => Continue(()),
            }
        });
        if found > MOST_PER_BUCKET * stretch {
            self.directory.grow_from(buckets);
        }
    }
}

/// The bucket of which `bucket`, not 0, is split off.
const fn parent(bucket: usize) -> usize {
    bucket & !(1 << bucket.ilog2())
}
