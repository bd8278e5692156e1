//! Read after `word.rs`. A node: one timer's memory, 44 bytes with a payload
//! of eight. Nodes are named by a 26-bit number, 0 for none, and never move. They
//! lie in pairs, so that the links of two fill one word:
//!
//! ```text
//!  0                          40                         80     84     88
//! +------+------+-------+-------+---------+-------- ... +------+------+
//! | word | idle | fixed | start | payload |  the other  | next | next |
//! +------+------+-------+-------+---------+-------- ... +------+------+
//! ```
//!
//! A touch needs the first two, a visit the first four.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `word` | everybody, by the rules of `word.rs` | everybody |
//! | `start` | the owner of the link, before a CAS on `word` | an inserter who wants to adopt the node |
//! | `next` | the owner of the link, before it pushes | whoever takes the link |
//! | `idle` | the inserter, before the word is `Live` | the handle, a visitor |
//! | the same: `depth`, `below` | the owner of the node, before it pushes it on the free list | whoever pops or pushes |
//! | `fixed` | the inserter, before the word is `Live`; a handle, before a CAS on `word` | the handle, a visitor |
//! | `payload` | the inserter, before the word is `Live` | who made it `Cancelled` or `Fired` |

use std::fmt;
use std::mem::MaybeUninit;

use super::deadline::Fixed;
use super::word::Word;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::cell::UnsafeCell;

/// The number of a node; 0 is none.
pub(super) type Number = u32;

/// Bits of a node's number.
pub(super) const NUMBER_BITS: u32 = 26;

/// A timer of a wheel, by its place: the timer that is there, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    pub(super) shard: u32,
    pub(super) number: Number,
}

impl TimerId {
    pub(crate) const fn new(shard: u32, number: Number) -> Self {
        Self { shard, number }
    }

    pub(crate) const fn shard(self) -> u32 {
        self.shard
    }

    pub(crate) const fn number(self) -> Number {
        self.number
    }

    /// There are at most 64 shards.
    pub(super) const fn bits(self) -> u32 {
        self.shard << NUMBER_BITS | self.number
    }

    pub(super) const fn of_bits(bits: u32) -> Self {
        Self { shard: bits >> NUMBER_BITS, number: bits & ((1 << NUMBER_BITS) - 1) }
    }
}

/// All bytes zero is a free node.
#[repr(C)]
pub(super) struct Node<T> {
    pub(super) word: AtomicU64,
    /// The idle time; on the free list `depth:32 | below:32`.
    idle_or_listed: AtomicU64,
    fixed: AtomicU64,
    pub(super) start: AtomicU64,
    payload: UnsafeCell<MaybeUninit<T>>,
}

impl<T> Node<T> {
    fn zero() -> Self {
        Self {
            word: AtomicU64::new(Word::FREE.0),
            idle_or_listed: AtomicU64::new(0),
            fixed: AtomicU64::new(0),
            start: AtomicU64::new(0),
            payload: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// What everybody may decide on; acquires what led to it.
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// The one step that decides a race. It releases what its maker wrote and
    /// acquires what led to `from`; a loser acquires what led to the answer.
    pub(super) fn decide(&self, from: Word, to: Word) -> Result<(), Word> {
        match self.word.compare_exchange(from.0, to.0, AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// Relaxed: read before a decision on the word, which confirms it.
    pub(super) fn idle(&self) -> u64 {
        self.idle_or_listed.load(Relaxed)
    }

    /// Released, as the depth is: who reads it for a depth then sees that the
    /// list has changed.
    pub(super) fn set_idle(&self, ticks: u64) {
        self.idle_or_listed.store(ticks, Release);
    }

    /// Relaxed, as its store: ordered by a decision on the word before the load,
    /// and one after the store.
    pub(super) fn fixed(&self) -> Fixed {
        Fixed(self.fixed.load(Relaxed))
    }

    pub(super) fn set_fixed(&self, fixed: Fixed) {
        self.fixed.store(fixed.0, Relaxed);
    }

    /// How many nodes the free list had when this one was its top.
    pub(super) fn depth(&self) -> u64 {
        self.idle_or_listed.load(Acquire) >> Number::BITS
    }

    /// The node under this one on the free list.
    pub(super) fn below(&self) -> Number {
        self.idle_or_listed.load(Relaxed) as Number
    }

    /// On a list of so many nodes, above this one.
    pub(super) fn set_listed(&self, depth: u64, below: Number) {
        self.idle_or_listed.store(depth << Number::BITS | u64::from(below), Release);
    }

    /// # Safety
    ///
    /// The caller owns the payload by the table in `word.rs`, and there is
    /// none.
    #[allow(unsafe_code)]
    pub(super) unsafe fn put(&self, payload: T) {
        self.payload.with_mut(|cell| {
            // SAFETY: the caller is the only one who may touch the cell.
            unsafe { cell.write(MaybeUninit::new(payload)) }
        });
    }

    /// # Safety
    ///
    /// The caller owns the payload by the table in `word.rs`, and there is
    /// one, which from now on is the caller's.
    #[allow(unsafe_code)]
    pub(super) unsafe fn take(&self) -> T {
        self.payload.with_mut(|cell| {
            // SAFETY: the caller is the only one who may touch the cell, and
            // it holds a payload.
            unsafe { cell.read().assume_init() }
        })
    }
}

/// Two nodes and their links, as drawn in the module header.
#[repr(C)]
pub(super) struct Pair<T> {
    pub(super) nodes: [Node<T>; 2],
    pub(super) next: [AtomicU32; 2],
}

impl<T> Pair<T> {
    /// What zeroed memory is, for models, whose atomics are not.
    pub(super) fn zero() -> Self {
        Self { nodes: [Node::zero(), Node::zero()], next: [AtomicU32::new(0), AtomicU32::new(0)] }
    }
}

impl<T> fmt::Debug for Node<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("word", &self.word()).finish_non_exhaustive()
    }
}
