//! A gate as one thread would write it: what the real one must answer.
//!
//! It knows what the gate's clock says, by which it answers exactly, and the time that
//! the clock may not know, in parts of ticks, by which it checks what is promised: that
//! nothing ends early, and that no window holds too many.

use std::sync::Arc;
use std::time::Duration;

use headcount::{Cause, CloseReason, Rejected};

use crate::parts_clock::{PARTS, PartsClock};

pub type Tag = u32;

pub const INIT: u64 = 7;
pub const LIFE: u64 = 40;
pub const MOST: usize = 6;
pub const WINDOW: u64 = 15;

const SECOND: Duration = Duration::from_secs(1);

/// What a sequential gate knows of a session whose owner lives.
pub struct Seat {
    pub tag: Tag,
    pub subject: Option<u8>,
    pub is_pending: bool,
    pub busy: usize,
    pub idle: u64,
    pub idle_at: u64,
    pub init_at: u64,
    pub life_at: u64,
    /// In parts: its last activity, and its commit.
    pub active: u64,
    pub born: u64,
    pub end: Option<CloseReason>,
}

impl Seat {
    /// May it be evicted?
    pub fn is_unused(&self) -> bool {
        !self.is_pending && self.busy == 0 && self.end.is_none()
    }

    pub fn active_at(&self) -> u64 {
        self.idle_at - self.idle
    }

    /// When a timeout ends it, if nothing else does.
    pub fn first_end(&self) -> Option<u64> {
        let other = if self.is_pending { self.init_at } else { self.idle_at };
        let is_held = !self.is_pending && self.busy > 0;
        let first = if is_held { self.life_at } else { self.life_at.min(other) };
        self.end.is_none().then_some(first)
    }

    /// The reasons that hold at `now`; there is no order among them.
    pub fn due(&self, now: u64) -> Vec<CloseReason> {
        let is_idle = !self.is_pending && self.busy == 0 && self.idle_at <= now;
        let due = [
            (is_idle, CloseReason::Idle),
            (self.is_pending && self.init_at <= now, CloseReason::InitTimeout),
            (self.life_at <= now, CloseReason::MaxLifetime),
        ];
        due.into_iter().filter(|&(holds, _)| holds).map(|(_, reason)| reason).collect()
    }

    /// It ends for this reason at that time, which must not be early.
    pub fn must_end(&self, reason: CloseReason, parts: u64) {
        let (since, ticks) = match reason {
            CloseReason::Idle => (self.active, self.idle),
            CloseReason::InitTimeout => (self.born, INIT),
            CloseReason::MaxLifetime => (self.born, LIFE),
            _ => return,
        };
        let passed = parts - since;
        assert!(passed >= ticks * PARTS, "{reason:?} after {passed} parts of {ticks} ticks");
    }
}

/// A sequential gate.
pub struct Model {
    /// The time in parts, and what the gate's clock makes of it.
    pub parts: u64,
    pub now: u64,
    pub rounded_up: u64,
    /// For what it would say at other times.
    pub clock: Arc<PartsClock>,
    pub limit: u32,
    pub subject_limit: u32,
    pub idle: u64,
    pub is_closed: bool,
    /// Evicts: past a floor the least recently active, or else the oldest.
    pub policy: Option<Option<u64>>,
    pub reserved: Vec<Seat>,
    pub seats: Vec<Seat>,
    /// When each admission leaves the rate window, by its tag.
    pub window: Vec<(Tag, u64)>,
    /// When each admission was, in parts, by its tag.
    pub admissions: Vec<(Tag, u64)>,
    /// Evicted, and no driver has told of it.
    pub untold: Vec<Tag>,
    pub admitted: u64,
    pub rejected: [u64; Cause::ALL.len()],
    pub ended: [u64; CloseReason::ALL.len()],
}

impl Model {
    /// It is later by so many parts.
    pub fn wait(&mut self, parts: u64) {
        self.parts += parts;
        self.clock.set_parts(self.parts);
        (self.now, self.rounded_up) = self.clock.both_ways_at(self.parts);
    }

    pub fn held(&self, subject: u8) -> u32 {
        let seats = self.seats.iter().chain(&self.reserved);
        seats.filter(|seat| seat.subject == Some(subject)).count() as u32
    }

    pub fn in_use(&self) -> u32 {
        let passed =
            self.seats.iter().filter(|seat| seat.end == Some(CloseReason::Evicted)).count();
        (self.seats.len() + self.reserved.len() - passed) as u32
    }

    /// The sessions of which one makes room for a newcomer now.
    pub fn victims(&self) -> Vec<Tag> {
        let Some(policy) = self.policy.filter(|_| self.in_use() == self.limit) else {
            return vec![];
        };
        let unused = self.seats.iter().filter(|seat| seat.is_unused());
        let Some(floor) = policy else {
            return unused.map(|seat| seat.tag).min().into_iter().collect();
        };
        let first = unused.clone().map(Seat::active_at).min().filter(|at| at + floor <= self.now);
        unused.filter(|seat| Some(seat.active_at()) == first).map(|seat| seat.tag).collect()
    }

    /// The causes for which a subject may be refused now.
    pub fn causes(&mut self, subject: Option<u8>) -> Vec<Cause> {
        let now = self.now;
        self.window.retain(|&(_, leaves)| leaves > now);
        if self.is_closed {
            return vec![Cause::ShutDown];
        }
        if subject.is_some_and(|subject| self.held(subject) >= self.subject_limit) {
            return vec![Cause::SubjectAtLimit];
        }
        let full = (self.window.len() >= MOST).then_some(Cause::RateLimited);
        let is_full = self.in_use() >= self.limit && self.victims().is_empty();
        full.into_iter().chain(is_full.then_some(Cause::AtCapacity)).collect()
    }

    pub fn reserve(&mut self, tag: Tag, subject: Option<u8>) -> Seat {
        self.window.push((tag, self.rounded_up + WINDOW));
        let is_recent = |&&(_, at): &&(Tag, u64)| self.parts - at < WINDOW * PARTS;
        assert!(self.admissions.iter().filter(is_recent).count() < MOST, "over the rate");
        self.admissions.push((tag, self.parts));
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
            active: 0,
            born: 0,
            end,
        }
    }

    pub fn commit(&mut self, mut seat: Seat) {
        self.admitted += 1;
        (seat.init_at, seat.life_at) = (self.rounded_up + INIT, self.rounded_up + LIFE);
        seat.born = self.parts;
        self.seats.push(seat);
    }

    pub fn establish(&mut self, index: usize) {
        if std::mem::take(&mut self.seats[index].is_pending) {
            self.seats[index].idle_at = 0;
            self.active(index);
        }
    }

    /// The session is active, or something in it ends.
    pub fn active(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if !seat.is_pending {
            seat.idle_at = seat.idle_at.max(self.rounded_up + seat.idle);
            seat.active = self.parts;
        }
    }

    /// The reservation never was.
    pub fn undo(&mut self, tag: Tag) {
        self.window.retain(|&(other, _)| other != tag);
        self.admissions.retain(|&(other, _)| other != tag);
    }

    pub fn end(&mut self, index: usize, reason: CloseReason) {
        assert_eq!(self.seats[index].end.replace(reason), None, "it ends once");
        self.ended[reason as usize] += 1;
    }

    pub fn refused(&mut self, refused: &Rejected, causes: &[Cause]) {
        assert!(causes.contains(&refused.cause()), "{refused:?} is none of {causes:?}");
        self.rejected[refused.cause() as usize] += 1;
        if refused.cause() == Cause::RateLimited {
            let first = self.window.iter().map(|&(_, leaves)| leaves).min().unwrap();
            let ticks = (first - self.now) + (self.rounded_up - self.now);
            assert_eq!(refused.retry_after(), Some(Duration::from_millis(ticks)));
            let (then, _) = self.clock.both_ways_at(self.parts + ticks * PARTS);
            assert!(then >= first, "told to come back too early");
        }
        if refused.cause() == Cause::AtCapacity {
            self.assert_when_to_come_back(refused);
        }
    }

    /// Never after the first end by a timeout; a second where none comes.
    fn assert_when_to_come_back(&self, refused: &Rejected) {
        let told = refused.retry_after();
        let first = self.seats.iter().filter_map(Seat::first_end).min();
        let evicts_idle = self.policy.flatten().is_some();
        let behind = self.rounded_up - self.now;
        let wait = |first: u64| first.saturating_sub(self.now).max(1) + behind;
        match first.map(|first| Duration::from_millis(wait(first))) {
            _ if self.limit == 0 => assert_eq!(told, None),
            Some(first) => assert!(told <= Some(first), "{told:?} is after {first:?}"),
            None if evicts_idle => assert!(told <= Some(SECOND), "{told:?}"),
            None => assert_eq!(told, Some(SECOND)),
        }
        assert!(self.limit == 0 || told.is_some());
    }
}
