//! Read after `shard.rs`. What becomes of a node whose link somebody took.
//!
//! | the node is | then | race it settles |
//! |---|---|---|
//! | `Live`, due, not held | → `Fired`, payload out, → `Done`: the link is gone | touch, hold, cancel: they lose or the visitor does, and reads again |
//! | `Live`, its fixed deadline due | noted; then, if that is due still, the same, touched and held or not | the same, and a change of the fixed deadline: below |
//! | `Live`, held past its deadline | it is touched: deadline = now + idle; linked again | a release meanwhile |
//! | `Live`, when all are fired | → `Fired`, due or not, held or not | the same |
//! | `Live`, not due | linked again where the earlier deadline belongs by now | below |
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
//! *The fixed deadline* lies beside the word. Who changes it stores it and then
//! takes the note off the word by a CAS, even if there is none; who fires by it
//! reads a noted word first and the deadline second, and fires from that very
//! word. So if the change's CAS comes after the note, the firing fails; if it
//! comes before, the visitor reads the changed deadline.
//! (`a_fixed_deadline_that_is_moved_does_not_fire`) Who links the node again reads
//! it a second time after it has confirmed the word: it may be that of another
//! timer by then, or have come nearer.
//! (`an_adopted_node_is_linked_by_its_own_fixed_deadline`)
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
//! node (`a_fired_node_is_reused_only_when_its_payload_is_out`). The fixed deadline
//! is stored and loaded `Relaxed`, ordered by the CAS on the word after the store
//! and the one, or the load of a noted word, before the load.

use super::arena::Numbered;
use super::deadline::{Deadline, Fixed};
use super::level::deadline_after;
use super::node::{Node, Number};
use super::shard::{Linked, Shard};
use super::slot::Chain;
use super::word::{State, Word};

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
    /// By which deadline is a timer with this word fired?
    fn fires(self, word: Word, fixed: Fixed, now: u64) -> Option<Deadline> {
        match self {
            Self::Fire => due(word, fixed, now),
            Self::FireAll => Some(Deadline::Idle),
            Self::Sweep => None,
        }
    }

    /// Is a slot of this start visited?
    pub(super) fn visits(self, start: u64, now: u64) -> bool {
        start <= now || self == Self::FireAll
    }
}

/// What became of the node.
pub(super) enum VisitOutcome<T> {
    Fired(T, Deadline),
    /// It is linked again.
    Relinked(Linked),
    /// Its link is gone.
    Freed,
}

impl<T> Shard<T> {
    /// Decides about a node whose link the caller took.
    pub(super) fn visit(&self, number: Number, now: u64, purpose: Purpose) -> VisitOutcome<T> {
        let numbered = self.arena.numbered(number);
        let node = numbered.node;
        loop {
            let word = node.word();
            match word.state() {
                State::Live => {
                    let fixed = node.fixed();
                    match purpose.fires(word, fixed, now) {
                        Some(Deadline::Fixed) if !word.is_noted() => {
                            // Read again, whether or not this note is taken.
                            let _ = node.decide(word, word.noted());
                        }
                        Some(by) => {
                            if let Some(payload) = self.fire(node, word, Some(by)) {
                                return VisitOutcome::Fired(payload, by);
                            }
                        }
                        None => {
                            if let Some(linked) = self.relink(numbered, word, fixed, now) {
                                return VisitOutcome::Relinked(linked);
                            }
                        }
                    }
                }
                State::Cancelled => {
                    if node.decide(word, Word::FREE).is_ok() {
                        return VisitOutcome::Freed;
                    }
                }
                State::Retired => {
                    if node.decide(word, word.retired_and_unlinked()).is_ok() {
                        return VisitOutcome::Freed;
                    }
                }
                State::Orphan => {
                    self.free_orphan(number);
                    return VisitOutcome::Freed;
                }
                other => unreachable!("a linked node is {other:?}"),
            }
        }
    }

    /// Links a live node again. `None` if its word is not `word` any more, or
    /// its fixed deadline not `fixed`.
    fn relink(
        &self,
        numbered: Numbered<'_, T>,
        word: Word,
        fixed: Fixed,
        now: u64,
    ) -> Option<Linked> {
        let touched = word.is_held() && word.deadline() <= now;
        let idle = numbered.node.idle();
        let kept = match touched {
            true => word.with_deadline(deadline_after(now, idle.max(1))),
            false => word,
        };
        let earliest = kept.deadline().min(fixed.earliest(now));
        let mut expected = word;
        self.link(numbered, earliest, now, |node| {
            let confirmed = node.decide(expected, kept).is_ok();
            expected = kept;
            confirmed && (!touched || idle_is_still(node, idle, kept, now)) && node.fixed() == fixed
        })
    }
}

/// By which deadline is a live timer due? Of two that are, the earlier one; of two
/// at one tick, the fixed.
fn due(word: Word, fixed: Fixed, now: u64) -> Option<Deadline> {
    let is_idle = word.deadline() <= now && !word.is_held();
    if is_idle && !fixed.is_due(word.deadline()) {
        Some(Deadline::Idle)
    } else {
        fixed.is_due(now).then_some(Deadline::Fixed)
    }
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
pub(super) struct TakenNodes<'a, T> {
    shard: &'a Shard<T>,
    chain: Chain,
    now: u64,
}

impl<'a, T> TakenNodes<'a, T> {
    pub(super) fn new(shard: &'a Shard<T>, chain: Chain, now: u64) -> Self {
        Self { shard, chain, now }
    }

    /// The next node, whose link is the caller's now.
    pub(super) fn next(&mut self) -> Option<Number> {
        if self.chain.len == 0 || self.chain.first == 0 {
            return None;
        }
        let number = self.chain.first;
        self.chain.first = self.shard.arena.next(number);
        self.chain.len -= 1;
        Some(number)
    }
}

impl<T> Drop for TakenNodes<'_, T> {
    fn drop(&mut self) {
        while let Some(number) = self.next() {
            self.shard.visit(number, self.now, Purpose::Sweep);
        }
    }
}
