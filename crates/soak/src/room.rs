//! Read after `lib.rs`. A gate, and all that anybody has of it, where every
//! worker can reach it and the auditor can count it.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use headcount::{
    Activity, CapacityPolicy, Cause, CloseReason, Gate, Limit, ManualClock, Reservation, Session,
};

pub type Clock = Arc<ManualClock>;
pub type SoakGate = Gate<String, Tag, Clock>;
pub type SoakSession = Session<String, Tag, Clock>;
pub type SoakActivity = Activity<Tag, Clock>;

/// Places that anybody may put something on or take it from.
pub type Table<T> = Box<[Mutex<Option<T>>]>;

/// Settings change between these and the half of these.
pub const LIMIT: u32 = 24;
pub const SUBJECT_LIMIT: u32 = 4;
pub const IDLE: u64 = 30;
pub const FLOOR: u64 = 8;

const INIT: u64 = 20;
pub const LIFE: u64 = 200;

pub const SUBJECTS: usize = 16;

/// Owners that may live at once; more than there are slots, since those that
/// were evicted have none.
const OWNERS: usize = 64;
const ACTIVITIES: usize = 16;

/// What the gates do at capacity.
pub const NAMES: [&str; 3] = ["refuses", "evicts the idle", "evicts the oldest"];

/// What a session is known by, and what was said of it.
pub struct Card {
    pub subject: Option<usize>,
    told: AtomicU32,
    closed: AtomicU32,
    alive: Arc<AtomicUsize>,
}

pub type Tag = Arc<Card>;

impl Card {
    /// A driver tells of its end.
    pub fn tell(&self) -> Result<()> {
        ensure!(self.told.fetch_add(1, SeqCst) == 0, "an end was told twice");
        ensure!(self.closed.load(SeqCst) == 0, "an end was told that its closer knew");
        Ok(())
    }

    /// A caller has closed it, and is told by that.
    pub fn close(&self) -> Result<()> {
        ensure!(self.closed.fetch_add(1, SeqCst) == 0, "a session was closed twice");
        ensure!(self.told.load(SeqCst) == 0, "a session was closed after its end was told");
        Ok(())
    }

    /// How often it was told of by a driver, and by a close.
    pub fn said(&self) -> (u32, u32) {
        (self.told.load(SeqCst), self.closed.load(SeqCst))
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

/// Who holds slots.
pub enum Owner {
    Reservation(Reservation<String, Tag, Clock>),
    Session(SoakSession),
}

impl Owner {
    pub fn card(&self) -> &Tag {
        match self {
            Self::Reservation(reservation) => reservation.tag(),
            Self::Session(session) => session.tag(),
        }
    }
}

/// What the callers of a gate were answered.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Sessions that were committed.
    pub admitted: u64,
    /// By cause.
    pub rejected: [u64; Cause::ALL.len()],
    /// Sessions whose owner has gone, by the reason for which they had ended.
    pub left: [u64; CloseReason::ALL.len()],
    /// Ends that a driver told of, by reason.
    pub told: [u64; CloseReason::ALL.len()],
    /// Panics that went through an owner or through a driver's callback.
    pub unwound: u64,
    /// Reservations that were dropped, or whose future was.
    pub cancelled: u64,
}

impl Tally {
    pub fn add(&mut self, more: &Self) {
        let add = |all: &mut [u64], more: &[u64]| {
            all.iter_mut().zip(more).for_each(|(all, more)| *all += more);
        };
        add(&mut self.rejected, &more.rejected);
        add(&mut self.left, &more.left);
        add(&mut self.told, &more.told);
        self.admitted += more.admitted;
        self.unwound += more.unwound;
        self.cancelled += more.cancelled;
    }
}

pub struct Room {
    pub name: &'static str,
    pub policy: CapacityPolicy,
    pub gate: SoakGate,
    pub owners: Table<Owner>,
    pub activities: Table<SoakActivity>,
    /// Those in `owners`, raised after the slot was taken and lowered before it
    /// goes back: never more than there truly are.
    inside: AtomicI64,
    inside_by: [AtomicI64; SUBJECTS],
    alive: Arc<AtomicUsize>,
}

fn table<T>(len: usize) -> Table<T> {
    (0..len).map(|_| Mutex::new(None)).collect()
}

/// One room for each of [`NAMES`]; the first one has a rate window too.
pub fn rooms(clock: &Clock) -> Result<Vec<Room>> {
    let ticks = Duration::from_millis;
    let floor = ticks(FLOOR);
    let policies =
        [CapacityPolicy::Reject, CapacityPolicy::EvictIdle { floor }, CapacityPolicy::EvictOldest];
    let room = |(name, policy)| {
        let builder = Gate::builder()
            .limit(Limit::at_most(LIMIT))
            .subject_limit(Limit::at_most(SUBJECT_LIMIT))
            .init_timeout(ticks(INIT))
            .idle_timeout(ticks(IDLE))
            .max_lifetime(ticks(LIFE))
            .at_capacity(policy)
            .clock(Arc::clone(clock));
        let builder = match policy {
            CapacityPolicy::Reject => builder.rate(10, ticks(8)),
            _ => builder,
        };
        Ok(Room {
            name,
            policy,
            gate: builder.build()?,
            owners: table(OWNERS),
            activities: table(ACTIVITIES),
            inside: AtomicI64::new(0),
            inside_by: Default::default(),
            alive: Arc::default(),
        })
    };
    NAMES.into_iter().zip(policies).map(room).collect()
}

impl Room {
    /// Of someone who wants in.
    pub fn card(&self, subject: Option<usize>) -> Tag {
        self.alive.fetch_add(1, SeqCst);
        let (told, closed) = Default::default();
        Arc::new(Card { subject, told, closed, alive: Arc::clone(&self.alive) })
    }

    /// The cards that somebody still has.
    pub fn cards(&self) -> usize {
        self.alive.load(SeqCst)
    }

    /// Puts an owner on the table, instead of the one who is returned.
    pub fn put(&self, place: usize, owner: Owner) -> Result<Option<Owner>> {
        let inside = self.inside.fetch_add(1, SeqCst);
        let may_be_over = self.policy != CapacityPolicy::Reject;
        ensure!(may_be_over || inside < i64::from(LIMIT), "{} are inside", inside + 1);
        if let Some(subject) = owner.card().subject {
            let inside = self.inside_by[subject].fetch_add(1, SeqCst);
            ensure!(inside < i64::from(SUBJECT_LIMIT), "{} of a subject are inside", inside + 1);
        }
        let before = self.owners[place].lock().unwrap().replace(owner);
        Ok(before.inspect(|owner| self.goes(owner)))
    }

    /// Takes an owner off the table.
    pub fn take(&self, place: usize) -> Option<Owner> {
        let owner = self.owners[place].lock().unwrap().take();
        owner.inspect(|owner| self.goes(owner))
    }

    fn goes(&self, owner: &Owner) {
        self.inside.fetch_sub(1, SeqCst);
        if let Some(subject) = owner.card().subject {
            self.inside_by[subject].fetch_sub(1, SeqCst);
        }
    }
}
