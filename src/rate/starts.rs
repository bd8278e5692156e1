//! Read after `error.rs`. Where a search for a place begins: hints, which keep
//! threads apart so that they do not fight for one cell.
//!
//! ```text
//!  cells   |.......................|.......................|......................|
//!  own       ^ of thread 0              ^ of thread 1                ^ of thread 2
//!  common             ^ of who did not find one near its own
//! ```
//!
//! A thread begins behind the cell that it took last, or at the one that it gave
//! back last, and at first at its number of strides. Only threads whose numbers
//! are a multiple of the number of starts apart share one. So a thread that
//! reserves and rolls back has a line of cells to itself, and writes to no line
//! that others write to. `common` is written by searches of all cells only, and by
//! rollbacks that somebody may wait for.
//!
//! *Invariant*: every start is a cell. All else is a hint: no answer depends on it.
//!
//! *Memory orderings*: every access is `Relaxed`; a hint orders nothing.
//!
//! *Progress*: everything wait-free.
//!
//! *Bounds*: as many starts as threads run at a time, but no more than one for
//! [`STRIDE`] cells; each takes two cache lines.
//!
//! *Checked by*: the tests below; `loom-tests/rate/apart.rs`.

use crossbeam_utils::CachePadded;

use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};
use crate::sync::thread;

/// The fewest cells between two starts at first, and how far a thread that meets
/// another one leaps: two cache lines, since processors fetch them in pairs.
const STRIDE: u32 = 16;

/// Where searches begin in a number of cells.
pub(super) struct Starts {
    /// A power of two of them.
    own: Box<[CachePadded<AtomicU32>]>,
    common: CachePadded<AtomicU32>,
    cells: u32,
}

impl Starts {
    /// As many as that many cells and the threads of this machine need.
    pub(super) fn for_cells(cells: u32) -> Self {
        Self::apart(cells, (thread::lines() as u32).min(cells / STRIDE))
    }

    /// At most so many, at least one.
    pub(super) fn apart(cells: u32, most: u32) -> Self {
        let start = |cell| CachePadded::new(AtomicU32::new(cell));
        Self {
            own: first_starts(cells, most).map(start).collect(),
            common: CachePadded::new(AtomicU32::new(0)),
            cells,
        }
    }

    /// Where the calling thread begins.
    #[inline]
    pub(super) fn own(&self) -> u32 {
        self.of_thread().load(Relaxed)
    }

    /// Lets the calling thread begin at this cell.
    #[inline]
    pub(super) fn begin_at(&self, cell: u32) {
        set(self.of_thread(), cell);
    }

    #[inline]
    fn of_thread(&self) -> &AtomicU32 {
        match &*self.own {
            [all] => all,
            own => &own[thread::own_number() & (own.len() - 1)],
        }
    }

    /// Where searches of all cells begin.
    pub(super) fn common(&self) -> u32 {
        self.common.load(Relaxed)
    }

    /// Lets searches of all cells begin at this cell.
    pub(super) fn begin_all_at(&self, cell: u32) {
        set(&self.common, cell);
    }

    /// The cell behind this one.
    #[inline]
    pub(super) fn behind(&self, cell: u32) -> u32 {
        if cell + 1 < self.cells { cell + 1 } else { 0 }
    }

    /// A cell far enough from this one that two threads do not meet.
    pub(super) fn far_from(&self, cell: u32) -> u32 {
        (cell + STRIDE) % self.cells
    }

    /// `many` cells, or all, from this one on and round.
    #[inline]
    pub(super) fn round(&self, from: u32, many: u32) -> impl Iterator<Item = u32> + use<> {
        round(self.cells, from, many)
    }
}

/// At most so many cells, a power of two, as far apart as can be.
fn first_starts(cells: u32, most: u32) -> impl Iterator<Item = u32> {
    let bits = most.checked_ilog2().unwrap_or(0);
    (0..1 << bits).map(move |number: u32| ((u64::from(number) * u64::from(cells)) >> bits) as u32)
}

#[inline]
fn round(cells: u32, from: u32, many: u32) -> impl Iterator<Item = u32> {
    let to_end = cells - from;
    let behind_the_end = many.min(cells).saturating_sub(to_end);
    (from..from + many.min(to_end)).chain(0..behind_the_end)
}

/// Writes only what changes.
#[inline]
fn set(start: &AtomicU32, cell: u32) {
    if start.load(Relaxed) != cell {
        start.store(cell, Relaxed);
    }
}

/// Of what holds no atomic, so that they run with those of any checker.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_begin_apart() {
        let starts = |cells, most| first_starts(cells, most).collect::<Vec<_>>();
        assert_eq!(starts(100, 4), [0, 25, 50, 75]);
        assert_eq!(starts(100, 7), [0, 25, 50, 75], "a power of two");
        assert_eq!(starts(2, 2), [0, 1]);
        assert_eq!(starts(1 << 20, 64)[63], (1 << 20) / 64 * 63);
        assert_eq!(starts(1, 0), [0]);
    }

    #[test]
    fn a_round_is_every_cell_once() {
        let round = |from, many| round(5, from, many).collect::<Vec<_>>();
        assert_eq!(round(0, 5), [0, 1, 2, 3, 4]);
        assert_eq!(round(3, 5), [3, 4, 0, 1, 2]);
        assert_eq!(round(3, 8), [3, 4, 0, 1, 2], "none twice");
        assert_eq!(round(3, 2), [3, 4]);
        assert_eq!(round(4, 2), [4, 0]);
    }
}
