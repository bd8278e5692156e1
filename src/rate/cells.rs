//! Read after `starts.rs`. The cells: one for each admission that a window has
//! room for, taken and given back by compare-and-swap.
//!
//! A cell holds the tick at which its last admission leaves the window: 0 if it was
//! never taken, `u64::MAX` if it stays to the end of time.
//!
//! *Invariant*: a cell's stamp never falls below `now + window` of a committed
//! admission that took it. To take a cell needs `stamp <= now`, so two
//! admissions of one cell are at least `window` ticks apart, whatever the
//! clocks of their threads say: at most one for each cell in any window. That
//! is why a rollback restores the stamp that was there *before*: with 0 a
//! thread whose clock lags could come in beside the cell's last admission.
//!
//! *Linearization points*: take → its CAS; give back → its CAS. A look at all cells
//! is no look at one instant: `window.rs` makes one of it.
//!
//! *Searches*: a thread looks at a few cells from its own start on, then at all.
//! One that finds an expired cell taken before it meets another thread: it waits a
//! few microseconds and tries far away, then here again. So two that have room part
//! for good, and at the last free cells one of two goes on with what it has in its
//! cache, instead of each waiting for the other's at every step.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | give back's CAS | `SeqCst` | `window.rs`: comes before the look at `verdict` | see there | `who_looks_after_a_rollback_sees_its_cell` |
//! | the loads of `take_any`, a failed CAS's too | `SeqCst` | `window.rs`: come after the load of `verdict` | see there | `who_meets_a_mark_sees_what_came_back_before_it` |
//! | all else | `Relaxed` | nothing | a cell is its own whole state | |
//!
//! *Progress*: giving back is wait-free. Taking is lock-free: a CAS fails by
//! another's.
//!
//! *Bounds*: 8 bytes for each cell, allocated once.
//!
//! *Checked by*: what checks `window.rs`.

use super::starts::Starts;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::thread;

/// All cells of a window, and where searches among them begin.
pub(super) struct Cells {
    stamps: Box<[AtomicU64]>,
    starts: Starts,
}

/// A cell that is taken, and all that it takes to undo it.
pub(super) struct TakenCell {
    pub(super) index: u32,
    stamp: u64,
    before: u64,
}

/// The cell that leaves first, of cells that are all held.
pub(super) struct EarliestCell {
    pub(super) index: u32,
    pub(super) stamp: u64,
}

/// What came of a look at a few cells.
enum SearchOutcome {
    Took(TakenCell),
    /// Another thread took the cell that had expired.
    LostRace,
    AllHeld,
}

/// How many cells are looked at from a start on, before all are: as many as lie in
/// a cache line; in a model one, so that few cells suffice to look at all.
const NEAR_CELLS: u32 = if cfg!(feature = "loom") { 1 } else { 8 };

impl Cells {
    /// As many as `starts` is for, never taken.
    pub(super) fn new(many: u32, starts: Starts) -> Self {
        Self { stamps: (0..many).map(|_| AtomicU64::new(0)).collect(), starts }
    }

    /// Takes a cell that has expired at `now`, until tick `stamp`, if one has of the
    /// few from the calling thread's start on.
    #[inline]
    pub(super) fn take_near(&self, now: u64, stamp: u64) -> Option<TakenCell> {
        let own = self.starts.own();
        match self.take_from(own, now, stamp) {
            SearchOutcome::Took(taken) => Some(taken),
            SearchOutcome::AllHeld => None,
            SearchOutcome::LostRace => {
                thread::let_others_go_ahead();
                let took = |from| match self.take_from(from, now, stamp) {
                    SearchOutcome::Took(taken) => Some(taken),
                    SearchOutcome::LostRace | SearchOutcome::AllHeld => None,
                };
                took(self.starts.far_from(own)).or_else(|| took(own))
            }
        }
    }

    /// Takes the first expired cell of a few, from this one on.
    #[inline]
    fn take_from(&self, from: u32, now: u64, stamp: u64) -> SearchOutcome {
        for index in self.starts.round(from, NEAR_CELLS) {
            let before = self.stamps[index as usize].load(Relaxed);
            if before <= now {
                return self
                    .take(index, before, stamp)
                    .map_or(SearchOutcome::LostRace, SearchOutcome::Took);
            }
        }
        SearchOutcome::AllHeld
    }

    /// Takes any cell that has expired at `now`, until tick `stamp`; if none has,
    /// the one that does so first, of what was read one after the other.
    pub(super) fn take_any(&self, now: u64, stamp: u64) -> Result<TakenCell, EarliestCell> {
        let mut first = EarliestCell { index: 0, stamp: u64::MAX };
        for index in self.starts.round(self.starts.common(), self.most()) {
            let mut before = self.stamps[index as usize].load(SeqCst);
            while before <= now {
                match self.take(index, before, stamp) {
                    Ok(taken) => {
                        self.starts.begin_all_at(self.starts.behind(index));
                        return Ok(taken);
                    }
                    Err(is) => before = is,
                }
            }
            if before < first.stamp {
                first = EarliestCell { index, stamp: before };
            }
        }
        Err(first)
    }

    /// Takes the cell if its stamp is `before`, else tells what it is.
    #[inline]
    fn take(&self, index: u32, before: u64, stamp: u64) -> Result<TakenCell, u64> {
        self.stamps[index as usize].compare_exchange(before, stamp, Relaxed, SeqCst)?;
        self.starts.begin_at(self.starts.behind(index));
        Ok(TakenCell { index, stamp, before })
    }

    /// Undoes a take, unless the cell was taken again after it expired: then it is
    /// another's.
    #[inline]
    pub(super) fn give_back(&self, taken: &TakenCell) -> Result<(), u64> {
        let cell = &self.stamps[taken.index as usize];
        cell.compare_exchange(taken.stamp, taken.before, SeqCst, Relaxed)?;
        self.starts.begin_at(taken.index);
        Ok(())
    }

    /// Lets searches of all cells begin with this one: the first that leaves, or one
    /// that was given back.
    pub(super) fn begin_all_at(&self, index: u32) {
        self.starts.begin_all_at(index);
    }

    /// How many are held at `now`, of what was read one after the other.
    pub(super) fn held_at(&self, now: u64) -> u32 {
        self.stamps.iter().filter(|stamp| stamp.load(Relaxed) > now).count() as u32
    }

    pub(super) fn most(&self) -> u32 {
        self.stamps.len() as u32
    }
}
