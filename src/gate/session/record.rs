//! Read after `core.rs`, `phase.rs`. One session, as its owner, its handles and its timers share it.
//!
//! *Timers*: the idle timer lives from the reservation to the end, also without an
//! idle timeout, because the gate knows its sessions by it. Pending holds it, and so does
//! each activity; so the idle time starts when the session is established, and anew
//! when the last activity ends. The others are held until the commit.
//! A session that ends retires them, but for the one whose driver reports the end, so that
//! no timer counts for the first end that ends nothing (`decide/first_end.rs`).
//!
//! *An end* is the CAS on the phase word. A timer is decided before, on its own word
//! (`wheel/word.rs`): of an enter and the idle timeout exactly one wins there. A call
//! that finds the idle timer fired and the session open ends it as idle, as the timer's
//! driver is about to do.
//!
//! *The report of an end*: the wheel gives the payload of a fired timer to exactly one
//! driver, and that driver reports the end if the phase names its timer (`expire.rs`).
//! An end by a call is reported by that call's return.
//!
//! *The slot* goes back when the owner is dropped, since only then are the session's
//! resources free. An eviction alone passes it on before (`decide/evict.rs`).
//!
//! | race | ruling |
//! |---|---|
//! | enter, the idle timer is due | the CAS on the timer's word: held, or fired |
//! | enter has its hold, then the session is closed | the phase that enter loads after its hold: open, then the close comes later; or closing, then the hold is given up |
//! | idle fires, meanwhile it is closed | the CAS on the phase; the loser of a fired timer reports nothing |
//! | two timers fire | the same |
//! | establish, the init timer fires | the same; only an established session gives up its first hold |
//! | reserve, the gate is closed and its timers fire | `new` |
//! | commit, the gate is closed and its timers fire | the same: it is committed and its end is reported, or its commit fails |
//! | the owner is dropped, a timer has fired | the same; if the owner is gone before the driver looks, nothing is reported |

use std::fmt;
use std::sync::OnceLock;

use super::phase::{End, Phase, PhaseWord, ReportedBy, TimerKind};
use super::reason::{CloseReason, Closed, EnterError};
use crate::clock::Clock;
use crate::gate::core::{Core, TimerPayload};
use crate::gate::decide::candidates::{Candidates, Place};
use crate::gate::decide::first_end::ENDLESS;
use crate::gate::decide::rejected::Cause;
use crate::gate::settings::config::NEVER;
use crate::sync::arc::{Arc, Weak};
use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::striped_arc::ArcStripe;
use crate::wheel::{HoldError, Timer, Unused};

/// What the sessions of a gate share.
pub(crate) type SessionCore<T, C> = Core<Record<T, C>, C>;

pub(crate) struct Record<T, C> {
    pub(super) phase: PhaseWord,
    /// Not 0 once the end need not be reported. Publishes nothing: the phase does.
    pub(super) owner_left: AtomicU32,
    /// `None` only in `new`.
    timers: Option<Timers<T, C>>,
    /// It reports an eviction; from the evictor.
    eviction_timer: OnceLock<Box<SessionTimer<T, C>>>,
    pub(crate) place: Place,
    pub(crate) tag: T,
    pub(crate) core: ArcStripe<SessionCore<T, C>>,
}

type SessionTimer<T, C> = Timer<TimerPayload<Record<T, C>>, C>;

struct Timers<T, C> {
    idle: SessionTimer<T, C>,
    init: Option<SessionTimer<T, C>>,
    life: Option<SessionTimer<T, C>>,
}

/// How the session begins when it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitialPhase {
    Pending,
    Established,
    /// Established, with an activity.
    Active,
}

impl<T, C: Clock> Timers<T, C> {
    fn start(
        core: &SessionCore<T, C>,
        now: u64,
        initial: InitialPhase,
        record: &Weak<Record<T, C>>,
    ) -> Option<Self> {
        let start = |kind, ticks| {
            let payload = TimerPayload { record: record.clone(), kind };
            core.wheel.insert_held_at(now, ticks, payload)
        };
        let init = if initial == InitialPhase::Pending { core.timeouts.init() } else { NEVER };
        // `Some(None)` where there is none to start.
        let unless_never = |kind, ticks| match ticks {
            NEVER => Some(None),
            _ => start(kind, ticks).map(Some),
        };
        // The gate that evicts reads off the deadline when the idle time began.
        let longest = if core.candidates.is_some() { ENDLESS } else { NEVER };
        let init = unless_never(TimerKind::Init, init)?;
        let life = unless_never(TimerKind::Life, core.timeouts.life())?;
        // Last the one that every session has: nothing can fail while it is moved.
        let idle = start(TimerKind::Idle, core.timeouts.idle().min(longest))?;
        Some(Self { idle, init, life })
    }
}

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
        initial: InitialPhase,
    ) -> Result<Arc<Self>, Cause> {
        let record = Arc::new_cyclic(|record| Self {
            phase: PhaseWord::reserved(),
            owner_left: AtomicU32::new(0),
            timers: Timers::start(core, now, initial, record),
            eviction_timer: OnceLock::new(),
            place: Place::new(core.candidates.as_ref().map_or(0, Candidates::draw)),
            tag,
            core: core.clone(),
        });
        match &record.timers {
            None => Err(Cause::OutOfTimers),
            Some(timers) if !timers.idle.confirm() => Err(Cause::ShutDown),
            Some(_) => Ok(record),
        }
    }

    fn timers(&self) -> &Timers<T, C> {
        self.timers.as_ref().expect("nobody is given a record without timers")
    }

    /// The reservation becomes a session and its timeouts start, unless its
    /// gate was closed.
    pub(crate) fn commit(this: &Arc<Self>, now: u64, initial: InitialPhase) -> Result<(), Closed> {
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
        match this.phase.change(Phase::Reserved, phase) {
            Err(Phase::Closing(end)) => return closed(end.reason),
            outcome => debug_assert!(outcome.is_ok(), "it is committed once"),
        }
        // Before its timeouts run: `decide/first_end.rs`.
        this.core.tallies.commits.add_one();
        let Timers { idle, init, life } = this.timers();
        // Of a pending session it is held until that is established, and the first
        // activity goes on with the hold that there is.
        let idle = (initial == InitialPhase::Established).then_some(idle);
        idle.into_iter().chain(init).chain(life).for_each(|timer| this.release_timer(timer, now));
        Ok(())
    }

    /// Pending no longer: the idle time starts. Nothing if it was so before.
    pub(crate) fn establish(this: &Arc<Self>, now: u64) -> Result<(), Closed> {
        this.check()?;
        if this.phase.load() == Phase::Pending {
            Self::become_candidate(this, now);
        }
        match this.phase.change(Phase::Pending, Phase::Established) {
            Ok(()) => {
                let Timers { idle, init, life: _ } = this.timers();
                init.iter().for_each(|init| this.retire_timer(init));
                this.release_timer(idle, now);
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
        match self.timers().idle.hold_owned() {
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
        self.release_timer(&self.timers().idle, self.core.now_rounded_up());
    }

    /// A hold of a timer is gone. If it was the last one the timer runs, unless its
    /// time is endless.
    fn release_timer(&self, timer: &SessionTimer<T, C>, now: u64) {
        let deadline = timer.release(now);
        if let Some(deadline) = deadline.filter(|deadline| deadline.saturating_sub(now) < ENDLESS) {
            self.core.first_end.begins(deadline);
        }
    }

    pub(crate) fn touch(&self) -> Result<(), Closed> {
        match self.timers().idle.touch_at(self.core.now_rounded_up()) {
            Ok(()) => self.check(),
            Err(_expired) => Err(self.end_expired()),
        }
    }

    /// Has the session ended? If its gate was closed, it ends here.
    pub(crate) fn check(&self) -> Result<(), Closed> {
        match (self.phase.load(), self.core.closed()) {
            (Phase::Closing(end), _) => Err(Closed::new(end.reason)),
            (_, Some(reason)) => {
                let told = self.end(End::new(reason, ReportedBy::Driver(TimerKind::Idle)));
                Err(Closed::new(told.map_or_else(|end| end.reason, |()| reason)))
            }
            _ => Ok(()),
        }
    }

    /// The idle timer has fired or was sealed, so the session ends, if it had not
    /// before.
    fn end_expired(&self) -> Closed {
        let end = match self.timers().idle.is_sealed() {
            true => End::EVICTION,
            false => self.idle_end(),
        };
        Closed::new(self.end_for_good(end).map_or_else(|before| before.reason, |()| end.reason))
    }

    /// What it means that the idle timer has fired.
    pub(super) fn idle_end(&self) -> End {
        let reason = self.core.closed().unwrap_or(CloseReason::Idle);
        End::new(reason, ReportedBy::Driver(TimerKind::Idle))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.load()
    }

    /// The idle timer, if nobody holds it.
    pub(crate) fn unused(&self) -> Option<Unused> {
        self.timers().idle.unused()
    }

    /// Nobody enters or touches the session any more, unless it was used since
    /// it was seen.
    pub(crate) fn seal(&self, seen: Unused) -> bool {
        self.timers().idle.seal(seen)
    }

    /// A timer that reports the session's eviction, once it is released. It is in a box
    /// because most sessions have none.
    pub(crate) fn start_eviction_timer(
        this: &Arc<Self>,
        now: u64,
    ) -> Option<Box<SessionTimer<T, C>>> {
        let payload = TimerPayload { record: Arc::downgrade(this), kind: TimerKind::Evicted };
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

    /// The same, and no timer of the session runs any more, but for the one whose
    /// driver reports the end.
    pub(crate) fn end_for_good(&self, end: End) -> Result<(), End> {
        self.end(end).inspect(|()| self.retire_timers(end.reported_by))
    }

    /// No timer of the session runs any more, but for the one whose driver reports
    /// its end.
    pub(crate) fn retire_timers(&self, reported_by: ReportedBy) {
        let Some(Timers { idle, init, life }) = &self.timers else { return };
        let timers = [
            (TimerKind::Idle, Some(idle)),
            (TimerKind::Init, init.as_ref()),
            (TimerKind::Life, life.as_ref()),
        ];
        let others =
            timers.into_iter().filter(|&(kind, _)| reported_by != ReportedBy::Driver(kind));
        others.filter_map(|(_, timer)| timer).for_each(|timer| self.retire_timer(timer));
    }

    /// The timer ends nothing any more, though handles of the session stay.
    fn retire_timer(&self, timer: &SessionTimer<T, C>) {
        drop(timer.retire());
        self.core.first_end.ends(&self.core.wheel, &timer.spot());
    }

    /// The owner is dropped. Its slot goes back after this.
    pub(crate) fn release(&self) {
        let reason = self.core.closed().unwrap_or(CloseReason::Released);
        _ = self.end(End::new(reason, ReportedBy::Caller));
        self.owner_left.store(1, Relaxed);
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
        let Some(Timers { idle, init, life }) = self.timers.take() else { return };
        for timer in [Some(idle), init, life].into_iter().flatten() {
            let spot = timer.spot();
            drop(timer);
            self.core.first_end.ends(&self.core.wheel, &spot);
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
