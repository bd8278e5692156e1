//! Read after `lookup_key.rs` and `search.rs`. The split-ordered list: one sorted
//! lock-free list of all subjects, and buckets that are shortcuts into it.
//!
//! *Origin*: O. Shalev and N. Shavit, "Split-ordered lists: lock-free
//! extensible hash tables", JACM 53(3), 2006, over the list of T. Harris
//! (2001) as M. Michael (2002) unlinks it. Ours: a dummy lies in the bucket's
//! own slot and is claimed, so nobody waits for a bucket; a node dies by its
//! count, and one owner retires it.
//!
//! *Invariant*: links reachable from the head ascend in `order`. At most one
//! unmarked node with `count > 0` holds a given subject. A subject's permits,
//! forgotten ones included, are the `count` of that node; with none, there is
//! none. A marked link leaves the list and never comes back.
//!
//! *Linearization points*: acquire granted → the CAS of `count`, or the CAS
//! that inserts; refused → the load of a `count` at or over the limit; release
//! → the `fetch_sub`; `count` → its load of `count`, or, where the subject is
//! not met, the load of the `next` that leads past its place. An acquire from a
//! place that a lookup remembers has the same points: the CAS at an insert point
//! compares the successor, and the count of a node is read again (`lookup.rs`).
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | a link's `next`, loaded | `Acquire` | insert, unlink, mark | a search reads a node before it is written | `one_subject_comes_twice_to_an_empty_bucket` |
//! | insert's and unlink's CAS | `Release` | the load of `next` | the same, from the other side | `one_subject_comes_twice_to_an_empty_bucket` |
//! | | `Acquire` | who left in between | the place looks the same after a visit, and who enters misses what the visitor wrote | `who_enters_after_a_visit_sees_what_the_visitor_wrote` |
//! | mark's CAS | `Release` | the load of `next` | who meets the mark misses what the zero told | `a_new_entry_sees_what_the_last_holder_of_the_old_one_wrote` |
//! | a failed mark | `Acquire` | insert | the successor that is kept is not yet written | `neighbours_die_as_a_third_enters_between` |
//! | acquire's load of `count` | `Acquire` | release | who finds a zero misses what the last holder wrote | `a_new_entry_sees_what_the_last_holder_of_the_old_one_wrote` |
//! | acquire's CAS | `Acquire` | release | a holder misses what an earlier one wrote | `who_is_counted_after_a_visit_sees_what_the_visitor_wrote` |
//! | acquire's failed CAS | `Acquire` | release | as for the load, if it reads a zero | `who_is_alone_sees_what_the_last_holder_wrote` |
//! | release's `fetch_sub` | `Release` | acquire, `count` | all of these, from the other side | `an_entry_hands_over_what_its_last_holder_wrote` |
//! | the fence of the last release | `Acquire` | earlier releases | who enters anew misses what those wrote who left before | `a_new_entry_sees_what_every_leaver_wrote` |
//! | `count`'s load | `Acquire` | release | who counts one less misses what the leaver wrote | `who_counts_one_less_sees_what_the_leaver_wrote` |
//! | a dummy's `order`, tested | `Acquire` | its publication | a search starts at a `next` that is out of date, and a node is released while it is linked | `a_subject_leaves_through_a_bucket_that_it_did_not_come_through` |
//! | a dummy's publication | `Release` | the test | the same, from the other side | `a_subject_leaves_through_a_bucket_that_it_did_not_come_through` |
//! | a walk's and a lookup's load of `count`, a dummy's claim, failed CASes of `next` | `Relaxed` | nothing | a walk promises no order; a lookup only refuses; a claim hands nothing over; after a failure the search begins again | |
//!
//! *Ground rules*: equal orders form a run and inserts go to its end, so two
//! inserters of one subject meet on one CAS. A search starts at a linked dummy
//! or at an ancestor's. An acquire that meets a node at 0 marks it; a search that
//! meets a mark unlinks; nobody unlinks what is not marked. Only the thread that took
//! the count from 1 to 0 retires, after the node is surely unlinked: its own
//! CAS did it, or a search passed the node's place after the mark.
//!
//! *Progress*: release is wait-free unless it is the last of a subject; that
//! one and acquire are lock-free, but for the allocator. A refusal writes
//! nothing unless it passes a dead node or a bucket never used before.
//!
//! *Bounds*: a node is 24 bytes and the subject. A chain is about two subjects
//! long on average until the directory is at its cap. An address may come back
//! (ABA) only after every guard that could compare it is gone.
//!
//! *Who may touch it*: the map and its permits, in `map.rs`, `acquire.rs`,
//! `lookup.rs` and `permit.rs`.
//!
//! *Checked by*: `loom-tests/counts/`, `loom-tests/counts_lookup.rs` and their mutants,
//! `tests/counts_stress.rs`.

#![allow(unsafe_code)]

use std::ops::ControlFlow::{Break, Continue};

use super::directory::Geometry;
use super::link::{Link, Order};
use super::lookup_key::LookupKey;
use super::node::{NewNode, NodePtr};
use super::search::{Links, Place};
use crate::limit::Limit;
use crate::sync::atomic::{Ordering::*, fence};
use crate::sync::epoch::{self, Guard};

/// An insert that passed more links than this asks whether to grow.
const LONG_WALK: usize = 6;

/// The subject is at its limit.
pub(super) struct Full;

enum Admission {
    Granted,
    Full,
    Dead,
}

pub(super) struct List<K: 'static> {
    links: Links<K>,
}

impl<K: 'static> List<K> {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { links: Links::new(geometry) }
    }

    pub(super) fn cap_buckets(&mut self, buckets: usize) {
        self.links.directory.cap(buckets);
    }

    pub(super) fn buckets(&self) -> usize {
        self.links.directory.len()
    }

    /// Takes one more permit of the subject, unless it has `limit` of them,
    /// which is not 0.
    pub(super) fn acquire(
        &self,
        hash: u64,
        limit: Limit,
        key: &impl LookupKey<K>,
    ) -> Result<NodePtr<K>, Full> {
        self.acquire_at(None, hash, limit, key, &epoch::pin())
    }

    /// [`acquire`](Self::acquire) of the subject whose place was found under this
    /// guard. Searches for it only if there is no place or it is no longer good: the
    /// node is dead, or something else is at the insert point by now.
    // In its callers the place is in registers, or known not to be there.
    #[inline(always)]
    pub(super) fn acquire_at<'g>(
        &'g self,
        mut place: Option<Place<'g, K>>,
        hash: u64,
        limit: Limit,
        key: &impl LookupKey<K>,
        guard: &'g Guard,
    ) -> Result<NodePtr<K>, Full> {
        let mut new: Option<NewNode<K>> = None;
        loop {
            let found = match place.take() {
                Some(place) => place,
                None => self.search(hash, key, guard),
            };
            match found {
                Ok(node) => match admit(node, limit, guard) {
                    Admission::Granted => return Ok(node),
                    Admission::Full => return Err(Full),
                    Admission::Dead => _ = link_of(node, guard).mark(),
                },
                Err(point) => {
                    let order = Order::of_hash(hash);
                    let mut node = new.take().unwrap_or_else(|| key.make_node(order));
                    node.set_next(point.next);
                    if point.before.replace_next(point.next, node.as_next()).is_ok() {
                        if point.walked > LONG_WALK {
                            self.links.grow_if_dense(node.as_next(), order, guard);
                        }
                        return Ok(node.published());
                    }
                    new = Some(node);
                }
            }
        }
    }

    #[inline]
    fn search<'g>(&'g self, hash: u64, key: &impl LookupKey<K>, guard: &'g Guard) -> Place<'g, K> {
        let (start, order) = (self.links.start(hash, guard), Order::of_hash(hash));
        self.links.search(start, order, |node| key.is_in(node), guard)
    }

    /// Where the subject is or would be. Writes nothing, unless its bucket was
    /// never used before.
    #[inline]
    pub(super) fn look<'g>(
        &'g self,
        hash: u64,
        key: &impl LookupKey<K>,
        guard: &'g Guard,
    ) -> Place<'g, K> {
        let (start, order) = (self.links.start(hash, guard), Order::of_hash(hash));
        self.links.look(start, order, |node| key.is_in(node), guard)
    }

    /// Gives one permit back.
    ///
    /// # Safety
    ///
    /// The node came from `acquire` of this list, and this is called at most
    /// once for each time it did.
    pub(super) unsafe fn release(&self, node: NodePtr<K>) {
        // SAFETY: the permit that goes here keeps the count over 0, and a node
        // with a count is not released.
        let count = unsafe { node.get() }.count();
        if count.fetch_sub(1, Release) == 1 {
            fence(Acquire);
            self.take_out(node);
        }
    }

    /// Takes out and retires a node whose count the caller took to 0. Nobody
    /// else retires it, so it is there, guard or not, until this does.
    #[cold]
    fn take_out(&self, node: NodePtr<K>) {
        // SAFETY: the caller's to retire.
        let link = unsafe { node.get() }.link();
        let next = link.mark();
        let order = link.order();
        let dummy =
            self.links.directory.bucket(order.hash() as usize & (self.links.directory.len() - 1));
        // The first of its chain needs no search, and with that no guard: it
        // stands between a dummy and a pointer that is only copied. Behind a
        // dummy that is not linked yet, nothing is the first.
        let first = dummy.is_linked() && dummy.next() == node.as_next();
        if !first || dummy.replace_next(node.as_next(), next).is_err() {
            let guard = &epoch::pin();
            _ = self.links.search(self.links.start(order.hash(), guard), order, |_| false, guard);
        }
        // SAFETY: no longer reachable from the list: either this thread's CAS
        // unlinked it, or the search, begun after the mark, passed its place.
        // So who still reaches it has a guard that exists now. Nobody else
        // retires it. A subject is `Send`, or it would not be in.
        unsafe { node.retire() };
    }

    /// The permits of the subject, 0 if it is not there.
    pub(super) fn count(&self, hash: u64, key: &impl LookupKey<K>) -> u32 {
        let guard = &epoch::pin();
        self.look(hash, key, guard).map_or(0, |node| {
            // A dead node's 0 is an answer: no new one of its subject was there
            // while this look could still reach it.
            // SAFETY: reachable under `guard`.
            unsafe { node.get() }.count().load(Acquire)
        })
    }

    /// The permits of the subject whose place was found under this guard, in no
    /// order with what their holders do.
    pub(super) fn count_at<'g>(&self, place: &Place<'g, K>, _guard: &'g Guard) -> u32 {
        // SAFETY: reachable under the guard.
        place.as_ref().map_or(0, |node| unsafe { node.get() }.count().load(Relaxed))
    }

    /// Calls `visit` with each subject that is held and how many permits it
    /// has, each subject at most once. The list may change meanwhile: who is
    /// there from the start of the call to its end is visited.
    pub(super) fn each(
        &self,
        mut visit: impl FnMut(NodePtr<K>, u32),
        same: impl Fn(NodePtr<K>, NodePtr<K>) -> bool,
    ) {
        let mut guard = epoch::pin();
        let mut dummy = self.links.directory.head();
        // The nodes of one order visited so far: a subject that dies and comes
        // back during the walk comes back in the same run.
        let mut run: Vec<NodePtr<K>> = Vec::new();
        let mut run_order = dummy.order();
        // Dummies stay for ever, so at each the guard may be renewed, and a
        // long walk does not hold up the reclaimer.
        loop {
            let mut next_dummy = None;
            self.links.walk(dummy, &guard, |link, this| {
                // SAFETY: `this` led to a link of the list under `guard`.
                let Some(node) = (unsafe { this.node::<K>() }) else {
                    next_dummy = Some(this);
                    return Break(());
                };
                // SAFETY: reachable under `guard`.
                let count = unsafe { node.get() }.count().load(Relaxed);
                if link.order() != run_order {
                    run.clear();
                    run_order = link.order();
                }
                if count > 0 && !run.iter().any(|&earlier| same(earlier, node)) {
                    run.push(node);
                    visit(node, count);
                }
                Continue(())
            });
            // SAFETY: dummies live as long as the directory.
            let Some(next) = next_dummy.and_then(|next| unsafe { next.link() }) else { return };
            dummy = next;
            run.clear();
            guard.repin();
        }
    }

    /// Doubles the directory, whatever its density.
    #[cfg(feature = "loom")]
    pub(super) fn grow(&self) {
        self.links.directory.grow_from(self.links.directory.len());
    }

    /// The nodes that are in the list, dead ones included.
    #[cfg(feature = "loom")]
    pub(super) fn nodes(&self) -> usize {
        let (guard, mut nodes) = (epoch::pin(), 0);
        self.links.walk(self.links.directory.head(), &guard, |link, _| {
            nodes += usize::from(link.order().is_item());
            Continue(())
        });
        nodes
    }
}

impl<K: 'static> Drop for List<K> {
    /// Releases what forgotten permits left behind. Every other permit is gone,
    /// so every other node was retired, and unlinked before that.
    fn drop(&mut self) {
        let mut this = self.links.directory.head().next();
        // SAFETY: `&mut self`: nobody else can reach the list.
        while let Some(link) = unsafe { this.link() } {
            let next = link.next();
            // SAFETY: as above; a linked node has not been retired, so this is
            // its only release.
            unsafe {
                if let Some(node) = this.node::<K>() {
                    node.release();
                }
            }
            this = next;
        }
    }
}

/// Takes one more permit, unless there are `limit`, or the node is dead.
fn admit<K: 'static>(node: NodePtr<K>, limit: Limit, _guard: &Guard) -> Admission {
    // SAFETY: reachable under the guard.
    let count = unsafe { node.get() }.count();
    let mut seen = count.load(Acquire);
    loop {
        if seen == 0 {
            return Admission::Dead;
        }
        if seen >= limit.most() {
            return Admission::Full;
        }
        match count.compare_exchange_weak(seen, seen + 1, Acquire, Acquire) {
            Ok(_) => return Admission::Granted,
            Err(now) => seen = now,
        }
    }
}

fn link_of<K: 'static>(node: NodePtr<K>, _guard: &Guard) -> &Link {
    // SAFETY: reachable under the guard.
    unsafe { node.get() }.link()
}
