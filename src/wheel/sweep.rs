//! Read after `advance.rs`. How the nodes are kept few: which thread may make
//! another one, and who has to look for an unused one first.
//!
//! *Invariant* (per shard): `made <= 2 * peak + 1024`, where `peak` is the
//! most handles that there were at once. With equal timeouts `made <= peak` and
//! one for each thread, since every cancelled node is linked early enough for
//! every later insert.
//!
//! *How*: a node that an insert could not adopt, because it is linked too late,
//! is lost to inserts until a visitor meets it. So once there are half as many
//! nodes again as there were ever handles, whoever wants another one first
//! looks at a piece of some slot. Until the bound is reached that is a piece
//! for each node made, `NODES_PER_PIECE` times as many as there are, so a whole pass is
//! over long before; only threads that sleep with nodes in hand can bring an
//! insert to the bound, and it then sweeps on, a whole pass at most, before it
//! takes a node beyond the bound rather than wait.
//!
//! *Progress*: lock-free; a piece at a time, so no insert pauses for long. No
//! sweep runs inside cancel.

use super::advance::NODES_PER_PIECE;
use super::level::{LEVELS, Place, SLOTS};
use super::shard::Shard;
use super::visit::{Purpose, VisitOutcome};
use crate::sync::atomic::Ordering::*;

/// The constant of the bound, less the threads that may each make a node
/// between looking and making.
#[cfg(not(feature = "loom"))]
const SPARE_NODES: u64 = 1024 - 64;
#[cfg(feature = "loom")]
const SPARE_NODES: u64 = 2;

/// May another node be made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Ample,
    /// Yes, but look for an unused one first.
    Scarce,
    /// Not while there may be an unused one.
    None,
}

impl<T> Shard<T> {
    /// Is there room for another node, beside the handles there are and the
    /// one that it is for?
    pub(super) fn room(&self) -> Room {
        let handles = self.handles() + 1;
        let mut peak = self.peak.load(Relaxed);
        if handles > peak {
            // Another thread may store a smaller one: the bound is then met
            // the sooner, until the next node.
            self.peak.store(handles, Relaxed);
            peak = handles;
        }
        match u64::from(self.arena.made()) {
            made if made < peak + peak / 2 + SPARE_NODES / 2 => Room::Ample,
            made if made < 2 * peak + SPARE_NODES => Room::Scarce,
            _ => Room::None,
        }
    }

    /// How many pieces a pass over the whole shard has at most.
    pub(super) fn pieces(&self) -> usize {
        1 + LEVELS * SLOTS + (self.arena.made() / NODES_PER_PIECE) as usize
    }

    /// Looks at a piece of some slot, and frees nodes that nobody needs. The
    /// next call goes on where this one ends.
    pub(super) fn sweep_piece(&self, now: u64) -> usize {
        let _taker = self.begin_taking();
        let at = self.cursor.load(Relaxed);
        // What is left of the slot that the sweep is at, but not its new chain.
        if let Some(freed) = self.sweep_some(Place::at(at), now, true) {
            return freed;
        }
        let Some(next) = self.next_occupied(at) else { return 0 };
        self.cursor.store(next.index(), Relaxed);
        self.sweep_some(next, now, false).unwrap_or(0)
    }

    /// Sweeps the whole shard once.
    pub(super) fn sweep(&self, now: u64) -> usize {
        let (mut freed, _taker) = (0, self.begin_taking());
        for place in (0..LEVELS * SLOTS).map(Place::at) {
            if self.occupied[place.level as usize].load(Acquire) >> place.position & 1 == 0 {
                continue;
            }
            let mut is_taken = false;
            while let Some(more) = self.sweep_some_of(place, now, &mut is_taken) {
                freed += more;
            }
            self.settle(place);
        }
        freed
    }

    fn sweep_some(&self, place: Place, now: u64, mut is_taken: bool) -> Option<usize> {
        self.sweep_some_of(place, now, &mut is_taken)
    }

    fn sweep_some_of(&self, place: Place, now: u64, is_taken: &mut bool) -> Option<usize> {
        let mut taken = self.take_some(place, now, NODES_PER_PIECE, is_taken, |_| ())?;
        let mut freed = 0;
        while let Some(number) = taken.next() {
            freed +=
                usize::from(matches!(self.visit(number, now, Purpose::Sweep), VisitOutcome::Freed));
        }
        Some(freed)
    }

    /// The first slot after this one, in a circle, that holds something.
    fn next_occupied(&self, after: usize) -> Option<Place> {
        let first = Place::at((after + 1) % (LEVELS * SLOTS));
        let at_or_after = |level: usize, position: usize| {
            let bits = self.occupied[level].load(Acquire) & (u64::MAX << position);
            (bits != 0)
                .then(|| Place { level: level as u32, position: bits.trailing_zeros() as usize })
        };
        at_or_after(first.level as usize, first.position).or_else(|| {
            (1..=LEVELS)
                .map(|further| (first.level as usize + further) % LEVELS)
                .find_map(|level| at_or_after(level, 0))
        })
    }
}
