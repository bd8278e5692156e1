//! Read after `sweep.rs`. An insert: where its node comes from.
//!
//! *Adoption*: a cancelled node goes to the free list at once, though its link
//! still lies in some slot. An insert that pops it and finds that its chain
//! will be visited no later than the new timer's deadlines writes that into it
//! and makes it `Live` again: nothing is linked, and the visitor will put it
//! where it belongs. So a wheel whose timers are mostly cancelled needs no more
//! nodes than it has timers.
//!
//! | popped | then |
//! |---|---|
//! | `Free`, `Done` | fill it and link it |
//! | `Cancelled`, `start <= earliest` | fill it, → `Live`: adopted; lost to a visitor: it is `Free` now, link it |
//! | `Cancelled`, `start > earliest` | → `Orphan`: its visitor frees it; pop another, a few times; lost: it is `Free` |
//! | `Fired` | its payload is still on the way out: set it aside, pop another |
//!
//! *Why the start is checked before and not after*: nobody links a cancelled
//! node again, and the last visitor that did wrote the start before the word
//! that its canceller replaced (`visit.rs`). Only the inserter may fill a
//! cancelled node, because it popped it: so it fills first and then decides.
//!
//! *Memory orderings*: those of `free_list.rs` and `word.rs`. A node that is
//! linked publishes its word and payload by the push (`slot.rs`).

use super::arena::Exhausted;
use super::deadline::{Deadlines, Fixed};
use super::level::deadline_after;
use super::node::Number;
use super::shard::Shard;
use super::sweep::Room;
use super::word::{State, Word};
use crate::sync::atomic::Ordering::*;

/// Nodes that an insert tries to adopt before it makes one.
#[cfg(not(feature = "loom"))]
const ADOPTION_ATTEMPTS: usize = 4;
#[cfg(feature = "loom")]
const ADOPTION_ATTEMPTS: usize = 2;

/// A node filled with a new timer.
#[derive(Clone, Copy)]
enum Filled {
    /// ... and linked, from before.
    Adopted(Number),
    Unlinked(Number),
}

/// Nothing was filled.
enum Refused {
    TooLate,
    Busy,
}

/// A timer that is about to be.
struct NewTimer<T> {
    payload: Option<T>,
    idle: u64,
    fixed: Fixed,
    /// The earlier one of its deadlines.
    earliest: u64,
    word: Word,
}

impl<T> Shard<T> {
    /// Inserts a timer whose word is `first` of its idle deadline, or gives the
    /// payload back if there is no node for it.
    pub(super) fn insert(
        &self,
        now: u64,
        Deadlines { idle, fixed }: Deadlines,
        payload: T,
        first: fn(u64) -> Word,
    ) -> Result<Number, T> {
        let (deadline, fixed) = (deadline_after(now, idle), Fixed::new(fixed, now));
        let earliest = deadline.min(fixed.earliest(now));
        let word = first(deadline);
        let mut new = NewTimer { payload: Some(payload), idle, fixed, earliest, word };
        let filled = self.reuse(&mut new).or_else(|| self.make(now, &mut new));
        match (filled, new.payload.take()) {
            (Some(Filled::Adopted(number)), _) => Ok(number),
            (Some(Filled::Unlinked(number)), _) => {
                let unlinked = self.arena.numbered(number);
                unlinked.node.word.store(new.word.0, Relaxed);
                let linked = self.link(unlinked, earliest, now, |_| true);
                debug_assert!(linked.is_some(), "nobody else knows the node");
                Ok(number)
            }
            (None, payload) => Err(payload.expect("no node was filled")),
        }
    }

    /// A node from the free list.
    fn reuse(&self, new: &mut NewTimer<T>) -> Option<Filled> {
        let mut busy = [0; ADOPTION_ATTEMPTS];
        let filled = (0..ADOPTION_ATTEMPTS).find_map(|index| {
            let number = self.free.pop(&self.arena)?;
            match self.claim(number, new) {
                Ok(filled) => Some(filled),
                Err(Refused::TooLate) => None,
                Err(Refused::Busy) => {
                    busy[index] = number;
                    None
                }
            }
        });
        busy.into_iter().filter(|&number| number != 0).for_each(|number| self.free_node(number));
        filled
    }

    fn claim(&self, number: Number, new: &mut NewTimer<T>) -> Result<Filled, Refused> {
        let node = self.node(number);
        let word = node.word();
        match word.state() {
            State::Free | State::Done => {}
            State::Fired => return Err(Refused::Busy),
            State::Cancelled if node.start.load(Relaxed) <= new.earliest => {
                self.fill(number, new);
                return Ok(match node.decide(word, new.word) {
                    Ok(()) => Filled::Adopted(number),
                    Err(_freed) => Filled::Unlinked(number),
                });
            }
            State::Cancelled => {
                if node.decide(word, word.with_state(State::Orphan)).is_ok() {
                    self.orphans.fetch_add(1, Relaxed);
                    return Err(Refused::TooLate);
                }
            }
            other => unreachable!("a node on the free list is {other:?}"),
        }
        self.fill(number, new);
        Ok(Filled::Unlinked(number))
    }

    #[allow(unsafe_code)]
    fn fill(&self, number: Number, new: &mut NewTimer<T>) {
        let node = self.node(number);
        node.set_idle(new.idle);
        node.set_fixed(new.fixed);
        let payload = new.payload.take().expect("it is filled into one node");
        // SAFETY: the caller popped or made the node and nobody else writes
        // into it: a visitor that still has its link sees no live timer.
        unsafe { node.put(payload) };
    }

    /// A node that is new, or was freed by looking for one.
    fn make(&self, now: u64, new: &mut NewTimer<T>) -> Option<Filled> {
        let found = match self.room() {
            Room::Ample => None,
            Room::Scarce => self.look(now, 1, new),
            Room::None => self.look(now, self.pieces(), new),
        };
        if found.is_some() {
            return found;
        }
        match self.arena.make() {
            Ok(number) => {
                self.fill(number, new);
                Some(Filled::Unlinked(number))
            }
            // Every node has a handle: there is nothing to be found.
            Err(Exhausted) if self.handles() >= self.arena.made().into() => None,
            Err(Exhausted) => self.look(now, 2 * self.pieces(), new),
        }
    }

    /// Sweeps at most so many pieces until that yields a node.
    fn look(&self, now: u64, pieces: usize, new: &mut NewTimer<T>) -> Option<Filled> {
        (0..pieces).find_map(|_| {
            self.sweep_piece(now);
            self.reuse(new)
        })
    }
}
