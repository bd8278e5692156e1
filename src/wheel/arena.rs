//! Read after `node.rs`. Where the nodes of a shard live: chunks that double,
//! are never moved, and are freed with the shard.
//!
//! *Invariant*: every number that was ever handed out, `1..=made`, lies in a
//! chunk that was published before.
//!
//! *Linearization points*: a node is made by the CAS that raises `made`.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | publishing a chunk, CAS | `Release` | loads of the chunk | a node is used before it is zeroed | `a_chunk_is_zeroed_before_it_is_used` |
//! | loading a chunk | `Acquire` | its publication | the same, from the other side | `a_chunk_is_zeroed_before_it_is_used` |
//! | `made`'s CAS | `Relaxed` | nothing | it hands out a number, no data | |
//!
//! *Progress*: lock-free; making a node may call the allocator.
//!
//! *Bounds*: zeroed memory comes lazily from the system, so a large chunk costs
//! no pause and no memory before its nodes are used. At most 2^26 - 1 nodes.

use std::fmt;
use std::ptr::{self, NonNull};

use super::node::{NUMBER_BITS, Node, Number, Pair};
use crate::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, Ordering::*, load_pointer, load_settled,
};
use crate::sync::heap;

/// Nodes of the first chunk, in pairs; each further one has as many as all before
/// it.
#[cfg(not(feature = "loom"))]
const FIRST: u32 = 64;
#[cfg(feature = "loom")]
const FIRST: u32 = 2;

const CHUNKS: usize = (NUMBER_BITS - FIRST.ilog2()) as usize;

/// As many nodes as numbers and chunks allow.
pub(super) const MOST: u32 = (1 << NUMBER_BITS) - FIRST;

pub(super) struct Arena<T> {
    chunks: [AtomicPtr<Pair<T>>; CHUNKS],
    made: AtomicU32,
    /// Never changed. Atomic, because a handle that has let go of the shard has
    /// the arena borrowed still when another one frees it, and of what is
    /// borrowed only atomics may go.
    most: AtomicU64,
}

/// A node by its number, with the link that lies beside it.
pub(super) struct Numbered<'a, T> {
    pub(super) number: Number,
    pub(super) node: &'a Node<T>,
    pub(super) next: &'a AtomicU32,
}

impl<T> Clone for Numbered<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Numbered<'_, T> {}

/// No further node: the arena is as large as it may be, or memory is short.
#[derive(Debug)]
pub(super) struct Exhausted;

/// The chunk of a node and its place in it.
#[inline]
fn locate(number: Number) -> (usize, usize) {
    let at = number - 1 + FIRST;
    let chunk = at.ilog2() - FIRST.ilog2();
    (chunk as usize, (at - (FIRST << chunk)) as usize)
}

/// The pairs of a chunk.
fn len_of(chunk: usize) -> usize {
    (FIRST as usize / 2) << chunk
}

#[allow(unsafe_code)]
impl<T> Arena<T> {
    pub(super) fn new(most: u32) -> Self {
        let chunks = [(); CHUNKS].map(|()| AtomicPtr::new(ptr::null_mut()));
        let most = AtomicU64::new(most.min(MOST).into());
        Self { chunks, made: AtomicU32::new(0), most }
    }

    /// The node of this number.
    pub(super) fn node(&self, number: Number) -> &Node<T> {
        self.get(number).expect("a number in use lies in a published chunk")
    }

    /// The node of a number that may be out of date, read while the chain it
    /// belongs to changed: then its chunk may not be visible here yet.
    pub(super) fn get(&self, number: Number) -> Option<&Node<T>> {
        self.pair(number).map(|(pair, at)| &pair.nodes[at])
    }

    /// The node of this number, for who has its link.
    pub(super) fn numbered(&self, number: Number) -> Numbered<'_, T> {
        let (pair, at) = self.pair(number).expect("a number in use lies in a published chunk");
        Numbered { number, node: &pair.nodes[at], next: &pair.next[at] }
    }

    /// The node that this one is linked to. `Relaxed`, as is all that follows a
    /// chain that the caller has: taking it has acquired it.
    pub(super) fn next(&self, number: Number) -> Number {
        self.get_next(number).expect("a number in use lies in a published chunk")
    }

    /// ... of a number that may be out of date.
    pub(super) fn get_next(&self, number: Number) -> Option<Number> {
        self.pair(number).map(|(pair, at)| pair.next[at].load(Relaxed))
    }

    /// The pair of a node, and which of the two it is.
    fn pair(&self, number: Number) -> Option<(&Pair<T>, usize)> {
        debug_assert_ne!(number, 0);
        let (chunk, at) = locate(number);
        let chunk = load_pointer(&self.chunks[chunk]);
        // SAFETY: a published chunk holds as many zeroed or used pairs as its
        // place says, `locate` stays within, and it is freed with `self`.
        (!chunk.is_null()).then(|| (unsafe { &*chunk.add(at / 2) }, at % 2))
    }

    /// How many nodes were ever made.
    pub(super) fn made(&self) -> u32 {
        self.made.load(Relaxed)
    }

    /// A node that nobody has used yet.
    pub(super) fn make(&self) -> Result<Number, Exhausted> {
        let mut made = self.made.load(Relaxed);
        loop {
            if u64::from(made) >= load_settled(&self.most) {
                return Err(Exhausted);
            }
            self.provide(locate(made + 1).0)?;
            match self.made.compare_exchange_weak(made, made + 1, Relaxed, Relaxed) {
                Ok(_) => return Ok(made + 1),
                Err(now) => made = now,
            }
        }
    }

    /// Sees to it that this chunk is there.
    fn provide(&self, chunk: usize) -> Result<(), Exhausted> {
        if !load_pointer(&self.chunks[chunk]).is_null() {
            return Ok(());
        }
        // SAFETY: zeroed bytes are two free nodes, as `Pair::zero` is; a pair is
        // not zero-sized and no chunk is empty.
        let fresh = unsafe { heap::zeroed_slice(len_of(chunk), Pair::zero) }.ok_or(Exhausted)?;
        let published =
            self.chunks[chunk].compare_exchange(ptr::null_mut(), fresh.as_ptr(), Release, Relaxed);
        if published.is_err() {
            // SAFETY: another thread's chunk is there; nobody has seen this one.
            unsafe { heap::free_slice(fresh, len_of(chunk)) };
        }
        Ok(())
    }
}

#[allow(unsafe_code)]
impl<T> Drop for Arena<T> {
    fn drop(&mut self) {
        for (index, chunk) in self.chunks.iter().enumerate() {
            if let Some(chunk) = NonNull::new(load_pointer(chunk)) {
                // SAFETY: published once with this length; the shard that is
                // dropped is the last that could use it. Payloads are out of
                // it by then (`shard.rs`).
                unsafe { heap::free_slice(chunk, len_of(index)) };
            }
        }
    }
}

impl<T> fmt::Debug for Arena<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("made", &self.made()).finish_non_exhaustive()
    }
}
