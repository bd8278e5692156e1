//! Read after `src/candidates.rs`, `session/record.rs`. Eviction: the slot of a session passes
//! to a newcomer in the step that ends the session.
//!
//! *Invariant*: a slot has one owner. An end that passes the slot (`session/phase.rs`)
//! makes it the evictor's; after any other end it stays with the session's owner, whose
//! drop reads the phase. The gate's count never changes.
//!
//! *Two steps*. First the evictor retires the session's timer, by a CAS from a word that says
//! that nobody holds it and since when (`wheel/claim.rs`). Of an enter or a touch and that
//! exactly one wins, so a session that is busy or was active meanwhile is never evicted. Then it
//! ends the session. A call that finds the timer retired ends it in the evictor's name; if
//! an end for another reason comes first, the evictor looks on.
//!
//! *Linearization point*: the CAS on the phase, for the victim's end and the newcomer's
//! admission alike.
//!
//! *Report*: the evictor has the timer's payload, so no driver gets it from the wheel. It
//! hands it on to the next one (`sync/handed_on.rs`).
//!
//! *Choice*: the first in the order at an instant of the search (`src/order`). A thread that
//! ends an activity and stalls between reading the clock and
//! saying so may leave its session with an earlier last activity than that.
//!
//! | race | ruling |
//! |---|---|
//! | enter, touch, the timer fires | the CAS on the timer's word |
//! | close, the owner's drop | the CAS on the phase |
//! | another evictor | the CAS on the timer's word; the other looks on |
//! | a slot comes free while the search goes on | it is taken instead; between the last look at the count and the end it comes too late |
//! | `set_limit` | while more is in use than the limit allows, nobody is evicted; a limit that is lowered later refuses no slot that passes |
//! | `close_all` fires the timers | whoever gets the payload |
//! | enter after the timer is retired, before the end | it ends the session as evicted, and returns that |
//!
//! *Progress*: lock-free, but for the order's memory.

use crate::candidates::Candidate;
use crate::clock::Clock;
use crate::gate::session::phase::{End, ReportedBy};
use crate::gate::session::record::SessionCore;
use crate::wheel::TimerId;

/// There is nobody to evict; perhaps there is after so many ticks.
pub(crate) struct NoVictim {
    pub(crate) wait: Option<u64>,
}

/// A slot that is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the slot has no owner yet"]
pub(crate) enum TakenSlot {
    Free,
    /// A session was evicted for it.
    Evicted,
}

impl<T, C: Clock> SessionCore<T, C> {
    /// The session to evict at `now`: the first in its order that is
    /// established, has nothing in flight, and is not safe by the floor.
    pub(crate) fn victim(&self, now: u64) -> Result<Candidate, NoVictim> {
        match &self.candidates {
            Some(candidates) if !self.counter.is_over() => {
                let found = candidates.search(&self.wheel, now);
                found.map_err(|wait| NoVictim { wait })
            }
            _ => Err(NoVictim { wait: None }),
        }
    }

    /// Takes a slot that is free, or ends the session to evict, which may have been found
    /// before, and makes its slot the caller's.
    pub(crate) fn make_room(
        &self,
        now: u64,
        mut found: Option<Candidate>,
    ) -> Result<TakenSlot, NoVictim> {
        if self.counter.reserve(1).is_ok() {
            return Ok(TakenSlot::Free);
        }
        loop {
            let found = found.take().filter(|_| !self.counter.is_over());
            let victim = found.map_or_else(|| self.victim(now), Ok);
            // Where one came free meanwhile nobody has to go.
            if self.counter.reserve(1).is_ok() {
                return Ok(TakenSlot::Free);
            }
            if self.evict(victim?) {
                // In the place of a reservation: `wheel/first_end.rs`.
                self.counter.hear();
                return Ok(TakenSlot::Evicted);
            }
        }
    }

    /// Ends the session, and is its slot the caller's? Not if it was used or has ended.
    fn evict(&self, victim: Candidate) -> bool {
        let Some(candidates) = &self.candidates else { return false };
        let Some(record) = candidates.retire(&self.wheel, victim) else { return false };
        let end = record.end(End::EVICTION).map_or_else(|before| before, |()| End::EVICTION);
        let is_reported = end.reported_by == ReportedBy::Driver;
        // Nobody owns a slot that passes yet, so this may not be what drops the tag.
        if end.passes_slot || is_reported {
            self.unreported.put(record);
        }
        if is_reported && !end.passes_slot {
            self.alarm.ring();
        }
        end.passes_slot
    }

    /// The session with this timer, which a search has passed, is unused since this tick.
    pub(crate) fn may_go(&self, timer: TimerId, since: u64) {
        if let Some(candidates) = &self.candidates {
            candidates.may_go(timer, since);
        }
    }
}

#[cfg(feature = "loom")]
impl<K: 'static, T, C: Clock> crate::gate::handle::Gate<K, T, C> {
    /// Does an eviction find a session, now by the gate's clock?
    #[doc(hidden)]
    pub fn finds_victim(&self) -> bool {
        self.core.victim(self.core.now()).is_ok()
    }

    /// Takes a slot as a newcomer does, evicting if need be, and gives it back.
    #[doc(hidden)]
    pub fn makes_room(&self) -> bool {
        let room = self.core.make_room(self.core.now(), None);
        room.map(|_taken| self.core.counter.release(1)).is_ok()
    }
}
