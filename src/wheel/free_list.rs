//! Read after `arena.rs`. The free list: nodes whose handle is gone, some of
//! them still linked in a slot.
//!
//! *Origin*: Treiber's stack (1986) with a tag against reuse.
//!
//! ```text
//!  63     62                26 25           0
//! +------+--------------------+--------------+
//! |closed|        tag         |     top      |
//! +------+--------------------+--------------+
//! ```
//!
//! *Invariant*: following `below` from `top` meets each node on the list once,
//! and `top`'s depth is their number. Every change raises the tag.
//!
//! *Linearization points*: push and pop → their CAS; an empty pop → its load.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | push's load | `Acquire` | pushes before it | it counts a depth that was not written yet | `the_last_to_leave_frees_the_shard` |
//! | push's CAS | `Release` | pop | an inserter overwrites a payload that its canceller still reads | `a_cancelled_payload_is_out_before_the_node_is_reused` |
//! | pop's load and CAS | `Acquire` | push | the same, from the other side | `a_cancelled_payload_is_out_before_the_node_is_reused` |
//! | `close`'s CAS | `AcqRel` | push after it | the last handle frees a shard that the wheel still uses | `the_last_to_leave_frees_the_shard` |
//! | push's CAS once closed | `AcqRel` | pushes before it | it frees nodes that others still read | `the_last_to_leave_frees_the_shard` |
//!
//! *Progress*: lock-free; no allocation.
//!
//! *Bounds*: the tag has 37 bits; a pop that sleeps while 2^37 others pass, an
//! hour at forty million a second, may meet an equal word by chance.

use super::arena::Arena;
use super::node::{NUMBER_BITS, Number};
use crate::sync::atomic::{AtomicU64, Ordering::*};

/// `closed:1 | tag:37 | top:26`, as drawn in the module header.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(u64);

const CLOSED: u64 = 1 << 63;
const ONE_TAG: u64 = 1 << NUMBER_BITS;
const TOP: u64 = ONE_TAG - 1;

impl Head {
    const fn top(self) -> Number {
        (self.0 & TOP) as Number
    }

    const fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    /// The next word, with this top.
    const fn changed_to(self, top: Number) -> Self {
        let tag = (self.0 & !CLOSED & !TOP).wrapping_add(ONE_TAG) & !CLOSED;
        Self(self.0 & CLOSED | tag | top as u64)
    }
}

#[derive(Debug)]
pub(super) struct FreeList {
    head: AtomicU64,
}

impl FreeList {
    pub(super) fn new() -> Self {
        Self { head: AtomicU64::new(0) }
    }

    /// Puts the caller's node on the list. True if the list is closed and has
    /// every node of the arena now: then the caller is the last who knows the
    /// shard.
    #[must_use]
    pub(super) fn push<T>(&self, arena: &Arena<T>, number: Number) -> bool {
        let node = arena.node(number);
        let mut seen = Head(self.head.load(Acquire));
        loop {
            let depth = 1 + self.depth_below(arena, seen);
            node.set_listed(depth, seen.top());
            let next = seen.changed_to(number);
            // Asked before: afterwards another handle may free the shard.
            let is_last = seen.is_closed() && depth == u64::from(arena.made());
            match self.head.compare_exchange_weak(seen.0, next.0, AcqRel, Acquire) {
                Ok(_) => return is_last,
                Err(now) => seen = Head(now),
            }
        }
    }

    /// The depth of what `seen` says is the top. Out of date if it is not any
    /// more, and then the CAS on the tag fails.
    fn depth_below<T>(&self, arena: &Arena<T>, seen: Head) -> u64 {
        match seen.top() {
            0 => 0,
            top => arena.get(top).map_or(0, |node| node.depth()),
        }
    }

    pub(super) fn pop<T>(&self, arena: &Arena<T>) -> Option<Number> {
        let mut seen = Head(self.head.load(Acquire));
        loop {
            let top = seen.top();
            if top == 0 {
                return None;
            }
            let below = arena.node(top).below();
            let next = seen.changed_to(below);
            match self.head.compare_exchange_weak(seen.0, next.0, Acquire, Acquire) {
                Ok(_) => return Some(top),
                Err(now) => seen = Head(now),
            }
        }
    }

    /// How many nodes are on the list, and what `read` says at that time.
    pub(super) fn depth_and<T, R>(&self, arena: &Arena<T>, read: impl Fn() -> R) -> (u64, R) {
        let mut seen = Head(self.head.load(Acquire));
        loop {
            let depth = self.depth_below(arena, seen);
            let value = read();
            let now = Head(self.head.load(Acquire));
            if now == seen {
                return (depth, value);
            }
            seen = now;
        }
    }

    /// From now on nothing is popped. True if every node of the arena is here
    /// already; else one push will say so.
    #[must_use]
    pub(super) fn close<T>(&self, arena: &Arena<T>) -> bool {
        let made = u64::from(arena.made());
        let mut seen = Head(self.head.load(Acquire));
        loop {
            let depth = self.depth_below(arena, seen);
            let next = Head(seen.changed_to(seen.top()).0 | CLOSED);
            match self.head.compare_exchange_weak(seen.0, next.0, AcqRel, Acquire) {
                Ok(_) => return depth == made,
                Err(now) => seen = Head(now),
            }
        }
    }
}
