//! Read after `timer_wheel.rs`. A timer is taken by somebody who does not own it, if
//! nobody holds it: looked at, claimed, and then retired.
//!
//! *For*: a manager that ends what has a timer before it is due, to make room.
//!
//! *Look*: a load says that nobody holds the timer, and since when. If somebody holds it,
//! the look leaves a mark in its word, by a CAS, and the release of the last hold tells
//! its caller of it. So of that look and that release one comes first: the look finds
//! the timer unused, or who releases it learns that it was looked for.
//!
//! *Claim*: the timer that was looked at may be gone, and its node another's, with the
//! same word by chance. So it is claimed first, by a CAS from the word that was seen to
//! one that names the claimant; then the caller finds out whether it is the timer that it
//! means; then a CAS from that very word retires it. A node that becomes another
//! timer's meanwhile has no such claim on it. Whoever holds, touches or
//! cancels the timer meanwhile wins, as does a driver for which it is due; a second
//! claimant does not: it takes the timer for one that is held, and whoever loses a claim
//! tells if the timer was looked for.
//!
//! *Linearization points*: look → its load, or the CAS that leaves the mark; claim and
//! retire → their CAS.
//!
//! *Memory orderings*: each CAS is `AcqRel` (`node.rs`): who claims sees what was done
//! before the last hold was released, and by that which timer it is.
//!
//! *Bounds*: a claimant that stands still between its claim and its end for exactly 65,536
//! claims, or a multiple, may retire a timer that another claims, which is like its own.
//!
//! *Progress*: lock-free. A claimant that stands still keeps the timer from others who
//! claim, and from nobody else.

use super::node::{Node, TimerId};
use super::shard::Shard;
use super::timer_wheel::TimerWheel;
use super::word::{State, Word};
use crate::sync::atomic::Ordering::Relaxed;

/// A timer as it was seen, that nobody held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unused {
    word: Word,
    idle: u64,
    /// The tick of its insert, its last touch, or the end of its last hold.
    pub(crate) since: u64,
}

/// What was seen of a timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// No live timer is there.
    Gone,
    /// It is held, or claimed; whose release makes it unused is told that it was looked
    /// for.
    Held,
    Unused(Unused),
}

/// A timer that is the caller's to retire, unless somebody uses it first.
pub(crate) struct Claim<'a, T> {
    shard: &'a Shard<T>,
    node: &'a Node<T>,
    claimed: Word,
}

/// Somebody was first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    /// Since when the timer is unused, if it is and was met claimed by somebody who looked
    /// for one.
    pub(crate) looked_for_since: Option<u64>,
}

impl<T, C> TimerWheel<T, C> {
    /// What is there; a mark is left on a timer that is held. Only for idle times that do
    /// not reach the last tick.
    pub(crate) fn look(&self, id: TimerId) -> Look {
        // Nothing says that the caller has seen the chunk be made in which it lies.
        let Some(node) = self.shard(id.shard as usize).arena.get(id.number) else {
            return Look::Gone;
        };
        let mut word = node.word();
        loop {
            if word.state() != State::Live {
                return Look::Gone;
            }
            if !word.is_held() && !word.is_claimed() {
                let idle = node.idle();
                let since = word.deadline().saturating_sub(idle);
                return Look::Unused(Unused { word, idle, since });
            }
            if word.is_looked_for() {
                return Look::Held;
            }
            match node.decide(word, word.looked_for()) {
                Ok(()) => return Look::Held,
                Err(other) => word = other,
            }
        }
    }

    /// Claims the timer that is there, if it is as one was seen to be. No two claims at a
    /// time are to be of one `claimant`, modulo 2^16.
    ///
    /// # Errors
    ///
    /// [`Lost`] if it is not.
    pub(crate) fn claim(
        &self,
        id: TimerId,
        seen: Unused,
        claimant: usize,
    ) -> Result<Claim<'_, T>, Lost> {
        let shard = self.shard(id.shard as usize);
        let node = shard.node(id.number);
        let claimed = seen.word.claimed_by(claimant);
        node.decide(seen.word, claimed).map_err(|_| Lost { looked_for_since: None })?;
        let claim = Claim { shard, node, claimed };
        // If the node was another timer's, what was read beside its word was not this one's.
        if node.idle() == seen.idle { Ok(claim) } else { Err(claim.give_up()) }
    }
}

impl<T> Claim<'_, T> {
    /// Retires the timer and gives its payload.
    ///
    /// # Errors
    ///
    /// [`Lost`] if it was used since it was claimed, or is gone.
    ///
    /// # Safety
    ///
    /// The payload keeps the timer's handle from being dropped.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn retire(self) -> Result<T, Lost> {
        let mut word = self.node.word();
        while word.is_same_claim(self.claimed) {
            match self.node.decide(word, word.with_state(State::Retired)) {
                Ok(()) => {
                    self.shard.spent.fetch_add(1, Relaxed);
                    // SAFETY: who makes a timer `Retired` owns its payload; nobody fills
                    // the node again while its handle is there, and it is until the
                    // caller drops the payload.
                    return Ok(unsafe { self.node.take() });
                }
                Err(other) => word = other,
            }
        }
        Err(self.give_up())
    }

    /// Leaves the timer to the others.
    pub(crate) fn give_up(self) -> Lost {
        let mut word = self.node.word();
        // A touch leaves the claim; a driver that notes the word leaves the mark alone.
        while word.is_same_claimant(self.claimed) || word.is_unused_and_looked_for() {
            match self.node.decide(word, word.told()) {
                Ok(()) => {
                    let since = word.deadline().saturating_sub(self.node.idle());
                    return Lost { looked_for_since: word.is_looked_for().then_some(since) };
                }
                Err(other) => word = other,
            }
        }
        Lost { looked_for_since: None }
    }
}
