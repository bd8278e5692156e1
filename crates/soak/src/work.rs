//! Read after `calls.rs`. What a worker does: any operation, on anything that
//! is on a table, whoever put it there.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use fastrand::Rng;
use headcount::{
    CapacityPolicy, Cause, Clock as _, CloseReason, EnterError, Limit, Rejected, SessionHandle,
};

use crate::calls::{
    admission, advance, inject, leave_by, still_busy, subject_name, survive, take_leave,
};
use crate::room::{
    Clock, FLOOR, IDLE, LIMIT, Owner, Room, SUBJECT_LIMIT, SUBJECTS, SoakSession, Tag, Tally,
};

pub struct Worker<'a> {
    rooms: &'a [Room],
    clock: &'a Clock,
    rng: Rng,
}

impl<'a> Worker<'a> {
    pub fn new(rooms: &'a [Room], clock: &'a Clock, seed: u64, thread: u64) -> Self {
        let mut seeds = Rng::with_seed(seed);
        let seed = (0..=thread).map(|_| seeds.u64(..)).last().unwrap_or(seed);
        Self { rooms, clock, rng: Rng::with_seed(seed) }
    }

    /// So many operations; what each room answered.
    pub fn round(&mut self, operations: u64) -> Result<Vec<Tally>> {
        let mut tallies = vec![Tally::default(); self.rooms.len()];
        for _ in 0..operations {
            let index = self.rng.usize(..self.rooms.len());
            let room = &self.rooms[index];
            Turn { room, clock: self.clock, rng: &mut self.rng, tally: &mut tallies[index] }
                .take()?;
        }
        Ok(tallies)
    }
}

/// One operation on one room.
struct Turn<'a> {
    room: &'a Room,
    clock: &'a Clock,
    rng: &'a mut Rng,
    tally: &'a mut Tally,
}

impl Turn<'_> {
    fn take(mut self) -> Result<()> {
        match self.rng.u8(..64) {
            0..10 => self.admit(),
            10..16 => self.reserve(),
            16..22 => self.commit(),
            22..24 => self.reserve_and_drop(),
            24 => self.unwind_out_of_an_admission(),
            25..27 => self.await_an_admission(),
            27..36 => self.enter(),
            36..41 => self.leave(),
            41..46 => self.any_session().map_or(Ok(()), |session| {
                _ = session.touch();
                Ok(())
            }),
            46..50 => self.any_session().map_or(Ok(()), |session| {
                _ = session.establish();
                Ok(())
            }),
            50..52 => self.close(),
            52..57 => self.any_owner().map_or(Ok(()), |owner| take_leave(owner, self.tally)),
            57 => self.unwind_out_of_a_session(),
            58..61 => {
                self.clock.advance(1);
                Ok(())
            }
            61..63 => self.expire(),
            _ => self.change_settings(),
        }
    }

    fn newcomer(&mut self) -> (Option<&'static str>, Tag) {
        let subject = (self.rng.u8(..8) > 0).then(|| self.rng.usize(..SUBJECTS));
        (subject.map(subject_name), self.room.card(subject))
    }

    fn note<R>(&mut self, outcome: Result<R, Rejected>) -> Result<Option<R>> {
        match outcome {
            Ok(granted) => Ok(Some(granted)),
            Err(refused) => {
                let cause = refused.cause();
                let is_reject = self.room.policy == CapacityPolicy::Reject;
                match cause {
                    Cause::SubjectAtLimit | Cause::AtCapacity => {}
                    Cause::RateLimited if is_reject => {}
                    _ => bail!("refused as {cause}"),
                }
                self.tally.rejected[cause as usize] += 1;
                Ok(None)
            }
        }
    }

    fn put(&mut self, owner: Owner) -> Result<()> {
        let place = self.rng.usize(..self.room.owners.len());
        let before = self.room.put(place, owner)?;
        before.map_or(Ok(()), |before| take_leave(before, self.tally))
    }

    fn put_admitted(&mut self, outcome: Result<SoakSession, Rejected>) -> Result<()> {
        let Some(session) = self.note(outcome)? else { return Ok(()) };
        self.tally.admitted += 1;
        self.put(Owner::Session(session))
    }

    fn admit(&mut self) -> Result<()> {
        let (subject, tag) = self.newcomer();
        self.put_admitted(self.room.gate.admit(subject, tag))
    }

    fn reserve(&mut self) -> Result<()> {
        let (subject, tag) = self.newcomer();
        let outcome = self.room.gate.reserve(subject, tag);
        self.note(outcome)?.map_or(Ok(()), |granted| self.put(Owner::Reservation(granted)))
    }

    fn reserve_and_drop(&mut self) -> Result<()> {
        let (subject, tag) = self.newcomer();
        let outcome = self.room.gate.reserve(subject, tag);
        let granted = self.note(outcome)?.map(Owner::Reservation);
        granted.map_or(Ok(()), |granted| take_leave(granted, self.tally))
    }

    fn commit(&mut self) -> Result<()> {
        match self.any_owner() {
            Some(Owner::Reservation(reservation)) => self.put_admitted(reservation.commit()),
            Some(session) => self.put(session),
            None => Ok(()),
        }
    }

    fn unwind_out_of_an_admission(&mut self) -> Result<()> {
        let (subject, tag) = self.newcomer();
        let mut outcome = None;
        let unwound = survive(|| {
            let reservation = self.room.gate.reserve(subject, tag);
            outcome = Some(reservation.as_ref().map(drop).map_err(|&refused| refused));
            inject()
        });
        self.tally.unwound += u64::from(unwound.is_none());
        outcome.map_or(Ok(()), |outcome| self.note(outcome).map(drop))
    }

    fn await_an_admission(&mut self) -> Result<()> {
        let (subject, tag) = self.newcomer();
        let outcome = {
            let mut future = pin!(admission(&self.room.gate, subject, tag));
            let mut context = Context::from_waker(Waker::noop());
            match future.as_mut().poll(&mut context) {
                Poll::Pending if self.rng.bool() => {
                    self.tally.cancelled += 1;
                    return Ok(());
                }
                Poll::Pending => future.poll(&mut context),
                ready => ready,
            }
        };
        let Poll::Ready(outcome) = outcome else { bail!("an admission awaits twice") };
        self.put_admitted(outcome)
    }

    fn enter(&mut self) -> Result<()> {
        let Some(session) = self.any_session() else { return Ok(()) };
        match session.enter() {
            Ok(activity) => {
                let place = self.rng.usize(..self.room.activities.len());
                let place = &self.room.activities[place];
                let before = place.lock().unwrap().replace(activity);
                before.map_or(Ok(()), still_busy)
            }
            Err(EnterError::Closed(closed)) => {
                ensure!(session.reason() == Some(closed.reason), "two reasons for one end");
                Ok(())
            }
            Err(refused) => bail!("enter: {refused}"),
        }
    }

    fn leave(&mut self) -> Result<()> {
        let place = self.rng.usize(..self.room.activities.len());
        let activity = self.room.activities[place].lock().unwrap().take();
        activity.map_or(Ok(()), still_busy)
    }

    fn close(&mut self) -> Result<()> {
        let Some(session) = self.any_session() else { return Ok(()) };
        session.close(CloseReason::Closed).map_or(Ok(()), |()| session.tag().close())
    }

    fn unwind_out_of_a_session(&mut self) -> Result<()> {
        match self.any_owner() {
            Some(Owner::Session(session)) => {
                self.tally.unwound += 1;
                leave_by(session, self.tally, |session| {
                    _ = survive(|| {
                        let _activity = session.enter();
                        let _session = session;
                        inject()
                    });
                })
            }
            owner => owner.map_or(Ok(()), |owner| self.put(owner)),
        }
    }

    fn expire(&mut self) -> Result<()> {
        let panics = self.rng.u8(..8) == 0;
        let then = || {
            if panics {
                inject();
            }
        };
        advance(&self.room.gate, self.clock.now(), self.tally, then).map(drop)
    }

    fn change_settings(&mut self) -> Result<()> {
        let gate = &self.room.gate;
        let ticks = |rng: &mut Rng, most: u64| Duration::from_millis(rng.u64(most / 2..=most));
        match self.rng.u8(..8) {
            0 => _ = gate.set_limit(Limit::at_most(self.rng.u32(LIMIT / 2..=LIMIT)))?,
            1 => {
                let most = self.rng.u32(SUBJECT_LIMIT / 2..=SUBJECT_LIMIT);
                _ = gate.set_subject_limit(Limit::at_most(most));
            }
            2 => gate.set_idle_timeout(Some(ticks(self.rng, IDLE)))?,
            3 if matches!(self.room.policy, CapacityPolicy::EvictIdle { .. }) => {
                gate.set_eviction_floor(ticks(self.rng, FLOOR))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Owners are few on a table: looks at a few places.
    fn places(&mut self) -> impl Iterator<Item = usize> + use<> {
        let (len, first) = (self.room.owners.len(), self.rng.usize(..self.room.owners.len()));
        (0..8).map(move |next| (first + next) % len)
    }

    fn any_owner(&mut self) -> Option<Owner> {
        self.places().find_map(|place| self.room.take(place))
    }

    fn any_session(&mut self) -> Option<SessionHandle<Tag, Clock>> {
        self.places().find_map(|place| match &*self.room.owners[place].lock().unwrap() {
            Some(Owner::Session(session)) => Some(session.handle()),
            _ => None,
        })
    }
}
