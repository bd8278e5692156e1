//! A gate as one thread would write it: what the real one must answer.

use std::time::Duration;

use headcount::{Cause, CloseReason, Rejected};

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
}

/// A sequential gate.
pub struct Model {
    pub now: u64,
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
    /// Evicted, and no driver has told of it.
    pub untold: Vec<Tag>,
    pub admitted: u64,
    pub rejected: [u64; Cause::ALL.len()],
    pub ended: [u64; CloseReason::ALL.len()],
}

impl Model {
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

    pub fn commit(&mut self, mut seat: Seat) {
        self.admitted += 1;
        (seat.init_at, seat.life_at) = (self.now + INIT, self.now + LIFE);
        self.seats.push(seat);
    }

    pub fn establish(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        if std::mem::take(&mut seat.is_pending) {
            seat.idle_at = self.now + seat.idle;
        }
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
            assert_eq!(refused.retry_after(), Some(Duration::from_millis(first - self.now)));
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
        match first.map(|first| Duration::from_millis(first.saturating_sub(self.now).max(1))) {
            _ if self.limit == 0 => assert_eq!(told, None),
            Some(first) => assert!(told <= Some(first), "{told:?} is after {first:?}"),
            None if evicts_idle => assert!(told <= Some(SECOND), "{told:?}"),
            None => assert_eq!(told, Some(SECOND)),
        }
        assert!(self.limit == 0 || told.is_some());
    }
}
