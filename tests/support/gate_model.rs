//! A sequential model of the gate's whole API. The property test drives steps
//! through it.

use std::sync::Arc;
use std::time::Duration;

use headcount::{
    Activity, Cause, CloseReason, Gate, Limit, ManualClock, Rejected, Reservation, Session,
};

/// One call. Indices are taken modulo the number of what they select.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// `reserve` for a subject.
    Reserve(Option<u8>),
    /// `admit` for a subject.
    Admit(Option<u8>),
    /// Commits a reservation.
    Commit(usize),
    /// Drops a reservation.
    Undo(usize),
    /// `establish`
    Establish(usize),
    /// `enter`
    Enter(usize),
    /// Drops an activity.
    Leave(usize),
    /// `touch`
    Touch(usize),
    /// `close`
    Close(usize),
    /// Drops the owner.
    Drop(usize),
    /// Time passes and nobody drives.
    Wait(u64),
    /// `expired`
    Expire,
    /// `set_limit`
    SetLimit(u32),
    /// `set_subject_limit`
    SetSubjectLimit(u32),
    /// `set_idle_timeout`
    SetIdle(u64),
    /// `close_all`
    CloseAll,
}

type Clock = Arc<ManualClock>;
type Tag = u32;

const INIT: u64 = 7;
const LIFE: u64 = 40;
const MOST: usize = 6;
const WINDOW: u64 = 15;

/// What a sequential gate knows of a session whose owner lives.
struct Seat {
    tag: Tag,
    subject: Option<u8>,
    is_pending: bool,
    busy: usize,
    idle: u64,
    idle_at: u64,
    init_at: u64,
    life_at: u64,
    end: Option<CloseReason>,
}

impl Seat {
    /// The reasons that hold at `now`; there is no order among them.
    fn due(&self, now: u64) -> Vec<CloseReason> {
        let is_idle = !self.is_pending && self.busy == 0 && self.idle_at <= now;
        let due = [
            (is_idle, CloseReason::Idle),
            (self.is_pending && self.init_at <= now, CloseReason::InitTimeout),
            (self.life_at <= now, CloseReason::MaxLifetime),
        ];
        due.into_iter().filter(|&(holds, _)| holds).map(|(_, reason)| reason).collect()
    }
}

/// A sequential gate.
struct Model {
    now: u64,
    limit: u32,
    subject_limit: u32,
    idle: u64,
    is_closed: bool,
    reserved: Vec<Seat>,
    seats: Vec<Seat>,
    /// When each admission leaves the rate window, by its tag.
    window: Vec<(Tag, u64)>,
    admitted: u64,
    rejected: [u64; Cause::ALL.len()],
    ended: [u64; CloseReason::ALL.len()],
}

impl Model {
    fn held(&self, subject: u8) -> u32 {
        let seats = self.seats.iter().chain(&self.reserved);
        seats.filter(|seat| seat.subject == Some(subject)).count() as u32
    }

    fn in_use(&self) -> u32 {
        (self.seats.len() + self.reserved.len()) as u32
    }

    /// The causes for which a subject may be refused now.
    fn causes(&mut self, subject: Option<u8>) -> Vec<Cause> {
        let now = self.now;
        self.window.retain(|&(_, leaves)| leaves > now);
        if self.is_closed {
            return vec![Cause::ShutDown];
        }
        if subject.is_some_and(|subject| self.held(subject) >= self.subject_limit) {
            return vec![Cause::SubjectAtLimit];
        }
        let full = (self.window.len() >= MOST).then_some(Cause::RateLimited);
        full.into_iter().chain((self.in_use() >= self.limit).then_some(Cause::AtCapacity)).collect()
    }

    fn reserve(&mut self, tag: Tag, subject: Option<u8>) -> Seat {
        self.window.push((tag, self.now + WINDOW));
        let (idle, never) = (self.idle.min(LIFE), u64::MAX);
        let (is_pending, busy, end) = (true, 0, None);
        Seat {
            tag,
            subject,
            is_pending,
            busy,
            idle,
            idle_at: never,
            init_at: never,
            life_at: never,
            end,
        }
    }

    fn commit(&mut self, mut seat: Seat) {
        self.admitted += 1;
        (seat.init_at, seat.life_at) = (self.now + INIT, self.now + LIFE);
        self.seats.push(seat);
    }

    fn establish(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if std::mem::take(&mut seat.is_pending) {
            seat.idle_at = self.now + seat.idle;
        }
    }

    fn end(&mut self, index: usize, reason: CloseReason) {
        assert_eq!(self.seats[index].end.replace(reason), None, "it ends once");
        self.ended[reason as usize] += 1;
    }

    fn refused(&mut self, refused: &Rejected, causes: &[Cause]) {
        assert!(causes.contains(&refused.cause()), "{refused:?} is none of {causes:?}");
        self.rejected[refused.cause() as usize] += 1;
        if refused.cause() == Cause::RateLimited {
            let first = self.window.iter().map(|&(_, leaves)| leaves).min().unwrap();
            assert_eq!(refused.retry_after(), Some(Duration::from_millis(first - self.now)));
        }
    }
}

/// The real gate beside the model, in the same order.
struct Run {
    gate: Gate<u8, Tag, Clock>,
    clock: Clock,
    model: Model,
    reservations: Vec<Reservation<u8, Tag, Clock>>,
    sessions: Vec<Session<u8, Tag, Clock>>,
    activities: Vec<Activity<Tag, Clock>>,
    next: Tag,
}

/// Runs `steps`, each of which must be answered as the model says.
pub fn run(limit: u32, subject_limit: u32, idle: u64, steps: &[Step]) {
    let clock = Arc::new(ManualClock::new());
    let ticks = Duration::from_millis;
    let gate = Gate::builder()
        .limit(Limit::at_most(limit))
        .subject_limit(Limit::at_most(subject_limit))
        .rate(MOST as u32, ticks(WINDOW))
        .init_timeout(ticks(INIT))
        .idle_timeout(ticks(idle))
        .max_lifetime(ticks(LIFE))
        .may_lock_out_for_ever()
        .clock(Arc::clone(&clock))
        .build()
        .expect("a good configuration");
    let model = Model {
        now: 0,
        limit,
        subject_limit,
        idle,
        is_closed: false,
        reserved: Vec::new(),
        seats: Vec::new(),
        window: Vec::new(),
        admitted: 0,
        rejected: [0; Cause::ALL.len()],
        ended: [0; CloseReason::ALL.len()],
    };
    let (reservations, sessions, activities) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = Run { gate, clock, model, reservations, sessions, activities, next: 0 };
    for &step in steps {
        run.step(step);
        run.compare(step);
    }
    run.reservations.clear();
    run.sessions.clear();
    let stats = run.gate.stats();
    assert_eq!((stats.in_use, stats.draining, run.gate.subjects()), (0, 0, 0));
    let ends: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
    assert_eq!(ends, stats.admitted);
}

impl Run {
    fn step(&mut self, step: Step) {
        let at = |index: usize, len: usize| index.checked_rem(len);
        let model = &mut self.model;
        match step {
            Step::Reserve(subject) => {
                let causes = model.causes(subject);
                match self.gate.reserve(subject.as_ref(), self.next) {
                    Ok(reservation) => {
                        assert_eq!(causes, [], "{step:?} was granted");
                        let seat = model.reserve(self.next, subject);
                        model.reserved.push(seat);
                        self.reservations.push(reservation);
                    }
                    Err(refused) => model.refused(&refused, &causes),
                }
                self.next += 1;
            }
            Step::Admit(subject) => {
                let causes = model.causes(subject);
                match self.gate.admit(subject.as_ref(), self.next) {
                    Ok(session) => {
                        assert_eq!(causes, [], "{step:?} was granted");
                        let seat = model.reserve(self.next, subject);
                        model.commit(seat);
                        model.establish(model.seats.len() - 1);
                        self.sessions.push(session);
                    }
                    Err(refused) => model.refused(&refused, &causes),
                }
                self.next += 1;
            }
            Step::Commit(index) => {
                let Some(index) = at(index, self.reservations.len()) else { return };
                let seat = model.reserved.remove(index);
                match self.reservations.remove(index).commit() {
                    Ok(session) => {
                        assert!(!model.is_closed);
                        model.commit(seat);
                        self.sessions.push(session);
                    }
                    Err(refused) => {
                        assert!(model.is_closed);
                        model.refused(&refused, &[Cause::ShutDown]);
                    }
                }
            }
            Step::Undo(index) => {
                let Some(index) = at(index, self.reservations.len()) else { return };
                let seat = model.reserved.remove(index);
                model.window.retain(|&(tag, _)| tag != seat.tag);
                drop(self.reservations.remove(index));
            }
            Step::Establish(index) => {
                let Some(index) = at(index, self.sessions.len()) else { return };
                let end = model.seats[index].end;
                let outcome = self.sessions[index].establish();
                assert_eq!(outcome.err().map(|closed| closed.reason), end);
                if end.is_none() {
                    model.establish(index);
                }
            }
            Step::Enter(index) => {
                let Some(index) = at(index, self.sessions.len()) else { return };
                let end = model.seats[index].end;
                match self.sessions[index].enter() {
                    Ok(activity) => {
                        assert_eq!(end, None);
                        model.seats[index].busy += 1;
                        self.activities.push(activity);
                    }
                    Err(refused) => assert_eq!((refused.reason(), end.is_some()), (end, true)),
                }
            }
            Step::Leave(index) => {
                let Some(index) = at(index, self.activities.len()) else { return };
                let activity = self.activities.remove(index);
                let tag = *activity.session().tag();
                if let Some(seat) = model.seats.iter_mut().find(|seat| seat.tag == tag) {
                    seat.busy -= 1;
                    if !seat.is_pending {
                        seat.idle_at = seat.idle_at.max(model.now + seat.idle);
                    }
                }
                drop(activity);
            }
            Step::Touch(index) => {
                let Some(index) = at(index, self.sessions.len()) else { return };
                let seat = &mut model.seats[index];
                let outcome = self.sessions[index].touch();
                assert_eq!(outcome.err().map(|closed| closed.reason), seat.end);
                if !seat.is_pending {
                    seat.idle_at = seat.idle_at.max(model.now + seat.idle);
                }
            }
            Step::Close(index) => {
                let Some(index) = at(index, self.sessions.len()) else { return };
                let outcome = self.sessions[index].close(CloseReason::Closed);
                assert_eq!(outcome.err().map(|closed| closed.reason), model.seats[index].end);
                if outcome.is_ok() {
                    model.end(index, CloseReason::Closed);
                }
            }
            Step::Drop(index) => {
                let Some(index) = at(index, self.sessions.len()) else { return };
                if model.seats[index].end.is_none() {
                    model.end(index, CloseReason::Released);
                }
                model.seats.remove(index);
                drop(self.sessions.remove(index));
            }
            Step::Wait(ticks) => {
                model.now += ticks;
                self.clock.advance(ticks);
            }
            Step::Expire => self.expire(),
            Step::SetLimit(limit) => {
                let old = self.gate.set_limit(Limit::at_most(limit));
                assert_eq!(old, Ok(Limit::at_most(std::mem::replace(&mut model.limit, limit))));
            }
            Step::SetSubjectLimit(limit) => {
                let old = self.gate.set_subject_limit(Limit::at_most(limit));
                let expected = std::mem::replace(&mut model.subject_limit, limit);
                assert_eq!(old, Limit::at_most(expected));
            }
            Step::SetIdle(ticks) => {
                model.idle = ticks;
                self.gate.set_idle_timeout(Some(Duration::from_millis(ticks))).unwrap();
            }
            Step::CloseAll => {
                self.gate.close_all(CloseReason::Shutdown);
                model.is_closed = true;
                for (index, session) in self.sessions.iter().enumerate() {
                    if model.seats[index].end.is_none() {
                        assert_eq!(session.reason(), Some(CloseReason::Shutdown));
                        model.end(index, CloseReason::Shutdown);
                    }
                }
            }
        }
    }

    fn expire(&mut self) {
        let mut told: Vec<_> = self.gate.expired();
        for index in 0..self.model.seats.len() {
            let seat = &self.model.seats[index];
            let due = seat.due(self.model.now);
            let position = told.iter().position(|ended| ended.tag == seat.tag);
            let reason = position.map(|position| told.swap_remove(position).reason);
            match (seat.end, reason) {
                (None, Some(reason)) => {
                    assert!(due.contains(&reason), "{reason:?} is none of {due:?}");
                    self.model.end(index, reason);
                }
                (None, None) => assert_eq!(due, [], "it is due"),
                // Of a gate that is closed each is told of once, after its end.
                (Some(end), reason) => {
                    assert!(reason.is_none() || reason == Some(end));
                    assert!(reason.is_none() || end == CloseReason::Shutdown);
                }
            }
        }
        assert_eq!(told, [], "told of who is not there");
    }

    fn compare(&self, step: Step) {
        let (model, stats) = (&self.model, self.gate.stats());
        let draining = model.seats.iter().filter(|seat| seat.end.is_some()).count() as u64;
        assert_eq!((stats.in_use, stats.draining), (model.in_use(), draining), "after {step:?}");
        assert_eq!(stats.admitted, model.admitted, "after {step:?}");
        assert_eq!(CloseReason::ALL.map(|reason| stats.ended(reason)), model.ended, "{step:?}");
        assert_eq!(Cause::ALL.map(|cause| stats.rejected(cause)), model.rejected, "{step:?}");
        for subject in 0..3 {
            assert_eq!(self.gate.in_use_by(&subject), model.held(subject), "after {step:?}");
        }
    }
}
