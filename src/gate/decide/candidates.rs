//! Read after `decide/mod.rs`. The established sessions in the order in which an
//! eviction considers them, if the gate evicts.
//!
//! *Rank*: a session stands under its rank and its number. Where the oldest
//! goes first, the rank is the number, drawn by the reservation, and never
//! changes. Where the least recently active goes first, it is 1 and a tick at
//! which the session was active: nobody moves it on while it is used; a search
//! that finds it used since, or in use, does (`evict.rs`). So an
//! activity costs nothing here, and each step of a search that is in vain is
//! paid for by an activity.
//!
//! *Invariant*: a session's `rank` word says where it stands, and only goes up.
//! Who changes the word from `from` to `to` enters it under `to`, then takes it
//! out from under `from`, then confirms the word by a CAS to itself; if the
//! word has gone up meanwhile, does the same for the later move. So
//! - a session that is in the order stays visible while it moves: nobody takes
//!   it out from under a rank who has not put it under a higher one before.
//!   Whoever finds it under a rank that its word does not have finishes the
//!   move;
//! - nothing is left of a session whose owner is gone: the owner swaps the word
//!   to `GONE` and takes the session out from under what was there. If the swap
//!   comes after the confirmation, the entry is there and is taken out; if it
//!   comes before, the confirmation fails, and its maker takes the entry out.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the confirming CAS | `AcqRel` | the owner's swap | the owner misses the entry | |
//! | the owner's swap | `AcqRel` | the confirming CAS | the same | |
//!
//! (The skip list is one step of a model, so that no ordering here can be
//! shown to be needed; that the confirmation is can:
//! `nothing_is_left_of_a_session_that_is_moved_as_its_owner_leaves`.)
//!
//! *Memory*: an entry for each session that is established and whose owner
//! lives; entries are given back by epochs, as the skip list does.
//!
//! *Progress*: lock-free, but for the allocation of an entry.

use std::fmt;

use crate::gate::settings::config::GateConfig;
use crate::gate::settings::policy::CapacityPolicy;
use crate::sync::arc::{Arc, Weak};
use crate::sync::atomic::{AtomicU64, Ordering::*, load_settled};
use crate::sync::ordered::{Key, OrderedMap};

/// The rank of who is not in the order yet.
const NOWHERE: u64 = 0;
/// The rank of who is in it no more.
const GONE: u64 = u64::MAX;

/// Where a session stands.
#[derive(Debug)]
pub(crate) struct Place {
    rank: AtomicU64,
    number: u64,
}

impl Place {
    pub(crate) fn new(number: u64) -> Self {
        Self { rank: AtomicU64::new(NOWHERE), number }
    }

    /// The tick of an activity as a rank.
    pub(crate) const fn rank_of(tick: u64) -> u64 {
        if tick < GONE - 2 { tick + 1 } else { GONE - 1 }
    }
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Oldest,
    LeastRecentlyActive,
}

pub(crate) struct Candidates<R> {
    pub(crate) order: Order,
    sessions: OrderedMap<Weak<R>>,
    /// The number of the next session.
    next: AtomicU64,
    /// In ticks; a number of its own.
    floor: AtomicU64,
}

impl<R: Send + Sync + 'static> Candidates<R> {
    /// `None` if the gate evicts nobody.
    pub(crate) fn of<K>(config: &GateConfig<K>) -> Option<Self> {
        let order = match config.at_capacity {
            CapacityPolicy::Reject => return None,
            CapacityPolicy::EvictIdle { .. } => Order::LeastRecentlyActive,
            CapacityPolicy::EvictOldest => Order::Oldest,
        };
        let floor = AtomicU64::new(config.floor());
        Some(Self { order, sessions: OrderedMap::new(), next: AtomicU64::new(1), floor })
    }
}

impl<R> Candidates<R> {
    /// The number of a session that is being reserved.
    pub(crate) fn draw(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// How long a session is safe after its last activity.
    pub(crate) fn floor(&self) -> u64 {
        match self.order {
            Order::Oldest => 0,
            Order::LeastRecentlyActive => load_settled(&self.floor),
        }
    }

    pub(crate) fn set_floor(&self, ticks: u64) {
        self.floor.swap(ticks, Relaxed);
    }

    /// The first session after this key. Its weak side may be all that is left.
    pub(crate) fn after(&self, key: Key) -> Option<(Key, Weak<R>)> {
        self.sessions.after(key)
    }

    /// The session is about to be established, at this tick. Its owner may be
    /// gone, then nothing happens.
    pub(crate) fn enter(&self, record: &Arc<R>, place: &Place, now: u64) {
        let rank = match self.order {
            Order::Oldest => place.number,
            Order::LeastRecentlyActive => Place::rank_of(now),
        };
        self.move_on(record, place, NOWHERE, rank);
    }

    /// The session, found under `from`, is to stand under `to`; or wherever its
    /// word says by now.
    pub(crate) fn move_on(&self, record: &Arc<R>, place: &Place, mut from: u64, to: u64) {
        let Place { rank, number } = place;
        let mut to = match rank.compare_exchange(from, to, AcqRel, Acquire) {
            Ok(_) => to,
            Err(GONE) => return self.sessions.remove((from, *number)),
            Err(other) => other,
        };
        loop {
            self.sessions.insert((to, *number), Arc::downgrade(record));
            if from != NOWHERE {
                self.sessions.remove((from, *number));
            }
            match rank.compare_exchange(to, to, AcqRel, Acquire) {
                Ok(_) => return,
                Err(GONE) => return self.sessions.remove((to, *number)),
                // Moved again: whoever did may find nothing to take out, so
                // this one puts it there.
                Err(later) => (from, to) = (to, later),
            }
        }
    }

    /// The session is no candidate any more, for good.
    pub(crate) fn leave(&self, place: &Place) {
        match place.rank.swap(GONE, AcqRel) {
            NOWHERE | GONE => {}
            rank => self.sessions.remove((rank, place.number)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }
}

impl<R> fmt::Debug for Candidates<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates").field("order", &self.order).finish_non_exhaustive()
    }
}
