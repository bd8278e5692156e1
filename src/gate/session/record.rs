//! Read after `core.rs`, `phase.rs`. One session, as its owner, its handles and its timers share it.
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
//! *An end* is the CAS on the phase word. A timer is decided before, on its own word
//! (`wheel/word.rs`): of an enter and the idle timeout exactly one wins there. A call
//! that finds the timer fired and the session open ends it as the timer's driver is
//! about to do (`expire.rs`).
//!
//! *The report of an end*: the wheel gives the payload of a fired timer to exactly one
//! driver, and the first such driver reports the end, if the phase says that one does. An
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
//! | an eviction's timer and the session's fire | `settled`: the first one reports |
//! | reserve, the gate is closed and its timers fire | `new` |
//! | commit, the gate is closed and its timers fire | the same: it is committed and its end is reported, or its commit fails |
//! | the owner is dropped, a timer has fired | the same; if the owner is gone before the driver looks, nothing is reported |

use std::fmt;
use std::sync::OnceLock;

use super::phase::{End, Phase, PhaseWord, ReportedBy};
use super::reason::{CloseReason, Closed, EnterError};
use super::terms::{InitialPhase, LIFE_BITS, Terms, WAITS_FOR_INIT, ends};
use crate::clock::Clock;
use crate::gate::core::Core;
use crate::gate::decide::candidates::{Candidates, Place};
use crate::gate::decide::rejected::Cause;
use crate::gate::settings::config::NEVER;
use crate::sync::arc::{Arc, Weak};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::sync::striped_arc::ArcStripe;
use crate::wheel::{Deadline, ENDLESS, HoldError, Timer, Unused};

/// What the sessions of a gate share.
pub(crate) type SessionCore<T, C> = Core<Record<T, C>, C>;

pub(crate) struct Record<T, C> {
    pub(super) phase: PhaseWord,
    /// Not 0 once the end need not be reported: it was, or the owner has left. Publishes
    /// nothing: the phase does.
    pub(super) settled: AtomicU32,
    /// As drawn in `terms.rs`. Written before the phase leaves `Reserved`, which publishes
    /// it.
    life_ends: AtomicU64,
    /// `None` only in `new`.
    timer: Option<SessionTimer<T, C>>,
    /// It reports an eviction; from the evictor.
    eviction_timer: OnceLock<Box<SessionTimer<T, C>>>,
    pub(crate) place: Place,
    pub(crate) tag: T,
    pub(crate) core: ArcStripe<SessionCore<T, C>>,
}

type SessionTimer<T, C> = Timer<Weak<Record<T, C>>, C>;

impl<T, C: Clock> Record<T, C> {
    /// A session without a slot that no timer ends before it is committed.
    ///
    /// Only the close of the gate fires a timer that is held. If it does while
    /// the record is made, its driver finds no record yet: that is looked for
    /// here, by a write to the timer's word, so that of the two one sees the
    /// other.
    pub(crate) fn new(
        core: &ArcStripe<SessionCore<T, C>>,
        tag: T,
        now: u64,
        terms: &Terms,
    ) -> Result<Arc<Self>, Cause> {
        let longest = if core.candidates.is_some() { ENDLESS } else { NEVER };
        let deadlines = terms.deadlines(core.timeouts.idle().min(longest));
        let record = Arc::new_cyclic(|record: &Weak<Self>| Self {
            phase: PhaseWord::reserved(),
            settled: AtomicU32::new(0),
            life_ends: AtomicU64::new(LIFE_BITS),
            timer: core.wheel.insert_held_at(now, deadlines, record.clone()),
            eviction_timer: OnceLock::new(),
            place: Place::new(core.candidates.as_ref().map_or(0, Candidates::draw)),
            tag,
            core: core.clone(),
        });
        match &record.timer {
            None => Err(Cause::OutOfTimers),
            Some(timer) if !timer.confirm() => Err(Cause::ShutDown),
            Some(_) => Ok(record),
        }
    }

    fn timer(&self) -> &SessionTimer<T, C> {
        self.timer.as_ref().expect("nobody is given a record without a timer")
    }

    /// The reservation becomes a session and its timeouts start, unless its
    /// gate was closed.
    pub(crate) fn commit(
        this: &Arc<Self>,
        now: u64,
        initial: InitialPhase,
        terms: &Terms,
    ) -> Result<(), Closed> {
        let phase = match initial {
            InitialPhase::Pending => Phase::Pending,
            InitialPhase::Established | InitialPhase::Active => Phase::Established,
        };
        let closed = |reason| Err(Closed::new(reason));
        if let Some(reason) = this.core.closed() {
            return closed(reason);
        }
        if phase == Phase::Established {
            Self::become_candidate(this, now);
        }
        let (life, init) = (ends(now, terms.life), ends(now, terms.init));
        let waits = if terms.init < terms.life { WAITS_FOR_INIT } else { 0 };
        this.life_ends.store(life.unwrap_or(LIFE_BITS) | waits, Relaxed);
        match this.phase.change(Phase::Reserved, phase) {
            Err(Phase::Closing(end)) => return closed(end.reason),
            outcome => debug_assert!(outcome.is_ok(), "it is committed once"),
        }
        // Before its timeouts run: `wheel/first_end.rs`.
        this.core.tallies.commits.add_one();
        let fixed = if waits > 0 { init } else { life };
        // If the timer has fired, the gate was closed. A pending session holds it until
        // it is established, and the first activity goes on with the hold there is.
        if terms.has_fixed() {
            match initial {
                InitialPhase::Established => _ = this.timer().release_with_fixed(now, fixed),
                InitialPhase::Pending | InitialPhase::Active => {
                    _ = this.timer().set_fixed_deadline(fixed);
                }
            }
            fixed.into_iter().for_each(|fixed| this.core.first_end.begins(fixed));
            if initial == InitialPhase::Established {
                this.timer().deadline().into_iter().for_each(|idle| this.idle_begins(now, idle));
            }
        } else if initial == InitialPhase::Established {
            this.release_hold(now);
        }
        Ok(())
    }

    /// Pending no longer: the idle time starts. Nothing if it was so before.
    pub(crate) fn establish(this: &Arc<Self>, now: u64) -> Result<(), Closed> {
        this.check()?;
        match this.phase.load() {
            Phase::Pending => {}
            Phase::Closing(end) => return Err(Closed::new(end.reason)),
            _ => return Ok(()),
        }
        Self::become_candidate(this, now);
        if this.waits_for_init() {
            let moved = this.timer().set_fixed_deadline(this.life_ends());
            moved.map_err(|_expired| this.end_expired())?;
            this.core.first_end.ends(&this.core.wheel, &this.timer().spot());
        }
        match this.phase.change(Phase::Pending, Phase::Established) {
            Ok(()) => {
                this.release_hold(now);
                Ok(())
            }
            Err(Phase::Closing(end)) => Err(Closed::new(end.reason)),
            Err(_) => Ok(()),
        }
    }

    /// Before it is established, so that its owner's drop, which follows the end,
    /// finds it among the candidates.
    fn become_candidate(this: &Arc<Self>, now: u64) {
        if let Some(candidates) = &this.core.candidates {
            candidates.enter(this, &this.place, now);
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

    /// A hold of the timer is gone. If it was the last one the idle timeout runs.
    fn release_hold(&self, now: u64) {
        if let Some(deadline) = self.timer().release(now) {
            self.idle_begins(now, deadline);
        }
    }

    /// The idle timeout runs, unless it is endless.
    fn idle_begins(&self, now: u64, deadline: u64) {
        if deadline.saturating_sub(now) < ENDLESS {
            self.core.first_end.begins(deadline);
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

    /// The timer has fired or was sealed, so the session ends, if it had not
    /// before.
    fn end_expired(&self) -> Closed {
        if self.timer().is_sealed() {
            let end =
                self.end_for_good(End::EVICTION).map_or_else(|before| before, |()| End::EVICTION);
            return Closed::new(end.reason);
        }
        // `fire_all` and the drop of the wheel say none: the gate was closed.
        Closed::new(self.expire(self.timer().expired_by().unwrap_or(Deadline::Idle)).reason)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.load()
    }

    /// The idle timer, if nobody holds it.
    pub(crate) fn unused(&self) -> Option<Unused> {
        self.timer().unused()
    }

    /// Nobody enters or touches the session any more, unless it was used since
    /// it was seen.
    pub(crate) fn seal(&self, seen: Unused) -> bool {
        self.timer().seal(seen)
    }

    /// A timer that reports the session's eviction, once it is released. It is in a box
    /// because most sessions have none.
    pub(crate) fn start_eviction_timer(
        this: &Arc<Self>,
        now: u64,
    ) -> Option<Box<SessionTimer<T, C>>> {
        let payload = Arc::downgrade(this);
        this.core.wheel.insert_held_at(now, 0, payload).map(Box::new)
    }

    /// The caller has evicted the session, and this timer reports it.
    pub(crate) fn report_by(&self, timer: Box<SessionTimer<T, C>>, now: u64) {
        self.eviction_timer.get_or_init(|| timer).release(now);
    }
}

impl<T, C> Record<T, C> {
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
            if end.reported_by == ReportedBy::Caller || end.passes_slot {
                self.retire_timer();
            }
        })
    }

    /// The timer ends nothing any more, though handles of the session stay.
    pub(crate) fn retire_timer(&self) {
        let Some(timer) = &self.timer else { return };
        drop(timer.retire());
        self.core.first_end.ends(&self.core.wheel, &timer.spot());
    }

    /// The owner is dropped. Its slot goes back after this.
    pub(crate) fn release(&self) {
        let reason = self.core.closed().unwrap_or(CloseReason::Released);
        _ = self.end(End::new(reason, ReportedBy::Caller));
        self.settled.store(1, Relaxed);
        self.core.tallies.left();
    }

    pub(crate) fn leave_candidates(&self) {
        if let Some(candidates) = &self.core.candidates {
            candidates.leave(&self.place);
        }
    }

    /// The owner is gone, and its slot with it, unless that was passed on.
    pub(crate) fn give_slot_back(&self) {
        match self.phase.load() {
            Phase::Closing(End { passes_slot: true, .. }) => {}
            _ => self.core.counter.release(1),
        }
    }
}

impl<T, C> Drop for Record<T, C> {
    fn drop(&mut self) {
        let Some(timer) = self.timer.take() else { return };
        let spot = timer.spot();
        drop(timer);
        self.core.first_end.ends(&self.core.wheel, &spot);
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
