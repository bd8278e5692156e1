//! Read after `cells.rs`. The exact sliding window: cells, and one word that
//! remembers when they are all held.
//!
//! *Origin*: the log of a sliding-window rate limit, kept as unordered cells
//! instead of a queue, so that what is rolled back can be taken again at once
//! wherever it stood. (One number, as in GCRA, is no window: it lets up to
//! twice as many into one.)
//!
//! ```text
//!  verdict   63 62                                 0
//!           +--+------------------------------------+  mark 0: every cell is held
//!           |mk|  full until this tick, or a mark   |  until then; 0 refuses nobody
//!           +--+------------------------------------+  mark 1: somebody is looking
//! ```
//!
//! *Invariant*: at most one admission for each cell in any window: `cells.rs`.
//!
//! *Refusals*: a look at all cells is no look at one instant. Whoever finds none
//! expired near its start puts a mark into `verdict` that was never there before,
//! looks at all cells, and replaces the mark by the earliest stamp it met. Who meets
//! a mark uses it. Stamps fall only by rollbacks, and each of those, having freed its
//! cell, looks at `verdict` and clears it unless it refuses nobody. So of a rollback
//! and a look at all cells one sees the other: either the look meets the free cell,
//! wherever its search began, or the rollback clears the mark, and then it is not
//! replaced. If it is still there, every cell is held.
//!
//! *Linearization points*: reserve → the CAS of its cell; refused → the load of
//! `verdict` that read "full until", or the CAS that replaced the mark; rollback
//! → its load of `verdict` that read 0, or its swap, or the CAS that took its cell
//! again if that came first (if its cell was taken after it expired: nowhere, nothing
//! changes); commit → nowhere, the reservation was the admission. *Not* linearizable
//! only between clocks that differ: one that lags may take the cell of a
//! rollback that is still on its way to `verdict`, for a stamp earlier than
//! "full until"; until that rollback returns, others may be told the latter.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | rollback's CAS of its cell, then its load of `verdict` | both `SeqCst` | the next row | the cell is still read as held, and the mark not seen: all are refused a free place | `who_looks_after_a_rollback_sees_its_cell` |
//! | the load of `verdict`, then those of all cells | all `SeqCst` | the row above | the same, from the other side | `who_meets_a_mark_sees_what_came_back_before_it` |
//! | all else | `Relaxed` | nothing | the load that follows the CAS of a mark reads that mark or a later word | |
//!
//! In the one order of these four, either the rollback's load of `verdict` comes after
//! the look's, and reads the mark or a later word; or its CAS comes before the look's
//! loads of the cells. A swap of `verdict` in its stead needs no such order, but all
//! rollbacks would write to one line.
//!
//! *Progress*: rollback and commit are wait-free, a refusal is one load while
//! the window is known to be full. Reserve is lock-free: a CAS fails by
//! another's admission, refusal, rollback or mark, and a mark is used by all.
//!
//! *Bounds*: `cells.rs`, `starts.rs`, and four cache lines. All cells are passed when
//! the window fills; a search that finds none expired near its start passes those up
//! to the next that has. Marks are numbered: 2^63 of them. Full until 2^63 or later is
//! not kept, so there each refusal looks for itself.
//!
//! *Who may touch it*: only this file touches `verdict`; tokens roll back
//! through it at most once, by ownership (`token.rs`).
//!
//! *Checked by*: `loom-tests/rate/` and its mutants, the depth-first twin,
//! `tests/rate_model.rs`, `tests/rate_stress.rs`.

use std::fmt;

use crossbeam_utils::CachePadded;

use super::cells::{Cells, TakenCell};
use super::error::{InvalidWindow, MOST, RateLimited};
use super::starts::Starts;
use crate::sync::atomic::{AtomicU64, Ordering::*};

/// Admits at most `most` in **any** window of `window` ticks, under contention
/// and rollback, and whatever the clocks of different threads say.
///
/// Ticks are the caller's: each call is told what time it is. An admission at
/// tick `t` counts against every call at a tick before `t + window`. It begins
/// as a [`RateToken`](super::RateToken): committed, it stays; dropped, it is undone, as if it had
/// never been.
///
/// # Consistency
///
/// A call is refused only if at an instant of it `most` places were taken, by
/// admissions or by tokens not yet committed or not yet done with their
/// rollback. Where the clocks of threads agree, every operation is linearizable.
///
/// Clocks may differ, stand still or go back: a call at tick `t` is then still
/// never admitted beside `most` others within a window. A clock that lags is
/// refused by admissions that lie ahead of it, the more so because a place that
/// was taken again after it expired no longer tells when it was taken first.
/// Time ends at `u64::MAX`: an admission that would leave later never leaves,
/// and the last tick counts as the one before it.
///
/// # Memory ordering
///
/// None: an admission hands nothing over from an earlier one. What a thread did
/// before a rollback is not visible through a later admission.
///
/// # Example
///
/// ```
/// use headcount::{RateLimited, SlidingWindow};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let logins = SlidingWindow::new(2, 60)?; // two a minute, in seconds
///
/// logins.try_reserve_at(0)?.commit();
/// let abandoned = logins.try_reserve_at(10)?;
/// let refused = logins.try_reserve_at(20).unwrap_err();
/// assert_eq!(refused.retry_after(), 40, "the one of second 0 leaves at 60");
///
/// drop(abandoned); // did not happen after all
/// logins.try_reserve_at(20)?.commit();
/// # Ok(())
/// # }
/// ```
pub struct SlidingWindow {
    verdict: CachePadded<AtomicU64>,
    /// The marks made so far.
    marks: CachePadded<AtomicU64>,
    cells: Cells,
    window: u64,
}

/// `verdict`, as drawn in the module header.
#[derive(Clone, Copy)]
struct Verdict(u64);

impl Verdict {
    const MARK: u64 = 1 << 63;
    const UNKNOWN: Self = Self(0);

    const fn is_mark(self) -> bool {
        self.0 & Self::MARK != 0
    }

    const fn is_unknown(self) -> bool {
        self.0 == Self::UNKNOWN.0
    }

    #[inline]
    const fn check(self, now: u64) -> Result<(), RateLimited> {
        if self.is_mark() || self.0 <= now { Ok(()) } else { Err(RateLimited::until(self.0, now)) }
    }
}

/// The last tick: `u64::MAX` never comes, so that a stamp there never expires.
const LAST: u64 = u64::MAX - 1;

impl SlidingWindow {
    /// The largest `most`: a cell for each is allocated, 8 MiB for so many.
    pub const MOST: u32 = MOST;

    /// A window of `window` ticks that has room for `most` admissions.
    ///
    /// # Errors
    ///
    /// [`InvalidWindow`], which names the argument: `most` is 0 or over
    /// [`MOST`](Self::MOST), or `window` is 0.
    pub fn new(most: u32, window: u64) -> Result<Self, InvalidWindow> {
        match (most, window) {
            (0, _) => Err(InvalidWindow::MostIsZero),
            (most, _) if most > Self::MOST => Err(InvalidWindow::MostIsTooLarge { asked: most }),
            (_, 0) => Err(InvalidWindow::WindowIsZero),
            _ => Ok(Self::beginning_at(Starts::for_cells(most), most, window)),
        }
    }

    fn beginning_at(starts: Starts, most: u32, window: u64) -> Self {
        Self {
            verdict: CachePadded::new(AtomicU64::new(Verdict::UNKNOWN.0)),
            marks: CachePadded::new(AtomicU64::new(Verdict::MARK)),
            cells: Cells::new(most, starts),
            window,
        }
    }

    /// [`new`](Self::new), with so many starts of searches: for models.
    #[cfg(any(feature = "loom", test))]
    #[doc(hidden)]
    pub fn with_starts(most: u32, window: u64, starts: u32) -> Self {
        Self::beginning_at(Starts::apart(most, starts), most, window)
    }

    /// Would a reservation at tick `now` be refused by what is known already?
    /// One load, no write: a cheap first look for those who must take something
    /// else before they reserve. `Ok` promises nothing.
    ///
    /// # Errors
    ///
    /// [`RateLimited`] if at an instant of the call all places were taken.
    #[inline]
    pub fn check_at(&self, now: u64) -> Result<(), RateLimited> {
        self.verdict().check(now.min(LAST))
    }

    /// A refusal while the window is known to be full stays in the caller's
    /// own code: it is what a flood consists of.
    #[inline]
    pub(super) fn reserve(&self, (now, rounded_up): (u64, u64)) -> Result<TakenCell, RateLimited> {
        let now = now.min(LAST);
        let seen = self.verdict();
        seen.check(now)?;
        self.look(seen, now, rounded_up.max(now).saturating_add(self.window))
    }

    /// Takes a place at tick `now` that leaves the window at tick `leaves`.
    fn look(&self, mut seen: Verdict, now: u64, leaves: u64) -> Result<TakenCell, RateLimited> {
        if let Some(taken) = self.cells.take_near(now, leaves) {
            return Ok(taken);
        }
        loop {
            if seen.is_mark() {
                let first = match self.cells.take_any(now, leaves) {
                    Ok(taken) => return Ok(taken),
                    Err(first) => first,
                };
                if self.replace_mark(seen, first.stamp) {
                    self.cells.begin_all_at(first.index);
                    return Err(RateLimited::until(first.stamp, now));
                }
            } else {
                let mark = self.marks.fetch_add(1, Relaxed);
                _ = self.verdict.compare_exchange(seen.0, mark, Relaxed, Relaxed);
            }
            seen = self.verdict();
            seen.check(now)?;
        }
    }

    #[inline]
    fn verdict(&self) -> Verdict {
        Verdict(self.verdict.load(SeqCst))
    }

    /// Says "full until `stamp`" if no rollback has ended since `mark` was
    /// read. A stamp that cannot be told from a mark leaves the mark there.
    fn replace_mark(&self, mark: Verdict, stamp: u64) -> bool {
        let next = if Verdict(stamp).is_mark() { mark.0 } else { stamp };
        self.verdict.compare_exchange(mark.0, next, Relaxed, Relaxed).is_ok()
    }

    /// Undoes a reservation. Only a token's drop calls this.
    #[inline]
    pub(super) fn roll_back(&self, taken: &TakenCell) {
        if self.cells.give_back(taken).is_ok() && !self.verdict().is_unknown() {
            self.verdict.swap(Verdict::UNKNOWN.0, Relaxed);
            self.cells.begin_all_at(taken.index);
        }
    }

    /// How many places are taken at tick `now`, tokens included. Exact while
    /// nobody reserves or rolls back; otherwise not one instant's picture. Looks
    /// at every place.
    pub fn in_use_at(&self, now: u64) -> u32 {
        self.cells.held_at(now.min(LAST))
    }

    /// How many admissions a window has room for.
    pub fn most(&self) -> u32 {
        self.cells.most()
    }

    /// How many ticks a window lasts.
    pub fn window(&self) -> u64 {
        self.window
    }
}

impl fmt::Debug for SlidingWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlidingWindow")
            .field("most", &self.most())
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
