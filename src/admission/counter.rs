//! Read after `error.rs`. The exact admission counter: one word, reserved by
//! compare-and-swap.
//!
//! *Origin*: the bounded counter of a semaphore without its queue (as in
//! Java's `Semaphore.tryAcquire`), with the limit packed beside the count so
//! that a verdict reads both in one load and a change of limit needs no debt.
//!
//! ```text
//!  63           32 31            0
//! +---------------+---------------+    limit 0xFFFF_FFFF = unlimited
//! |     limit     |    in_use     |    in_use = sum of the slots of all permits
//! +---------------+---------------+             + the slots forgotten
//! ```
//!
//! *Invariant*: every step that raises `in_use` leaves `in_use <= limit`.
//! (A lowered `limit` may pass below `in_use`; nothing is admitted until
//! enough have left.)
//!
//! *Linearization points*: acquire granted → the successful CAS; acquire
//! refused → the load, or the failed CAS, that read the word the refusal is
//! computed from; release → the `fetch_sub`; hear → its addition; `set_limit` → its successful CAS;
//! `in_use`, `available`, `limit` → their one load.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | acquire's CAS | `Acquire` | release, `set_limit` | a holder misses the work of the slot's previous holder | `a_slot_hands_over_what_its_holder_wrote` |
//! | the same, and `hear` | `AcqRel` | each other | whoever searches for the first end misses a session that does not see the search | `the_time_told_follows_who_comes_during_the_search` |
//! | release's `fetch_sub` | `Release` | acquire, `in_use` | the same, from the other side | `a_slot_hands_over_what_its_holder_wrote` |
//! | `set_limit`'s CAS | `Release` | acquire | one admitted by a raise misses what was prepared for it | `who_a_raise_admits_sees_what_was_prepared` |
//! | the gauges' load | `Acquire` | release | a drain that reads 0 misses the leavers' last writes | `an_empty_counter_is_a_finished_drain` |
//! | acquire's and `set_limit`'s first load, and every failed CAS | `Relaxed` | nothing | nothing is read through a refusal; a stale word fails the CAS | |
//!
//! *Progress*: release and the gauges are wait-free (where `fetch_sub` is one
//! instruction); acquire and `set_limit` are lock-free, a failed CAS being
//! somebody else's success. A refusal writes nothing.
//!
//! *Bounds*: 128 bytes or one pair of cache lines; no allocation. The word's
//! value may recur (ABA) harmlessly: it is the whole state.
//!
//! *Who may touch it*: only this file touches the word; permits release
//! through it exactly once, by ownership (`permit.rs`), and so do the gate's sessions.
//!
//! *Checked by*: `loom-tests/admission.rs` and its mutants, the depth-first
//! twin, `tests/admission_model.rs`, `tests/admission_audit.rs`.

use std::fmt;

use crossbeam_utils::CachePadded;

use super::error::AtCapacity;
use crate::limit::Limit;
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::const_unless_loom;

/// Admits at most `limit` holders at every instant, refuses only when at an
/// instant of the call there was no room, and gets every slot back exactly
/// once, because a slot is owned by a [`Permit`](super::Permit) and never released by a call.
///
/// # Consistency
///
/// Every operation is linearizable: each takes effect at one instant between
/// its call and its return. [`in_use`](Self::in_use),
/// [`available`](Self::available) and [`limit`](Self::limit) are exact at that
/// instant and may be out of date by the time the caller looks at them.
///
/// # Memory ordering
///
/// What a holder did before its slot was released happens before what the
/// slot's next holder does, and before what a thread does that then reads
/// [`in_use`](Self::in_use). What a thread did before
/// [`set_limit`](Self::set_limit) happens before what those do who are
/// admitted afterwards. A refusal synchronises with nothing.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use headcount::{AdmissionCounter, AtCapacity, Limit, OwnedPermit};
///
/// struct Session {
///     id: u64,
///     _slot: OwnedPermit, // goes back when the session goes, whatever ends it
/// }
///
/// fn open(sessions: &Arc<AdmissionCounter>, id: u64) -> Result<Session, AtCapacity> {
///     Ok(Session { id, _slot: sessions.try_acquire_owned()? })
/// }
///
/// let sessions = Arc::new(AdmissionCounter::new(Limit::at_most(1)));
/// let first = open(&sessions, 1)?;
/// assert!(open(&sessions, 2).is_err());
/// drop(first);
/// assert!(open(&sessions, 3).is_ok());
/// # Ok::<(), AtCapacity>(())
/// ```
pub struct AdmissionCounter {
    word: CachePadded<AtomicU64>,
}

/// `limit:32 | in_use:32`, as drawn in the module header.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const fn new(limit: Limit, in_use: u32) -> Self {
        Self((limit.most() as u64) << 32 | in_use as u64)
    }

    const fn limit(self) -> Limit {
        Limit::at_most((self.0 >> 32) as u32)
    }

    const fn in_use(self) -> u32 {
        self.0 as u32
    }

    /// The word with `slots` more in use, or `None` if they do not fit.
    /// (Written so that for one slot a single comparison is left.)
    const fn admit(self, slots: u32) -> Option<Self> {
        let (in_use, most) = (self.in_use(), self.limit().most());
        if in_use <= most && slots <= most - in_use {
            Some(Self(self.0 + slots as u64))
        } else {
            None
        }
    }
}

impl AdmissionCounter {
    const_unless_loom! {
        /// A counter that admits up to `limit` at once, none admitted yet.
        ///
        /// A `const fn` (outside models), so that a counter can be a `static`.
        pub fn new(limit: Limit) -> Self {
            Self { word: CachePadded::new(AtomicU64::new(Word::new(limit, 0).0)) }
        }
    }

    /// Takes slots for a permit that is about to be made.
    #[inline]
    pub(crate) fn reserve(&self, slots: u32) -> Result<(), AtCapacity> {
        let mut seen = Word(self.word.load(Relaxed));
        loop {
            let Some(next) = seen.admit(slots) else {
                return Err(AtCapacity::under(seen.limit()));
            };
            match self.word.compare_exchange_weak(seen.0, next.0, AcqRel, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => seen = Word(now),
            }
        }
    }

    /// Of this and each reservation one comes first, and who comes second sees what the
    /// first did before.
    pub(crate) fn hear(&self) {
        self.word.fetch_add(0, AcqRel);
    }

    /// Gives back slots whose owner is gone. Only a permit's drop and a session's call
    /// this, so `slots <= in_use` and the subtraction cannot borrow from the limit.
    pub(crate) fn release(&self, slots: u32) {
        self.word.fetch_sub(u64::from(slots), Release);
    }

    /// Changes the limit for every later acquire and returns the old one.
    ///
    /// Nothing is revoked and nothing drifts: under a limit below `in_use`
    /// nobody is admitted until enough have left, and a raise admits at once.
    pub fn set_limit(&self, limit: Limit) -> Limit {
        let mut seen = Word(self.word.load(Relaxed));
        loop {
            let next = Word::new(limit, seen.in_use());
            match self.word.compare_exchange_weak(seen.0, next.0, Release, Relaxed) {
                Ok(_) => return seen.limit(),
                Err(now) => seen = Word(now),
            }
        }
    }

    /// The slots that are held, forgotten ones included.
    pub fn in_use(&self) -> u32 {
        self.snapshot().in_use()
    }

    /// The slots that an acquire could have taken: `limit - in_use`, or 0 where
    /// a lowered limit lies below what is in use.
    pub fn available(&self) -> u32 {
        let word = self.snapshot();
        word.limit().most().saturating_sub(word.in_use())
    }

    /// The limit in force.
    pub fn limit(&self) -> Limit {
        self.snapshot().limit()
    }

    /// Is more in use than the limit allows, which was lowered?
    pub(crate) fn is_over(&self) -> bool {
        let word = self.snapshot();
        word.in_use() > word.limit().most()
    }

    fn snapshot(&self) -> Word {
        Word(self.word.load(Acquire))
    }
}

impl fmt::Debug for AdmissionCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.snapshot();
        f.debug_struct("AdmissionCounter")
            .field("limit", &word.limit())
            .field("in_use", &word.in_use())
            .finish()
    }
}
