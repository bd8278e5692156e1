//! Read after `order/mod.rs`, `wheel/mod.rs`. Sessions that may have to make room, each known
//! by its timer, in the order in which they go (`src/order`): each in the slot that its timer's
//! place names.
//!
//! *Key*: where the oldest goes first, a number that the reservation draws. Where the least
//! recently active goes first, the tick of the last activity, which only goes up, and which
//! nobody writes here when it does.
//!
//! *In and out*: a session has its place from its reservation, enters when it is established
//! and leaves with its owner. While it
//! is active its timer is held, so a search passes it and leaves a
//! mark on the timer (`wheel/claim.rs`); the release that makes it unused then calls `may_go`.
//! Whoever searched between may have been told that nobody may go.

use std::fmt;

use crate::order::{Found, Look, Order, OutOfMemory, SlotId};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*, load_settled};
use crate::sync::tally::Tally;
use crate::wheel::{self, TimerId, TimerWheel, Unused};

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    Oldest,
    LeastRecentlyActive,
}

/// A session that may go, as it was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    id: TimerId,
    key: u64,
    seen: Unused,
}

pub(crate) struct Candidates {
    pub(crate) first: First,
    order: Order,
    /// The number of the next session; 0 is none's.
    next: AtomicU64,
    /// In ticks; a number of its own.
    floor: AtomicU64,
    claims: AtomicUsize,
    sums: Tally<2>,
}

const ENTERED: usize = 0;
const LEFT: usize = 1;

impl Candidates {
    /// None yet, of timers of a wheel of so many shards.
    pub(crate) fn new(first: First, floor: u64, shards: usize) -> Self {
        let (order, sums) = (Order::new(shards), Tally::new());
        let (next, floor) = (AtomicU64::new(1), AtomicU64::new(floor));
        Self { first, order, next, floor, claims: AtomicUsize::new(0), sums }
    }

    /// How long a session is safe after its last activity.
    pub(crate) fn floor(&self) -> u64 {
        match self.first {
            First::Oldest => 0,
            First::LeastRecentlyActive => load_settled(&self.floor),
        }
    }

    pub(crate) fn set_floor(&self, ticks: u64) {
        self.floor.swap(ticks, Relaxed);
    }

    /// The sessions that have entered and not left; exact at rest.
    pub(crate) fn count(&self) -> usize {
        // Those that left are read first: each left after it entered.
        let left = self.sums.sum(LEFT);
        self.sums.sum(ENTERED).saturating_sub(left) as usize
    }

    /// A session is reserved, whose timer this is.
    pub(crate) fn reserve(&self, timer: TimerId) -> Result<(), OutOfMemory> {
        let number = match self.first {
            First::Oldest => self.next.fetch_add(1, Relaxed),
            First::LeastRecentlyActive => 0,
        };
        self.order.prepare(slot(timer), number)
    }

    /// It is about to be established, at this tick; its timer is held.
    pub(crate) fn enter(&self, timer: TimerId, now: u64) {
        let key = self.key(timer, now);
        if key.is_some_and(|key| self.order.enter_prepared(slot(timer), key)) {
            self.sums.add_one(ENTERED);
        }
    }

    fn key(&self, timer: TimerId, since: u64) -> Option<u64> {
        match self.first {
            First::Oldest => self.order.key_of(slot(timer)),
            First::LeastRecentlyActive => Some(rank(since)),
        }
    }

    /// The session with this timer, which a search has passed, is unused since this tick.
    pub(crate) fn may_go(&self, timer: TimerId, since: u64) {
        // It has left if it has none.
        let key = self.key(timer, since);
        key.into_iter().for_each(|key| self.order.wake(slot(timer), key));
    }

    pub(crate) fn leave(&self, timer: TimerId) {
        if self.order.leave(slot(timer)) {
            self.sums.add_one(LEFT);
        }
    }

    /// The session to evict at `now`, or, if there is none, how many ticks later there may
    /// be one.
    pub(crate) fn search<T, C>(
        &self,
        wheel: &TimerWheel<T, C>,
        now: u64,
    ) -> Result<Candidate, Option<u64>> {
        let look = |id| match wheel.look(timer(id)) {
            wheel::Look::Gone => Look::Gone,
            wheel::Look::Held => Look::Busy,
            wheel::Look::Unused(seen) => match self.first {
                First::Oldest => match self.order.key_of(id) {
                    Some(key) => Look::MayGo { key, seen: (key, seen) },
                    None => Look::Gone,
                },
                First::LeastRecentlyActive => {
                    Look::MayGo { key: rank(seen.since), seen: (0, seen) }
                }
            },
        };
        let (now, floor) = (rank(now), self.floor());
        let not_after = match self.first {
            First::Oldest => u64::MAX,
            First::LeastRecentlyActive => now.saturating_sub(floor),
        };
        match self.order.search(look, 0, not_after) {
            Found::First { id, seen: (key, seen) } => Ok(Candidate { id: timer(id), key, seen }),
            Found::NotBefore(key) => Err(Some(key.saturating_add(floor).saturating_sub(now))),
            // Whoever is busy has been idle for the floor at the earliest from now.
            Found::Nobody => Err((self.count() > 0 && floor > 0).then_some(floor)),
        }
    }

    /// Takes the timer of a candidate, unless it was used since it was seen.
    #[allow(unsafe_code)]
    pub(crate) fn retire<T, C>(&self, wheel: &TimerWheel<T, C>, candidate: Candidate) -> Option<T> {
        let Candidate { id, key, seen } = candidate;
        let claimant = self.claims.fetch_add(1, Relaxed);
        let retired = wheel.claim(id, seen, claimant).and_then(|claim| {
            match self.first == First::Oldest && self.order.key_of(slot(id)) != Some(key) {
                true => Err(claim.give_up()),
                // SAFETY: the payload keeps the record, and that the handle.
                false => unsafe { claim.retire() },
            }
        });
        // The number is not used again before the payload is dropped.
        retired
            .inspect(|_| self.leave(id))
            .map_err(|lost| {
                lost.looked_for_since.into_iter().for_each(|since| self.may_go(id, since));
            })
            .ok()
    }
}

/// The tick of an activity as a key: 0 is none's.
const fn rank(tick: u64) -> u64 {
    tick.saturating_add(1)
}

fn slot(timer: TimerId) -> SlotId {
    SlotId { branch: timer.shard(), number: timer.number() }
}

fn timer(SlotId { branch, number }: SlotId) -> TimerId {
    TimerId::new(branch, number)
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("first", &self.first).finish_non_exhaustive()
    }
}
