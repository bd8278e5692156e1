//! Read after `limit.rs`. How many each subject may hold: a default, and
//! exceptions by subject.
//!
//! *Origin*: an index whose reads take no lock, `scc::HashIndex`. It may show a
//! reader the old copy of an entry that it moves, and for a moment neither the
//! old nor the new copy of an entry that is replaced. So an entry is never
//! replaced: it points to a cell, which every copy shares and a change writes.
//!
//! *Linearization points*: `set_default` → its swap; `set` of an exception that
//! is there → its swap of the cell; `limit_of` → its load of the cell, or,
//! finding none, of the default. The index's lock on the entry decides between
//! two changes of one subject.
//!
//! *Memory orderings*: a limit is one number, read and written `Relaxed`: it
//! publishes nothing but itself. `has_any` likewise: it is written before the
//! exception it tells of, so whoever knows that one was set reads it.
//!
//! *Progress*: `limit_of` is lock-free; changes lock one bucket of the index.
//!
//! *Bounds*: an exception that was removed may keep its subject's memory until
//! its bucket is used again or the index goes: at most 32 for each bucket.
//! Exceptions are set by operators, not by clients.
//!
//! *Who may touch it*: anybody, while admissions race.
//!
//! *Checked by*: `tests/counts_overrides.rs`; `tests/counts_overrides_steady.rs`,
//! which fails where an entry is replaced.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use scc::HashIndex;
use scc::hash_index::Entry;

use crate::limit::Limit;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, load_settled};

/// Says at any time which [`Limit`] a subject has: its own if it is an
/// exception, else the default. Both may change while admissions race.
///
/// A change revokes nothing: it tells what the next acquire is to be given, and
/// under a lower limit a subject is refused until enough of its permits are
/// gone. A subject that is exempt has [`Limit::UNLIMITED`], and is counted.
///
/// # Consistency
///
/// A subject that is an exception throughout a call of
/// [`limit_of`](Self::limit_of) gets a limit that was its own at an instant of
/// the call, never the default. An acquire that read its limit before a change
/// may be granted under it after the change.
///
/// # Panics
///
/// None of its own. `Hash` of a subject must not panic while an exception is
/// set or removed; it may make its exception unreachable.
///
/// # Example
///
/// ```
/// use headcount::{Limit, Overrides, SubjectCounts, SubjectError};
///
/// let limits: Overrides<String> = Overrides::new(Limit::at_most(1));
/// limits.set("batch".to_owned(), Limit::UNLIMITED);
///
/// let jobs: SubjectCounts<String> = SubjectCounts::new();
/// let _one = jobs.try_acquire("batch", limits.limit_of("batch"))?;
/// let _two = jobs.try_acquire("batch", limits.limit_of("batch"))?;
/// assert_eq!(jobs.count("batch"), 2);
/// assert_eq!(limits.limit_of("alice"), Limit::at_most(1));
/// # Ok::<(), SubjectError>(())
/// ```
pub struct Overrides<K, S: BuildHasher = RandomState> {
    default: Cell,
    exceptions: HashIndex<K, Arc<Cell>, S>,
    /// Was there ever an exception? Until then no subject is hashed.
    has_any: AtomicU64,
}

/// A limit that changes.
struct Cell(AtomicU32);

impl Cell {
    fn new(limit: Limit) -> Self {
        Self(AtomicU32::new(limit.most()))
    }

    fn get(&self) -> Limit {
        Limit::at_most(self.0.load(Relaxed))
    }

    fn replace(&self, limit: Limit) -> Limit {
        Limit::at_most(self.0.swap(limit.most(), Relaxed))
    }
}

/// Room for exceptions that the index never gives up: an index without any
/// would be dropped and made anew as a last exception goes and a first comes.
const CAPACITY: usize = 64;

impl<K: Hash + Eq> Overrides<K> {
    /// `default` for everybody, no exceptions yet.
    pub fn new(default: Limit) -> Self {
        Self::with_capacity(default, 0)
    }

    /// `default` for everybody, and room for so many exceptions from the start.
    pub fn with_capacity(default: Limit, exceptions: usize) -> Self {
        Self::with_capacity_and_hasher(default, exceptions, RandomState::new())
    }
}

impl<K: Hash + Eq, S: BuildHasher> Overrides<K, S> {
    /// `default` for everybody, and this hasher. Lookups are of subjects that
    /// clients choose: one that is not keyed lets them choose collisions.
    pub fn with_hasher(default: Limit, hasher: S) -> Self {
        Self::with_capacity_and_hasher(default, 0, hasher)
    }

    /// [`with_capacity`](Overrides::with_capacity) and this hasher.
    pub fn with_capacity_and_hasher(default: Limit, exceptions: usize, hasher: S) -> Self {
        let capacity = exceptions.max(CAPACITY);
        Self {
            default: Cell::new(default),
            exceptions: HashIndex::with_capacity_and_hasher(capacity, hasher),
            has_any: AtomicU64::new(0),
        }
    }

    /// The subject's limit: its own, or else the default.
    pub fn limit_of<Q>(&self, subject: &Q) -> Limit
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        if load_settled(&self.has_any) == 0 {
            return self.default_limit();
        }
        let own = self.exceptions.peek_with(subject, |_, own| own.get());
        own.unwrap_or_else(|| self.default_limit())
    }

    /// The limit of every subject that is no exception.
    pub fn default_limit(&self) -> Limit {
        self.default.get()
    }

    /// Was there ever an exception?
    pub(crate) fn had_exceptions(&self) -> bool {
        load_settled(&self.has_any) != 0
    }

    /// Changes the limit of every subject that is no exception; returns the
    /// old one.
    pub fn set_default(&self, limit: Limit) -> Limit {
        self.default.replace(limit)
    }

    /// Makes the subject an exception, or changes what it is; returns the limit
    /// that was its own before, if it had one.
    pub fn set(&self, subject: K, limit: Limit) -> Option<Limit> {
        self.has_any.swap(1, Relaxed);
        match self.exceptions.entry_sync(subject) {
            Entry::Occupied(own) => Some(own.get().replace(limit)),
            Entry::Vacant(room) => {
                drop(room.insert_entry(Arc::new(Cell::new(limit))));
                None
            }
        }
    }

    /// Makes the subject no exception any more; returns the limit that was its
    /// own, if it had one.
    pub fn remove<Q>(&self, subject: &Q) -> Option<Limit>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        let own = self.exceptions.get_sync(subject)?;
        let limit = own.get().get();
        own.remove_entry();
        Some(limit)
    }

    /// Calls `f` with each exception, in no particular order. One that is set
    /// or removed meanwhile may or may not be met.
    pub fn for_each(&self, mut f: impl FnMut(&K, Limit)) {
        self.exceptions.iter_sync(|subject, own| {
            f(subject, own.get());
            true
        });
    }
}

/// Shows how many exceptions there are, not which: those may be many.
impl<K: Hash + Eq, S: BuildHasher> fmt::Debug for Overrides<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overrides")
            .field("default", &self.default_limit())
            .field("exceptions", &self.exceptions.len())
            .finish_non_exhaustive()
    }
}
