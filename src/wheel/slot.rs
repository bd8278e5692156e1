//! Read after `free_list.rs`. A slot: a chain that is pushed to and taken
//! whole, and the remainder of one that was taken, to be had in pieces.
//!
//! ```text
//!  63                  26 25          0      63                  26 25          0
//! +----------------------+-------------+    +----------------------+-------------+
//! |        round         |    head     |    |         tag          |    rest     |
//! +----------------------+-------------+    +----------------------+-------------+
//! ```
//!
//! *Why two*: a chain that is only pushed to and taken whole has no ABA, and
//! an inserter may read its round from the word that it swaps. But whoever
//! takes a chain has all of it, however long: so a long one is put into `rest`
//! at once, where every driver and sweeper may pop a few nodes at a time, and
//! one that sleeps keeps only those few. `rest` is filled only when empty, and
//! nothing is pushed to it.
//!
//! *Invariant*: a chain's start, the first tick of the slot in the chain's
//! round, is the `start` of its first node, and no node's is before that of one
//! in front of it. So what lies in a slot is due no earlier than its start, and
//! a node's own `start` says when its chain will be visited, at the latest.
//! Rounds meet in one chain only where the time went back between two calls.
//!
//! *Linearization points*: push → its CAS; take → its swap; filling and popping
//! the rest → their CAS.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | push's CAS | `Release` | take | a visitor reads a link or a start that is not written yet | `what_is_inserted_fires_once` |
//! | take's swap | `Acquire` | pushes | the same, from the other side | `a_chain_is_taken_with_what_is_in_it` |
//! | filling the rest | `Release` | popping it | a chain is followed before it is there | none of bearable size |
//! | loading and popping the rest | `Acquire` | filling it | the same, from the other side | none of bearable size |
//! | take's swap, popping the rest | `Release` too | a driver's look at the slot | it sees the nodes gone and not that somebody has them in hand | |
//! | push's load, a failed CAS | `Relaxed` | nothing | only the CAS decides | |
//!
//! *Progress*: lock-free. *Bounds*: the tag of the rest has 38 bits; head's
//! word may recur harmlessly, since an equal head is the current head. That the
//! rest needs its tag is argued, like the two orderings above: no model of
//! bearable size shows it.

use super::arena::Arena;
use super::level::Place;
use super::node::{NUMBER_BITS, Number};
use crate::sync::atomic::{AtomicU64, Ordering::*};

/// A number above, and the number of a node below.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed(u64);

impl Packed {
    const fn new(upper: u64, node: Number) -> Self {
        Self(upper << NUMBER_BITS | node as u64)
    }

    const fn upper(self) -> u64 {
        self.0 >> NUMBER_BITS
    }

    const fn node(self) -> Number {
        (self.0 & ((1 << NUMBER_BITS) - 1)) as Number
    }
}

/// Some linked nodes that only their holder knows: the first, and how many
/// are to be followed.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) first: Number,
    pub(super) len: u32,
}

/// Where a push goes if the head does not change before: onto a chain of this start,
/// and whether that is earlier than anything in it.
#[derive(Clone, Copy)]
pub(super) struct PushPoint {
    pub(super) head: HeadSnapshot,
    pub(super) start: u64,
    pub(super) is_first: bool,
}

/// A slot's head, as it was read: a push succeeds only while it still is that.
#[derive(Clone, Copy)]
pub(super) struct HeadSnapshot(Packed);

impl HeadSnapshot {
    /// The node that the next one is linked to.
    pub(super) const fn node(self) -> Number {
        self.0.node()
    }
}

#[derive(Debug)]
pub(super) struct Slot {
    head: AtomicU64,
    rest: AtomicU64,
}

/// The tag wraps within the bits it has.
fn next_tag(word: Packed) -> u64 {
    (word.upper() + 1) & (u64::MAX >> NUMBER_BITS)
}

impl Slot {
    pub(super) fn new() -> Self {
        Self { head: AtomicU64::new(0), rest: AtomicU64::new(0) }
    }

    /// Where a node for this tick would be pushed now. A chain of an earlier round
    /// is joined, since it is visited earlier; one of a later round becomes one
    /// of this round, and is visited earlier than it need be.
    pub(super) fn push_point(&self, place: Place, tick: u64) -> PushPoint {
        let seen = Packed(self.head.load(Relaxed));
        let round = place.round_of(tick);
        let is_first = seen.node() == 0 || seen.upper() > round;
        let joined = if is_first { round } else { seen.upper() };
        PushPoint { head: HeadSnapshot(seen), start: place.start(joined), is_first }
    }

    /// Pushes a node whose link leads to the node of `head`, if that still is the
    /// head.
    pub(super) fn push(
        &self,
        place: Place,
        head: HeadSnapshot,
        start: u64,
        number: Number,
    ) -> bool {
        let next = Packed::new(place.round_of(start), number);
        self.head.compare_exchange(head.0.0, next.0, Release, Relaxed).is_ok()
    }

    /// Takes the whole chain: its start and its first node.
    pub(super) fn take(&self, place: Place) -> Option<(u64, Number)> {
        if self.head.load(Relaxed) == 0 {
            return None;
        }
        let taken = Packed(self.head.swap(0, AcqRel));
        (taken.node() != 0).then(|| (place.start(taken.upper()), taken.node()))
    }

    /// Puts the caller's chain into the rest, if that is empty.
    pub(super) fn fill_rest(&self, first: Number) -> bool {
        let seen = Packed(self.rest.load(Relaxed));
        let next = Packed::new(next_tag(seen), first);
        seen.node() == 0 && self.rest.compare_exchange(seen.0, next.0, Release, Relaxed).is_ok()
    }

    /// Takes at most so many nodes of the rest.
    pub(super) fn pop_rest<T>(&self, arena: &Arena<T>, most: u32) -> Option<Chain> {
        let mut seen = Packed(self.rest.load(Acquire));
        'again: while seen.node() != 0 {
            let (mut beyond, mut len) = (seen.node(), 0);
            while len < most && beyond != 0 {
                let Some(next) = arena.get_next(beyond) else {
                    // Others have popped and reused what this walk is at.
                    seen = Packed(self.rest.load(Acquire));
                    continue 'again;
                };
                (beyond, len) = (next, len + 1);
            }
            let next = Packed::new(next_tag(seen), beyond);
            match self.rest.compare_exchange(seen.0, next.0, AcqRel, Acquire) {
                Ok(_) => return Some(Chain { first: seen.node(), len }),
                Err(now) => seen = Packed(now),
            }
        }
        None
    }

    /// The first tick at which anything in this slot may be due.
    pub(super) fn earliest<T>(&self, arena: &Arena<T>, place: Place) -> Option<u64> {
        let head = Packed(self.head.load(Acquire));
        let head = (head.node() != 0).then(|| place.start(head.upper()));
        match (head, self.start_of_rest(arena)) {
            (Some(head), Some(rest)) => Some(head.min(rest)),
            (head, rest) => head.or(rest),
        }
    }

    fn start_of_rest<T>(&self, arena: &Arena<T>) -> Option<u64> {
        let mut seen = Packed(self.rest.load(Acquire));
        while seen.node() != 0 {
            // Acquired: if it is what a later owner wrote, the rest has changed.
            let start = arena.node(seen.node()).start.load(Acquire);
            let now = Packed(self.rest.load(Acquire));
            if now == seen {
                return Some(start);
            }
            seen = now;
        }
        None
    }
}
