//! Drives steps through the gate's whole API and a sequential model. The
//! property test and the fuzz target drive the same steps through it.

//!
//! Time is that of a clock that sees parts of ticks and lies behind, so that
//! every rounding of the gate is under it.

#[path = "gate_spec.rs"]
mod spec;

use std::sync::Arc;
use std::time::Duration;

use headcount::{Activity, CapacityPolicy, Cause, CloseReason, Gate, Limit, Reservation, Session};
use spec::{INIT, LIFE, MOST, Model, Tag, WINDOW};

use crate::parts_clock::{PARTS, PartsClock};

/// One call. Indices are taken modulo the number of what they select.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
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
    /// So many parts of ticks pass and nobody drives.
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

type Clock = Arc<PartsClock>;

/// The real gate beside the model, in the same order.
struct Run {
    gate: Gate<u8, Tag, Clock>,
    model: Model,
    reservations: Vec<Reservation<u8, Tag, Clock>>,
    sessions: Vec<Session<u8, Tag, Clock>>,
    activities: Vec<Activity<Tag, Clock>>,
    next: Tag,
}

/// Runs `steps`, each of which must be answered as the model says, by this clock.
pub fn run(
    (limit, subject_limit, idle): (u32, u32, u64),
    policy: Option<Option<u64>>,
    clock: PartsClock,
    steps: &[Step],
) {
    let clock = Arc::new(clock);
    let ticks = Duration::from_millis;
    let idle = idle.max(policy.flatten().unwrap_or(0));
    let gate = Gate::builder()
        .limit(Limit::at_most(limit))
        .subject_limit(Limit::at_most(subject_limit))
        .rate(MOST as u32, ticks(WINDOW))
        .init_timeout(ticks(INIT))
        .idle_timeout(ticks(idle))
        .max_lifetime(ticks(LIFE))
        .may_lock_out_for_ever()
        .at_capacity(match policy {
            None => CapacityPolicy::Reject,
            Some(None) => CapacityPolicy::EvictOldest,
            Some(Some(floor)) => CapacityPolicy::EvictIdle { floor: ticks(floor) },
        })
        .clock(Arc::clone(&clock))
        .build()
        .expect("a good configuration");
    let (now, rounded_up) = clock.both_ways_at(0);
    let model = Model {
        parts: 0,
        now,
        rounded_up,
        clock,
        limit,
        subject_limit,
        idle,
        is_closed: false,
        policy,
        reserved: Vec::new(),
        seats: Vec::new(),
        window: Vec::new(),
        admissions: Vec::new(),
        untold: Vec::new(),
        admitted: 0,
        rejected: [0; Cause::ALL.len()],
        ended: [0; CloseReason::ALL.len()],
    };
    let (reservations, sessions, activities) = (Vec::new(), Vec::new(), Vec::new());
    let mut run = Run { gate, model, reservations, sessions, activities, next: 0 };
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
                let (causes, victims) = (model.causes(subject), model.victims());
                match self.gate.reserve(subject.as_ref(), self.next) {
                    Ok(reservation) => {
                        assert_eq!(causes, [], "{step:?} was granted");
                        evicted(model, &self.sessions, &victims);
                        let seat = model.reserve(self.next, subject);
                        model.reserved.push(seat);
                        self.reservations.push(reservation);
                    }
                    Err(refused) => model.refused(&refused, &causes),
                }
                self.next += 1;
            }
            Step::Admit(subject) => {
                let (causes, victims) = (model.causes(subject), model.victims());
                match self.gate.admit(subject.as_ref(), self.next) {
                    Ok(session) => {
                        assert_eq!(causes, [], "{step:?} was granted");
                        evicted(model, &self.sessions, &victims);
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
                model.undo(seat.tag);
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
                if let Some(index) = model.seats.iter().position(|seat| seat.tag == tag) {
                    model.seats[index].busy -= 1;
                    model.active(index);
                }
                drop(activity);
            }
            Step::Touch(index) => {
                let Some(index) = at(index, self.sessions.len()) else { return };
                let outcome = self.sessions[index].touch();
                assert_eq!(outcome.err().map(|closed| closed.reason), model.seats[index].end);
                model.active(index);
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
            Step::Wait(parts) => model.wait(parts),
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
                let set = self.gate.set_idle_timeout(Some(Duration::from_millis(ticks)));
                if model.policy.flatten().is_some_and(|floor| floor > ticks) {
                    assert_eq!(set.unwrap_err().field(), "at_capacity");
                } else {
                    set.unwrap();
                    model.idle = ticks;
                }
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
                    seat.must_end(reason, self.model.parts);
                    self.model.end(index, reason);
                }
                (None, None) => assert_eq!(due, [], "it is due"),
                (Some(CloseReason::Evicted), reason) => {
                    let untold = self.model.untold.iter().position(|&tag| tag == seat.tag);
                    assert_eq!(reason, untold.map(|_| CloseReason::Evicted));
                    untold.map(|index| self.model.untold.swap_remove(index));
                }
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

/// One of these has made room, if there are any, and nobody else has.
fn evicted(model: &mut Model, sessions: &[Session<u8, Tag, Clock>], victims: &[Tag]) {
    let is_new =
        |index: &usize| model.seats[*index].end.is_none() && sessions[*index].reason().is_some();
    let new: Vec<_> = (0..sessions.len()).filter(is_new).collect();
    assert_eq!(new.len(), victims.len().min(1), "of {victims:?}");
    for index in new {
        let seat = &model.seats[index];
        assert!(victims.contains(&seat.tag));
        let floor = model.policy.flatten().unwrap_or(0);
        assert!(model.parts - seat.active >= floor * PARTS, "before the floor");
        assert_eq!(sessions[index].reason(), Some(CloseReason::Evicted));
        model.end(index, CloseReason::Evicted);
        model.untold.push(model.seats[index].tag);
    }
}
