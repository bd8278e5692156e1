//! Read after `shard.rs`. What becomes of a node whose link somebody took.
//!
//! | the node is | then | race it settles |
//! |---|---|---|
//! | `Live`, due, not held | → `Fired`, payload out, → `Done`: the link is gone | touch, hold, cancel: they lose or the visitor does, and reads again |
//! | `Live`, held past its deadline | it is touched: deadline = now + idle; linked again | a release meanwhile |
//! | `Live`, when all are fired | → `Fired`, due or not, held or not | the same |
//! | `Live`, not due | linked again where its deadline belongs by now | below |
//! | `Cancelled` | → `Free`: the link is gone, it is on the list already | an inserter that adopts it |
//! | `Orphan` | → `Free`, onto the list | nobody |
//! | `Retired` | → `Done`: the link is gone, the handle has the node | the handle's drop |
//!
//! *Linked again, and cancelled and adopted meanwhile*: an adopter reads
//! `start` and takes the node only if it will be visited by then. So before a
//! link moves later, the visitor writes the new start, then confirms the word
//! by a CAS to itself, and only then pushes. Whoever cancels after that CAS
//! passes the new start on to the adopter; whoever cancelled before makes the
//! CAS fail, and the visitor decides again. A load instead would confirm a
//! word that is out of date. (`a_moved_start_is_seen_by_the_adopter`)
//!
//! *All are fired* (`fire_all`) where the owner of the wheel closes down what its
//! timers stand for. The release of a hold finds such a timer fired and does
//! nothing.
//!
//! *The payload leaves after the CAS to `Fired`* and is marked `Done` after
//! that: before the CAS an adopter may be writing a new one, and a handle that
//! is dropped in between puts the node on the list, where nobody uses it until
//! it is `Done`. (`a_fired_node_is_reused_only_when_its_payload_is_out`)
//!
//! *Memory orderings*: the CAS on the word is `AcqRel` (`word.rs`); `Done` is
//! stored with `Release`, read with `Acquire` by the inserter that reuses the
//! node (`a_fired_node_is_reused_only_when_its_payload_is_out`).

use super::level::MAX_TICK;
use super::node::{Node, Number};
use super::shard::{Linked, Shard};
use super::slot::Chain;
use super::word::{State, Word};
use crate::sync::atomic::Ordering::*;

/// What a visitor is after.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Timers that are due.
    Fire,
    /// Every timer, held ones too.
    FireAll,
    /// Nodes of cancelled timers.
    Sweep,
}

impl Purpose {
    /// Is a timer with this word fired?
    fn fires(self, word: Word, now: u64) -> bool {
        match self {
            Self::Fire => is_due(word, now),
            Self::FireAll => true,
            Self::Sweep => false,
        }
    }

    /// Is a slot of this start visited?
    pub(super) fn visits(self, start: u64, now: u64) -> bool {
        start <= now || self == Self::FireAll
    }
}

pub(super) enum Visited<T> {
    Fired(T),
    Kept(Linked),
    Freed,
}

/// The deadline of a timer that is touched now.
pub(super) fn deadline_after(now: u64, idle: u64) -> u64 {
    now.saturating_add(idle).min(MAX_TICK)
}

impl<T> Shard<T> {
    /// Decides about a node whose link the caller took.
    #[allow(unsafe_code)]
    pub(super) fn visit(&self, number: Number, now: u64, purpose: Purpose) -> Visited<T> {
        let node = self.node(number);
        loop {
            let word = node.word();
            match word.state() {
                State::Live if purpose.fires(word, now) => {
                    if node.decide(word, word.with_state(State::Fired)).is_ok() {
                        self.spent.fetch_add(1, Relaxed);
                        // SAFETY: who makes a timer `Fired` owns its payload.
                        let payload = unsafe { node.take() };
                        node.word.swap(Word::DONE.0, Release);
                        return Visited::Fired(payload);
                    }
                }
                State::Live => {
                    if let Some(linked) = self.keep(number, word, now) {
                        return Visited::Kept(linked);
                    }
                }
                State::Cancelled => {
                    if node.decide(word, Word::FREE).is_ok() {
                        return Visited::Freed;
                    }
                }
                State::Retired => {
                    if node.decide(word, Word::DONE).is_ok() {
                        return Visited::Freed;
                    }
                }
                State::Orphan => {
                    self.free_orphan(number);
                    return Visited::Freed;
                }
                other => unreachable!("a linked node is {other:?}"),
            }
        }
    }

    /// Links a live node again. `None` if its word is not `word` any more.
    fn keep(&self, number: Number, word: Word, now: u64) -> Option<Linked> {
        let touched = word.is_held() && word.deadline() <= now;
        let idle = self.node(number).idle();
        let kept = match touched {
            true => word.with_deadline(deadline_after(now, idle.max(1))),
            false => word,
        };
        let mut expected = word;
        self.link(number, kept.deadline(), now, |node| {
            let confirmed = node.decide(expected, kept).is_ok();
            expected = kept;
            confirmed && (!touched || idle_is_still(node, idle, kept, now))
        })
    }
}

fn is_due(word: Word, now: u64) -> bool {
    word.deadline() <= now && !word.is_held()
}

/// Was the idle time that a touch was computed from that of this very timer?
/// If the node was cancelled, adopted and held in between and has by chance the
/// same word, it is not, and the touch is made good.
fn idle_is_still<T>(node: &Node<T>, idle: u64, kept: Word, now: u64) -> bool {
    let current = node.idle();
    if current != idle {
        let _ = node.decide(kept, kept.with_deadline(deadline_after(now, current.max(1))));
    }
    current == idle
}

/// Nodes whose link the holder owns. Those that are left when it is dropped,
/// by a panic say, are linked again.
pub(super) struct Hand<'a, T> {
    shard: &'a Shard<T>,
    chain: Chain,
    now: u64,
}

impl<'a, T> Hand<'a, T> {
    pub(super) fn new(shard: &'a Shard<T>, chain: Chain, now: u64) -> Self {
        Self { shard, chain, now }
    }

    /// The next node, whose link is the caller's now.
    pub(super) fn next(&mut self) -> Option<Number> {
        if self.chain.len == 0 || self.chain.first == 0 {
            return None;
        }
        let number = self.chain.first;
        self.chain.first = self.shard.node(number).next.load(Relaxed);
        self.chain.len -= 1;
        Some(number)
    }
}

impl<T> Drop for Hand<'_, T> {
    fn drop(&mut self) {
        while let Some(number) = self.next() {
            self.shard.visit(number, self.now, Purpose::Sweep);
        }
    }
}
