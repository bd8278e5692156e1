//! Read after `error.rs`. The exact sliding window: one cell for each
//! admission that the window has room for, taken by compare-and-swap.
//!
//! *Origin*: the log of a sliding-window rate limit, kept as unordered cells
//! instead of a queue, so that what is rolled back can be taken again at once
//! wherever it stood. (One number, as in GCRA, is no window: it lets up to
//! twice as many into one.)
//!
//! ```text
//!  cells    each: the tick at which its last admission leaves the window;
//!           0 = never taken, u64::MAX = stays to the end of time
//!  verdict   63 62                                 0
//!           +--+------------------------------------+  mark 0: every cell is held
//!           |mk|  full until this tick, or a mark   |  until then; 0 refuses nobody
//!           +--+------------------------------------+  mark 1: somebody is looking
//! ```
//!
//! *Invariant*: a cell's stamp never falls below `now + window` of a committed
//! admission that took it. To take a cell needs `stamp <= now`, so two
//! admissions of one cell are at least `window` ticks apart, whatever the
//! clocks of their threads say: at most one for each cell in any window. That
//! is why a rollback restores the stamp that was there *before*: with 0 a
//! thread whose clock lags could come in beside the cell's last admission.
//!
//! *Refusals*: a look at all cells is no look at one instant. Whoever finds none
//! expired puts a mark into `verdict` that was never there before, looks again,
//! and replaces the mark by the earliest stamp it met. Stamps fall only by
//! rollbacks, and each of those clears `verdict` after its cell: if the mark
//! is still there, every cell is held. Who meets a mark uses it.
//!
//! *Linearization points*: reserve → the CAS of its cell; refused → the load of
//! `verdict` that read "full until", or the CAS that replaced the mark; rollback
//! → its swap of `verdict`, or the CAS that took its cell again if that came
//! first (if its cell was taken after it expired: nowhere, nothing changes);
//! commit → nowhere, the reservation was the admission. *Not* linearizable
//! only between clocks that differ: one that lags may take the cell of a
//! rollback that is still on its way to `verdict`, for a stamp earlier than
//! "full until"; until that rollback returns, others may be told the latter.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | rollback's swap of `verdict` | `Release` | the load of `verdict` | who marks after it still reads its cell as held, and all are refused a free one | `who_looks_after_a_rollback_sees_its_cell` |
//! | the load of `verdict` | `Acquire` | rollback's swap | the same, from the other side | `who_looks_after_a_rollback_sees_its_cell` |
//! | all else | `Relaxed` | nothing | a cell is its own whole state; `verdict` changes only by read-modify-writes, which hand a rollback's release on | |
//!
//! *Progress*: rollback and commit are wait-free, a refusal is one load while
//! the window is known to be full. Reserve is lock-free: a CAS fails by
//! another's admission, refusal, rollback or mark, and a mark is used by all.
//!
//! *Bounds*: 8 bytes for each cell and two cache lines, allocated once. A look
//! at the cells starts behind the one last taken, at the one last given back or
//! at the one that leaves first, so that it mostly meets an expired one at once;
//! it passes all of them, twice, when the window fills.
//! Marks are numbered: 2^63 of them. Full until 2^63 or later is not
//! kept, so there each refusal looks for itself.
//!
//! *Who may touch it*: only this file touches the words; tokens roll back
//! through it at most once, by ownership (`token.rs`).
//!
//! *Checked by*: `loom-tests/rate.rs` and its mutants, the depth-first twin,
//! `tests/rate_model.rs`, `tests/rate_stress.rs`.

use std::fmt;

use crossbeam_utils::CachePadded;

use super::error::{InvalidWindow, MOST, RateLimited};
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
    search: CachePadded<Search>,
    cells: Box<[AtomicU64]>,
    window: u64,
}

/// What only those touch who look at the cells.
struct Search {
    /// Where to begin: a hint, any cell will do.
    start: AtomicU64,
    /// The marks made so far.
    marks: AtomicU64,
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

    #[inline]
    const fn check(self, now: u64) -> Result<(), RateLimited> {
        if self.is_mark() || self.0 <= now { Ok(()) } else { Err(RateLimited::until(self.0, now)) }
    }
}

/// A cell that is taken, and all that it takes to undo it.
pub(super) struct Taken {
    index: usize,
    stamp: u64,
    before: u64,
}

/// The cell that leaves first, of cells that are all held.
struct First {
    index: usize,
    stamp: u64,
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
            _ => Ok(Self {
                verdict: CachePadded::new(AtomicU64::new(Verdict::UNKNOWN.0)),
                search: CachePadded::new(Search {
                    start: AtomicU64::new(0),
                    marks: AtomicU64::new(Verdict::MARK),
                }),
                cells: (0..most).map(|_| AtomicU64::new(0)).collect(),
                window,
            }),
        }
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
    pub(super) fn reserve(&self, (now, rounded_up): (u64, u64)) -> Result<Taken, RateLimited> {
        let now = now.min(LAST);
        let seen = self.verdict();
        seen.check(now)?;
        self.look(seen, now, rounded_up.max(now).saturating_add(self.window))
    }

    /// Takes a place at tick `now` that leaves the window at tick `leaves`.
    fn look(&self, mut seen: Verdict, now: u64, leaves: u64) -> Result<Taken, RateLimited> {
        loop {
            let first = match self.take_expired(now, leaves) {
                Ok(taken) => return Ok(taken),
                Err(first) => first,
            };
            if !seen.is_mark() {
                let mark = self.search.marks.fetch_add(1, Relaxed);
                _ = self.verdict.compare_exchange(seen.0, mark, Relaxed, Relaxed);
            } else if self.replace_mark(seen, first.stamp) {
                self.begin_at(first.index);
                return Err(RateLimited::until(first.stamp, now));
            }
            seen = self.verdict();
            seen.check(now)?;
        }
    }

    #[inline]
    fn verdict(&self) -> Verdict {
        Verdict(self.verdict.load(Acquire))
    }

    /// Takes any cell that has expired at `now`, until tick `stamp`; if none has,
    /// the one that does so first, of what was read one after the other.
    #[inline]
    fn take_expired(&self, now: u64, stamp: u64) -> Result<Taken, First> {
        let start = self.search.start.load(Relaxed) as usize;
        let mut first = First { index: 0, stamp: u64::MAX };
        for index in (start..self.cells.len()).chain(0..start) {
            let cell = &self.cells[index];
            let mut before = cell.load(Relaxed);
            while before <= now {
                match cell.compare_exchange_weak(before, stamp, Relaxed, Relaxed) {
                    Ok(_) => {
                        let next = if index + 1 < self.cells.len() { index + 1 } else { 0 };
                        self.begin_at(next);
                        return Ok(Taken { index, stamp, before });
                    }
                    Err(is) => before = is,
                }
            }
            if before < first.stamp {
                first = First { index, stamp: before };
            }
        }
        Err(first)
    }

    /// Says "full until `stamp`" if no rollback has ended since `mark` was
    /// read. A stamp that cannot be told from a mark leaves the mark there.
    fn replace_mark(&self, mark: Verdict, stamp: u64) -> bool {
        let next = if Verdict(stamp).is_mark() { mark.0 } else { stamp };
        self.verdict.compare_exchange(mark.0, next, Relaxed, Relaxed).is_ok()
    }

    /// Undoes a reservation. Only a token's drop calls this. A cell that was
    /// taken again after this reservation expired is not this one's any more.
    #[inline]
    pub(super) fn roll_back(&self, taken: &Taken) {
        let cell = &self.cells[taken.index];
        if cell.compare_exchange(taken.stamp, taken.before, Relaxed, Relaxed).is_ok() {
            self.verdict.swap(Verdict::UNKNOWN.0, Release);
            self.begin_at(taken.index);
        }
    }

    /// Lets the next look at the cells begin with this one.
    #[inline]
    fn begin_at(&self, index: usize) {
        if self.search.start.load(Relaxed) != index as u64 {
            self.search.start.store(index as u64, Relaxed);
        }
    }

    /// How many places are taken at tick `now`, tokens included. Exact while
    /// nobody reserves or rolls back; otherwise not one instant's picture. Looks
    /// at every place.
    pub fn in_use_at(&self, now: u64) -> u32 {
        let now = now.min(LAST);
        self.cells.iter().filter(|cell| cell.load(Relaxed) > now).count() as u32
    }

    /// How many admissions a window has room for.
    pub fn most(&self) -> u32 {
        self.cells.len() as u32
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
