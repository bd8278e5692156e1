//! Read after `hint.rs`. A shard: a whole wheel of its own, with its slots,
//! arena, free list and hint. Threads are spread over shards, because the head
//! of a free list is the hot spot of churn.
//!
//! *Invariant*: a slot that holds a chain has its bit set in `occupied`, and
//! the hint is not after the chain's start, unless whoever made it non-empty
//! is still on its way to say so.
//!
//! *Memory orderings*: the bit is set with `Release` after the push and before
//! the hint is lowered, and loaded with `Acquire` after a scan has written to
//! the hint, so a scan sees the bits and chains that lowered it before
//! (`what_is_inserted_fires_once`). Who clears a bit looks at the
//! slot again afterwards (`a_cleared_bit_hides_no_timer`). Who takes nodes says
//! so before, by `takers` and the hint's version, so that the hint stays a lower
//! bound of what they have in hand, too (`a_driver_waits_for_what_another_has_in_hand`).
//!
//! *Who frees it*: a shard outlives the wheel while timers of it live. The
//! wheel's drop empties the slots and closes the free list; whoever brings the
//! list's depth to the number of nodes then is the last who knows the shard,
//! and frees it. Nothing is counted for that on the way in.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::arena::{Arena, Numbered};
use super::deadline::Deadline;
use super::free_list::FreeList;
use super::hint::{Hint, HintSnapshot};
use super::level::{LEVELS, NO_TICK, Place, SLOTS};
use super::node::{Node, Number};
use super::slot::{Chain, PushPoint, Slot};
use super::word::{State, Word};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

pub(super) struct Shard<T> {
    pub(super) slots: [Slot; LEVELS * SLOTS],
    /// A bit for each slot of a level.
    pub(super) occupied: [AtomicU64; LEVELS],
    pub(super) hint: CachePadded<Hint>,
    pub(super) free: CachePadded<FreeList>,
    pub(super) arena: Arena<T>,
    /// Nodes that are linked and nothing else.
    pub(super) orphans: AtomicU64,
    /// Nodes whose timer has fired and whose handle is still there.
    pub(super) spent: AtomicU64,
    /// The most handles there were when a node was made: `sweep.rs`.
    pub(super) peak: AtomicU64,
    /// The slot that sweepers are at.
    pub(super) cursor: AtomicUsize,
    /// Drivers and sweepers that may have nodes in hand.
    takers: AtomicU64,
}

/// A driver or sweeper that may take nodes out of slots, until this is dropped. While
/// there is another one no driver raises the hint: it cannot know where the nodes that
/// the other has in hand will go.
pub(super) struct Taker<'a, T> {
    shard: &'a Shard<T>,
    /// The hint, if this was the only taker when that was read.
    pub(super) alone_since: Option<HintSnapshot>,
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        self.shard.takers.fetch_sub(1, Release);
    }
}

/// A node that was just linked: where its chain starts, and what became of the
/// hint if the chain is new.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) start: u64,
    pub(super) lowered: Option<(HintSnapshot, HintSnapshot)>,
}

impl<T> Shard<T> {
    pub(super) fn new(most: u32) -> Self {
        Self {
            slots: [(); LEVELS * SLOTS].map(|()| Slot::new()),
            occupied: [(); LEVELS].map(|()| AtomicU64::new(0)),
            hint: CachePadded::new(Hint::new()),
            free: CachePadded::new(FreeList::new()),
            arena: Arena::new(most),
            orphans: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            cursor: AtomicUsize::new(0),
            takers: AtomicU64::new(0),
        }
    }

    /// To be had before any node is taken, and kept until all are linked again
    /// or gone.
    pub(super) fn begin_taking(&self) -> Taker<'_, T> {
        self.takers.fetch_add(1, Relaxed);
        // A driver that has read the hint before this fails to raise it; this
        // one sees all takers who were here before it.
        let (_, hint) = self.hint.lower(NO_TICK);
        let alone_since = (self.takers.load(Acquire) == 1).then_some(hint);
        Taker { shard: self, alone_since }
    }

    pub(super) fn slot(&self, place: Place) -> &Slot {
        &self.slots[place.index()]
    }

    pub(super) fn node(&self, number: Number) -> &Node<T> {
        self.arena.node(number)
    }

    /// Links the caller's node where this deadline belongs. `confirm` is asked
    /// each time the node's start is written, before the push: nothing is
    /// linked once it says no.
    pub(super) fn link(
        &self,
        Numbered { number, node, next }: Numbered<'_, T>,
        deadline: u64,
        now: u64,
        mut confirm: impl FnMut(&Node<T>) -> bool,
    ) -> Option<Linked> {
        let place = Place::of(deadline, now);
        loop {
            let slot = self.slot(place);
            let PushPoint { head, start, is_first } = slot.push_point(place, deadline);
            next.store(head.node(), Relaxed);
            node.start.store(start, Release);
            if !confirm(node) {
                return None;
            }
            if slot.push(place, head, start, number) {
                let lowered = is_first.then(|| self.announce(place, start));
                return Some(Linked { start, lowered });
            }
        }
    }

    /// Says that this slot holds a chain with this start.
    pub(super) fn announce(&self, place: Place, start: u64) -> (HintSnapshot, HintSnapshot) {
        self.occupied[place.level as usize].fetch_or(1 << place.position, Release);
        self.hint.lower(start)
    }

    /// The start of what is left in a slot; its bit is cleared if that is
    /// nothing.
    pub(super) fn settle(&self, place: Place) -> Option<Linked> {
        let slot = self.slot(place);
        if let Some(start) = slot.earliest(&self.arena, place) {
            return Some(Linked { start, lowered: None });
        }
        self.occupied[place.level as usize].fetch_and(!(1 << place.position), AcqRel);
        // Who pushed before the bit went may have set it before, too.
        let start = slot.earliest(&self.arena, place)?;
        Some(Linked { start, lowered: Some(self.announce(place, start)) })
    }

    /// A node whose link and handle are both gone goes back to the list. Not
    /// for handles: they may be the last.
    pub(super) fn free_node(&self, number: Number) {
        let is_last = self.free.push(&self.arena, number);
        debug_assert!(!is_last, "the wheel is still there");
    }

    /// Nodes that have a handle.
    pub(super) fn handles(&self) -> u64 {
        let others = || (self.orphans.load(Acquire), u64::from(self.arena.made()));
        let (unused, (orphans, made)) = self.free.depth_and(&self.arena, others);
        // A thread between two steps may have counted one twice or not yet.
        made.saturating_sub(unused).saturating_sub((orphans as i64).max(0) as u64)
    }

    /// Live timers.
    pub(super) fn len(&self) -> u64 {
        self.handles().saturating_sub(self.spent.load(Relaxed))
    }

    /// Nodes that are linked in slots. Looks at every node.
    pub(super) fn linked(&self) -> usize {
        let states = (1..=self.arena.made()).filter_map(|number| self.arena.get(number));
        states
            .filter(|node| {
                let linked = [State::Live, State::Cancelled, State::Orphan, State::Retired];
                linked.contains(&node.word().state())
            })
            .count()
    }

    /// Empties the slots when the wheel goes: live payloads are dropped, and
    /// the first panic of such a drop is returned. Nothing is inserted any
    /// more; handles may still cancel.
    fn empty(&self) -> std::thread::Result<()> {
        let mut outcome = Ok(());
        for index in 0..LEVELS * SLOTS {
            let place = Place::at(index);
            let taken = self.slot(place).take(place).map(|(_, first)| first);
            let rest = self.slot(place).pop_rest(&self.arena, u32::MAX);
            for mut number in [taken, rest.map(|chain: Chain| chain.first)].into_iter().flatten() {
                while number != 0 {
                    let next = self.arena.next(number);
                    let dropped = catch_unwind(AssertUnwindSafe(|| drop(self.unlink(number))));
                    outcome = outcome.and(dropped);
                    number = next;
                }
            }
        }
        outcome
    }

    /// Fires a live timer if its word still is `word`. The link is the caller's,
    /// and goes.
    #[allow(unsafe_code)]
    pub(super) fn fire(&self, node: &Node<T>, word: Word, by: Option<Deadline>) -> Option<T> {
        let fired = word.fired(by);
        node.decide(word, fired).ok()?;
        self.spent.fetch_add(1, Relaxed);
        // SAFETY: who makes a timer `Fired` owns its payload.
        let payload = unsafe { node.take() };
        // A plain store: no step of anybody else's starts from a fired word.
        node.word.store(fired.with_state(State::Done).0, Release);
        Some(payload)
    }

    /// The link goes, and the payload with it if it is still here.
    fn unlink(&self, number: Number) -> Option<T> {
        let node = self.node(number);
        loop {
            let word = node.word();
            match word.state() {
                State::Live => {
                    if let Some(payload) = self.fire(node, word, None) {
                        return Some(payload);
                    }
                }
                State::Cancelled if node.decide(word, Word::FREE).is_ok() => return None,
                State::Retired if node.decide(word, word.retired_and_unlinked()).is_ok() => {
                    return None;
                }
                State::Orphan => {
                    self.free_orphan(number);
                    return None;
                }
                State::Cancelled | State::Retired => {}
                other => unreachable!("a linked node is {other:?}"),
            }
        }
    }

    pub(super) fn free_orphan(&self, number: Number) {
        self.node(number).word.swap(Word::FREE.0, Relaxed);
        self.orphans.fetch_sub(1, Relaxed);
        self.free_node(number);
    }
}

impl<T> fmt::Debug for Shard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("len", &self.len())
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

/// A shard and the clock of its wheel, in memory that lasts as long as the
/// wheel or any timer.
#[derive(Debug)]
pub(super) struct Shared<T, C> {
    pub(super) shard: Shard<T>,
    pub(super) clock: Arc<C>,
}

#[allow(unsafe_code)]
impl<T, C> Shared<T, C> {
    pub(super) fn new(most: u32, clock: Arc<C>) -> NonNull<Self> {
        NonNull::from(Box::leak(Box::new(Self { shard: Shard::new(most), clock })))
    }

    /// The wheel lets go of the shard.
    ///
    /// # Safety
    ///
    /// `this` came from `new`; this is called once, by the wheel, which does
    /// not use it any more.
    pub(super) unsafe fn close(this: NonNull<Self>) -> std::thread::Result<()> {
        // SAFETY: freed below or by the last handle, and not before the list
        // is closed.
        let shard = unsafe { &this.as_ref().shard };
        let outcome = shard.empty();
        if shard.free.close(&shard.arena) {
            // SAFETY: the list has every node, so no handle is left.
            unsafe { Self::free(this) };
        }
        outcome
    }

    /// A handle gives its node back and lets go of the shard.
    ///
    /// # Safety
    ///
    /// The caller owns the handle of this node and uses neither any more.
    pub(super) unsafe fn leave(this: NonNull<Self>, number: Number) {
        // SAFETY: not freed while this handle keeps its node off the list.
        let shard = unsafe { &this.as_ref().shard };
        if shard.free.push(&shard.arena, number) {
            // SAFETY: the wheel has closed the list, and this was the last
            // node that was not on it.
            unsafe { Self::free(this) };
        }
    }

    /// # Safety
    ///
    /// Nobody else knows `this`.
    unsafe fn free(this: NonNull<Self>) {
        // SAFETY: it was leaked from a box by `new`.
        drop(unsafe { Box::from_raw(this.as_ptr()) });
    }
}
