//! Read after `candidates.rs`, `session/record.rs`. Eviction: the slot of a session passes
//! to a newcomer in the step that ends the session.
//!
//! *Invariant*: a slot has one owner. An end that passes the slot (`session/phase.rs`)
//! makes it the evictor's; after any other end it stays with the session's owner, whose
//! drop reads the phase. The gate's count never changes.
//!
//! *Two steps*. First the evictor seals the idle timer, by a CAS from a word that says
//! that nobody holds it and since when. Of an enter or a touch and the seal exactly one
//! wins, so a session that is busy or was active meanwhile is never evicted. Then it
//! ends the session. A call that the seal turns away ends it in the evictor's name; if
//! an end for another reason comes first, the evictor looks on.
//!
//! *Linearization point*: the CAS on the phase, for the victim's end and the newcomer's
//! admission alike.
//!
//! *Report*: by a timer that is due at once. It is made before the victim is ended,
//! because that may fail, held until the victim is, and owned by the victim's record. So
//! the next `advance` reports, or the one in the tick after, if a driver meets the timer held.
//!
//! *Choice*: the first in the order when the search passes it. Activity only moves a
//! session back, so a first one whose rank is its last activity is the least recently
//! active, to the tick: a thread that ends an activity and stalls between reading the clock and
//! saying so may leave its session with a rank after that. The seal does not look whether
//! a session that was busy has become the first meanwhile.
//!
//! | race | ruling |
//! |---|---|
//! | enter, touch | the CAS on the idle timer's word: used, or sealed |
//! | close, a timeout, the owner's drop | the CAS on the phase |
//! | another evictor | the seal; the other looks on |
//! | a slot comes free while the search goes on | it is taken instead; between the last look at the count and the seal it comes too late |
//! | `set_limit` | while more is in use than the limit allows, nobody is evicted; a limit that is lowered later refuses no slot that passes |
//! | `close_all` fires the timer that reports | it ends the session for the gate's reason if nothing has, and reports |
//! | enter after the seal, before the end | it ends the session as evicted, and returns that |
//!
//! *Progress*: lock-free, but for the timer's and the index's memory.

use super::candidates::{Order, Place};
use crate::clock::Clock;
use crate::gate::session::phase::{End, Phase};
use crate::gate::session::record::{Record, SessionCore};
use crate::sync::arc::Arc;
use crate::wheel::Unused;

/// A session that may be evicted, as it was seen.
pub(crate) struct Victim<T, C> {
    record: Arc<Record<T, C>>,
    seen: Unused,
}

/// There is nobody to evict; perhaps there is after so many ticks.
pub(crate) struct NoVictim {
    pub(crate) wait: Option<u64>,
}

/// A slot that is the caller's.
#[must_use = "the slot has no owner yet"]
pub(crate) struct TakenSlot<T, C> {
    /// Was a session evicted for it?
    pub(crate) evicts: bool,
    /// A session that the search found. The caller may be the last to know it,
    /// and its tag's drop may panic, so it goes when the slot has its owner.
    pub(crate) found: Option<Arc<Record<T, C>>>,
}

impl<T, C: Clock> SessionCore<T, C> {
    /// The session to evict at `now`: the first in its order that is
    /// established, has nothing in flight, and is not safe by the floor.
    pub(crate) fn victim(&self, now: u64) -> Result<Victim<T, C>, NoVictim> {
        let Some(candidates) = &self.candidates else { return Err(NoVictim { wait: None }) };
        if self.counter.is_over() {
            return Err(NoVictim { wait: None });
        }
        let mut last = (0, 0);
        while let Some((key, record)) = candidates.after(last) {
            let safe_until = key.0.saturating_add(candidates.floor());
            if candidates.order == Order::LeastRecentlyActive && safe_until > Place::rank_of(now) {
                return Err(NoVictim { wait: Some(safe_until - Place::rank_of(now)) });
            }
            last = key;
            // If it is gone, its owner is taking it out.
            let Some(record) = record.upgrade() else { continue };
            match (record.phase(), record.unused()) {
                (Phase::Closing(_), _) => candidates.leave(&record.place),
                (Phase::Established, Some(seen)) => match candidates.order {
                    Order::LeastRecentlyActive if Place::rank_of(seen.since) > key.0 => {
                        candidates.move_on(
                            &record,
                            &record.place,
                            key.0,
                            Place::rank_of(seen.since),
                        );
                    }
                    _ => return Ok(Victim { record, seen }),
                },
                // It is active now.
                (Phase::Established, None) if candidates.order == Order::LeastRecentlyActive => {
                    candidates.move_on(&record, &record.place, key.0, Place::rank_of(now));
                }
                _ => {}
            }
        }
        Err(NoVictim { wait: None })
    }

    /// Takes a slot that is free, or ends the session to evict and makes its
    /// slot the caller's.
    pub(crate) fn make_room(&self, now: u64) -> Result<TakenSlot<T, C>, NoVictim> {
        if self.counter.reserve(1).is_ok() {
            return Ok(TakenSlot { evicts: false, found: None });
        }
        loop {
            let victim = self.victim(now);
            // Where one came free meanwhile nobody has to go.
            if self.counter.reserve(1).is_ok() {
                return Ok(TakenSlot {
                    evicts: false,
                    found: victim.ok().map(|found| found.record),
                });
            }
            let Victim { record, seen } = victim?;
            let Some(timer) = Record::start_eviction_timer(&record, now) else {
                return Err(NoVictim { wait: None });
            };
            if !record.seal(seen) {
                continue;
            }
            let end =
                record.end_for_good(End::EVICTION).map_or_else(|before| before, |()| End::EVICTION);
            record.leave_candidates();
            if end.passes_slot {
                record.report_by(timer, now);
                return Ok(TakenSlot { evicts: true, found: Some(record) });
            }
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
}
