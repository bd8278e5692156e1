//! Read after `core.rs`, `phase.rs`. One session, as its owner, its
//! handles and its timer share it.
//!
//! *The timer* lives from the reservation to the end, also without any timeout,
//! because the gate knows its sessions by it. Its idle deadline is held by a reservation,
//! by pending, and by each activity; so the idle time starts when the session is
//! established, and anew when the last activity ends. Its fixed deadline is set by the
//! commit: the init timeout's or the lifetime's, whichever is earlier; an init timeout's
//! is moved to the lifetime's as the session is established.
//! A session that ends retires it, unless a driver reports the end by it, so that no timer
//! counts for the first end that ends nothing (`wheel/first_end.rs`).
//!
//! *Who refers to the record*: its owner, its handles, and the timer's payload, which the
//! wheel gives to a driver when it fires, to an evictor that retires it, or to the owner.
//! The owner's last step takes the payload out if it is there still, so that the record
//! goes with its last handle, and at once if there is none.
//!
//! *An end* is the CAS on the phase word. A timer is decided before, on its own word
//! (`wheel/word.rs`): of an enter and the idle timeout exactly one wins there. A call
//! that finds the timer fired and the session open ends it as the timer's driver is
//! about to do (`expire.rs`).
//!
//! *The report of an end*: whoever gets the payload of the timer reports the end, if the
//! phase says that a driver does; an evictor hands it on to one (`sync/handed_on.rs`). An
//! end by a call is reported by that call's return.
//!
//! *The slot* goes back when the owner is dropped, since only then are the session's
//! resources free. An eviction alone passes it on before (`decide/evict.rs`).
//!
//! | race | ruling |
//! |---|---|
//! | enter, the idle timer is due | the CAS on the timer's word: held, or fired |
//! | enter has its hold, then the session is closed | the phase that enter loads after its hold: open, then the close comes later; or closing, then the hold is given up |
//! | idle fires, meanwhile it is closed | the CAS on the phase; the loser of a fired timer reports nothing |
//! | establish, the init timeout | the timer's word: the fixed deadline is moved, or the timer has fired (`expire.rs`) |
//! | two calls of establish | both move the fixed deadline to the same tick; the CAS on the phase says who gives up the hold |
//! | an eviction, the timer fires | the CAS on the timer's word: who gets the payload |
//! | commit, the gate is closed and its timers fire | the CAS on the phase: it is committed and its end is reported, or its commit fails |
//! | the owner is dropped, a timer has fired | the same; if the owner is gone before the driver looks, nothing is reported |

use std::fmt;
use std::ptr::null_mut;

use super::phase::{End, Phase, PhaseWord, ReportedBy};
use super::reason::{CloseReason, Closed, EnterError};
use super::terms::{InitialPhase, LIFE_BITS, Terms, WAITS_FOR_INIT, ends};
use crate::clock::Clock;
use crate::gate::core::Core;
use crate::gate::decide::rejected::Cause;
use crate::gate::settings::config::NEVER;
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::cell::UnsafeCell;
use crate::sync::counted::{Counted, HasCount};
use crate::sync::handed_on::Linked;
use crate::sync::striped_arc::ArcStripe;
use crate::wheel::{ENDLESS, HoldError, LastHold, Timer};

/// What the sessions of a gate share.
pub(crate) type SessionCore<T, C> = Core<Record<T, C>, C>;

/// A reference to a record.
pub(crate) type RecordRef<T, C> = Counted<Record<T, C>>;

pub(crate) struct Record<T, C> {
    references: AtomicU32,
    pub(super) phase: PhaseWord,
    /// As drawn in `terms.rs`. Written before the phase leaves `Reserved`, which publishes
    /// it.
    life_ends: AtomicU64,
    /// Written by `new`, before anybody has the record but the timer's payload, and taken by
    /// who is alone with it but for whoever has the payload, who does not read it.
    timer: UnsafeCell<Option<SessionTimer<T, C>>>,
    unreported: AtomicPtr<()>,
    pub(crate) tag: T,
    pub(crate) core: ArcStripe<SessionCore<T, C>>,
}

type SessionTimer<T, C> = Timer<RecordRef<T, C>, C>;

// SAFETY: all but `timer` is shared by atomics or not changed; its cell is written as said
// there.
#[allow(unsafe_code)]
unsafe impl<T: Send + Sync, C: Send + Sync> Sync for Record<T, C> {}

impl<T, C> HasCount for Record<T, C> {
    fn references(&self) -> &AtomicU32 {
        &self.references
    }
}

impl<T, C> Linked for Record<T, C> {
    fn next(&self) -> &AtomicPtr<()> {
        &self.unreported
    }

    fn is_wanted(&self) -> bool {
        self.phase.to_be_reported().is_some()
    }
}

impl<T, C: Clock> Record<T, C> {
    /// A session without a slot that no timer ends before it is committed.
    #[allow(unsafe_code)]
    pub(crate) fn new(
        core: &ArcStripe<SessionCore<T, C>>,
        tag: T,
        now: u64,
        terms: &Terms,
    ) -> Result<RecordRef<T, C>, Cause> {
        let longest = if core.candidates.is_some() { ENDLESS } else { NEVER };
        let deadlines = terms.deadlines(core.timeouts.idle().min(longest));
        let (record, payload) = Counted::pair(Self {
            references: AtomicU32::new(2),
            phase: PhaseWord::reserved(),
            life_ends: AtomicU64::new(LIFE_BITS),
            timer: UnsafeCell::new(None),
            unreported: AtomicPtr::new(null_mut()),
            tag,
            core: core.clone(),
        });
        let timer = core.wheel.insert_held_at(now, deadlines, payload).ok_or(Cause::OutOfTimers)?;
        let id = timer.id();
        // SAFETY: only the payload's holder knows the record yet, and does not read this.
        record.timer.with_mut(|place| unsafe { *place = Some(timer) });
        match &core.candidates {
            Some(candidates) if candidates.reserve(id).is_err() => {
                Self::let_go(record);
                Err(Cause::OutOfTimers)
            }
            _ => Ok(record),
        }
    }

    /// The reservation becomes a session and its timeouts start, unless its
    /// gate was closed.
    pub(crate) fn commit(
        &self,
        now: u64,
        initial: InitialPhase,
        terms: &Terms,
    ) -> Result<(), Closed> {
        let phase = match initial {
            InitialPhase::Pending => Phase::Pending,
            InitialPhase::Established | InitialPhase::Active => Phase::Established,
        };
        let closed = |reason| Err(Closed::new(reason));
        if let Some(reason) = self.core.closed() {
            return closed(reason);
        }
        if phase == Phase::Established {
            self.become_candidate(now);
        }
        let (life, init) = (ends(now, terms.life), ends(now, terms.init));
        let waits = if terms.init < terms.life { WAITS_FOR_INIT } else { 0 };
        self.life_ends.store(life.unwrap_or(LIFE_BITS) | waits, Relaxed);
        match self.phase.change(Phase::Reserved, phase) {
            Err(Phase::Closing(end)) => return closed(end.reason),
            outcome => debug_assert!(outcome.is_ok(), "it is committed once"),
        }
        self.core.tallies.admitted();
        let fixed = if waits > 0 { init } else { life };
        // If the timer has fired, the gate was closed. A pending session holds it until
        // it is established, and the first activity goes on with the hold there is.
        if terms.has_fixed() {
            let released = match initial {
                InitialPhase::Established => self.timer().release_with_fixed(now, fixed),
                InitialPhase::Pending | InitialPhase::Active => {
                    self.timer().set_fixed_deadline(fixed).map(|()| None)
                }
            };
            fixed.into_iter().for_each(|fixed| self.core.first_end.begins(fixed));
            self.is_unused(now, released.ok().flatten());
        } else if initial == InitialPhase::Established {
            self.release_hold(now);
        }
        Ok(())
    }

    /// Pending no longer: the idle time starts. Nothing if it was so before.
    pub(crate) fn establish(&self, now: u64) -> Result<(), Closed> {
        self.check()?;
        match self.phase.load() {
            Phase::Pending => {}
            Phase::Closing(end) => return Err(Closed::new(end.reason)),
            _ => return Ok(()),
        }
        self.become_candidate(now);
        if self.waits_for_init() {
            let moved = self.timer().set_fixed_deadline(self.life_ends());
            moved.map_err(|_expired| self.end_expired())?;
            self.core.first_end.ends(self.timer().id());
        }
        match self.phase.change(Phase::Pending, Phase::Established) {
            Ok(()) => {
                self.release_hold(now);
                Ok(())
            }
            Err(Phase::Closing(end)) => Err(Closed::new(end.reason)),
            Err(_) => Ok(()),
        }
    }

    /// Before it is established, so that its owner's drop, which follows the end,
    /// finds it among the candidates.
    fn become_candidate(&self, now: u64) {
        if let Some(candidates) = &self.core.candidates {
            candidates.enter(self.timer().id(), now);
        }
    }

    /// Begins an activity; each `Ok` is ended by one `leave`.
    pub(crate) fn enter(&self) -> Result<(), EnterError> {
        match self.timer().hold_owned() {
            Ok(()) => {}
            Err(HoldError::TooMany) => return Err(EnterError::TooMany),
            Err(_expired) => return Err(self.end_expired().into()),
        }
        self.check().map_err(|closed| {
            self.leave();
            EnterError::from(closed)
        })
    }

    pub(crate) fn leave(&self) {
        self.release_hold(self.core.now_rounded_up());
    }

    /// A hold of the timer is gone.
    fn release_hold(&self, now: u64) {
        self.is_unused(now, self.timer().release(now));
    }

    /// If the last hold of the timer is gone, the idle timeout runs, unless it is endless.
    fn is_unused(&self, now: u64, released: Option<LastHold>) {
        let Some(LastHold { deadline, since, is_looked_for }) = released else { return };
        if deadline.saturating_sub(now) < ENDLESS {
            self.core.first_end.begins(deadline);
        }
        if is_looked_for {
            self.core.may_go(self.timer().id(), since);
        }
    }

    pub(crate) fn touch(&self) -> Result<(), Closed> {
        match self.timer().touch_at(self.core.now_rounded_up()) {
            Ok(()) => self.check(),
            Err(_expired) => Err(self.end_expired()),
        }
    }

    /// Has the session ended? If its gate was closed, it ends here.
    pub(crate) fn check(&self) -> Result<(), Closed> {
        match (self.phase.load(), self.core.closed()) {
            (Phase::Closing(end), _) => Err(Closed::new(end.reason)),
            (_, Some(reason)) => {
                let told = self.end(End::new(reason, ReportedBy::Driver));
                Err(Closed::new(told.map_or_else(|end| end.reason, |()| reason)))
            }
            _ => Ok(()),
        }
    }

    /// The timer has fired or was retired, so the session ends, if it had not
    /// before.
    fn end_expired(&self) -> Closed {
        let end = match (self.phase.load(), self.timer().expired_by()) {
            (Phase::Closing(end), _) => end,
            (_, Some(by)) => self.expire(by),
            // An evictor has retired it, and is about to end the session.
            (_, None) => self.end(End::EVICTION).map_or_else(|before| before, |()| End::EVICTION),
        };
        Closed::new(end.reason)
    }
}

impl<T, C> Record<T, C> {
    #[allow(unsafe_code)]
    fn timer(&self) -> &SessionTimer<T, C> {
        // SAFETY: written before anybody could call this; taken by who is alone.
        let timer = self.timer.with(|timer| unsafe { &*timer });
        timer.as_ref().expect("nobody is given a record without a timer")
    }

    /// Ends the session, or returns how it had ended before.
    pub(crate) fn end(&self, end: End) -> Result<(), End> {
        self.phase.end(end).inspect(|()| self.core.tallies.ended(end))
    }

    /// Is the fixed deadline that of the init timeout? Only where the phase is past
    /// `Reserved`.
    pub(super) fn waits_for_init(&self) -> bool {
        self.phase.load() == Phase::Pending && self.life_ends.load(Relaxed) & WAITS_FOR_INIT != 0
    }

    fn life_ends(&self) -> Option<u64> {
        Some(self.life_ends.load(Relaxed) & LIFE_BITS).filter(|tick| *tick < LIFE_BITS)
    }

    /// Ends the session, or returns how it had ended before. Its timer runs no more,
    /// unless the driver that it fires for reports the end.
    pub(crate) fn end_for_good(&self, end: End) -> Result<(), End> {
        self.end(end).inspect(|()| {
            if end.reported_by == ReportedBy::Caller {
                drop(self.retire_timer());
            }
        })
    }

    /// The timer ends nothing any more, though handles of the session stay.
    fn retire_timer(&self) -> Option<RecordRef<T, C>> {
        let payload = self.timer().retire();
        self.core.first_end.ends(self.timer().id());
        payload
    }

    /// The same for who is alone with the record, but for whoever has the payload.
    #[allow(unsafe_code)]
    fn cancel_timer(&self) -> Option<RecordRef<T, C>> {
        let id = self.timer().id();
        // SAFETY: whoever has the payload does not read the timer.
        let timer = self.timer.with_mut(|timer| unsafe { (*timer).take() })?;
        let payload = match timer.cancel_live() {
            Ok(payload) => Some(payload),
            Err(timer) => {
                // SAFETY: as above. Who retired it relies on the handle.
                self.timer.with_mut(|place| unsafe { *place = Some(timer) });
                None
            }
        };
        self.core.first_end.ends(id);
        payload
    }

    /// The owner is dropped. Its slot goes back after this.
    pub(crate) fn release(&self) {
        let reason = self.core.closed().unwrap_or(CloseReason::Released);
        if self.end(End::new(reason, ReportedBy::Caller)).is_err() {
            self.phase.report_to_nobody();
        }
        self.core.tallies.left();
    }

    /// The owner is gone, and its slot with it, unless that was passed on.
    pub(crate) fn give_slot_back(&self) {
        match self.phase.load() {
            Phase::Closing(End { passes_slot: true, .. }) => {
                self.core.unreported.owner_left();
            }
            _ => self.core.counter.release(1),
        }
    }

    /// The owner's last step.
    pub(crate) fn let_go(this: RecordRef<T, C>) {
        if let Some(candidates) = &this.core.candidates {
            candidates.leave(this.timer().id());
        }
        // The payload was in the wheel when the references were counted, if it is there
        // now: so there is no handle.
        let is_alone = Counted::count(&this) == 2 && this.timer().is_live();
        let payload = if is_alone { this.cancel_timer() } else { this.retire_timer() };
        match payload {
            Some(payload) => Counted::drop_both(this, payload),
            None => drop(this),
        }
    }
}

impl<T: fmt::Debug, C> Record<T, C> {
    /// Shown as what holds the record.
    pub(crate) fn show(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("tag", &self.tag)
            .field("phase", &self.phase.load())
            .finish_non_exhaustive()
    }
}
