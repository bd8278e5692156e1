//! Read after `hashed.rs`. How many each subject may hold: a default, and
//! exceptions by subject.
//!
//! *Origin*: an index whose reads take no lock, `scc::HashIndex`. It may show a
//! reader the old copy of an entry that it moves, and for a moment neither the
//! old nor the new copy of an entry that is replaced. So an entry is never
//! replaced: it points to a limit, which every copy shares and a change writes.
//!
//! *Invariant*: at every instant `exceptions_at_most` is at least the number of
//! entries in the index. `set` adds one before it inserts and takes it back if it
//! inserts nothing; `remove` takes one off after its entry is out. So a reader
//! that loads a 0 knows that there is no exception, and looks for none.
//!
//! *Linearization points*: `set_default` → its swap; `set` of an exception that
//! is there → its swap of the shared limit; `limit_of` → its load of that, or,
//! finding none, of the default. The index's lock on the entry decides between
//! two changes of one subject.
//!
//! *Memory orderings*: a limit is one number, read and written `Relaxed`: it
//! publishes nothing but itself. `exceptions_at_most` likewise: every change of
//! it is a read-modify-write, so a load returns what all changes up to one point
//! of their order add up to. Whoever knows that an exception was set reads from
//! a point after its addition and before the end of its removal.
//!
//! *Progress*: `limit_of` is lock-free; changes lock one bucket of the index.
//!
//! *Bounds*: an exception that was removed may keep its subject's memory until
//! its bucket is used again or the index goes: at most 32 for each bucket.
//! Exceptions are set by operators, not by clients.
//!
//! *Who may touch it*: anybody, while admissions race.
//!
//! *Checked by*: `loom-tests/counts_overrides.rs`, in which a step of the index
//! is one step of the model; `tests/counts_overrides.rs`;
//! `tests/counts_overrides_steady.rs`, which fails where an entry is replaced;
//! the tests below.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use scc::HashIndex;
use scc::hash_index::Entry;

use super::hashed::{BuildPrecomputedHasher, Hashed, HashedBorrow};
use crate::limit::Limit;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, load_settled};
use crate::sync::in_one_step;

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
/// None of its own. If the subject's `Hash` or `Eq` panics, no limit changes.
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
    default: AtomicU32,
    exceptions: HashIndex<Hashed<K>, Arc<SharedLimit>, BuildPrecomputedHasher>,
    /// At 0 no subject is looked for, nor hashed for it.
    exceptions_at_most: AtomicU64,
    /// Not 0 once there was an exception.
    had_exceptions: AtomicU64,
    hasher: S,
}

/// An exception's limit, which changes. Every copy of its entry in the index shares it.
struct SharedLimit(in_one_step::AtomicU32);

impl SharedLimit {
    fn new(limit: Limit) -> Self {
        Self(in_one_step::AtomicU32::new(limit.most()))
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
            default: AtomicU32::new(default.most()),
            exceptions: HashIndex::with_capacity_and_hasher(
                capacity,
                BuildPrecomputedHasher::default(),
            ),
            exceptions_at_most: AtomicU64::new(0),
            had_exceptions: AtomicU64::new(0),
            hasher,
        }
    }

    /// The subject's limit: its own, or else the default.
    pub fn limit_of<Q>(&self, subject: &Q) -> Limit
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        match self.has_exceptions() {
            true => self.find_limit_of(subject, self.hasher.hash_one(subject)),
            false => self.default_limit(),
        }
    }

    /// [`limit_of`](Self::limit_of) a subject by the hash by which it was
    /// [set](Self::set_hashed).
    pub(crate) fn limit_of_hashed<Q>(&self, subject: &Q, hash: u64) -> Limit
    where
        K: Borrow<Q>,
        Q: ?Sized + Eq,
    {
        match self.has_exceptions() {
            true => self.find_limit_of(subject, hash),
            false => self.default_limit(),
        }
    }

    fn has_exceptions(&self) -> bool {
        load_settled(&self.exceptions_at_most) != 0
    }

    #[inline(never)]
    fn find_limit_of<Q>(&self, subject: &Q, hash: u64) -> Limit
    where
        K: Borrow<Q>,
        Q: ?Sized + Eq,
    {
        let own = self.exceptions.peek_with(&HashedBorrow { hash, subject }, |_, own| own.get());
        own.unwrap_or_else(|| self.default_limit())
    }

    /// The limit of every subject that is no exception.
    pub fn default_limit(&self) -> Limit {
        Limit::at_most(self.default.load(Relaxed))
    }

    /// Was there ever an exception?
    pub(crate) fn had_exceptions(&self) -> bool {
        load_settled(&self.had_exceptions) != 0
    }

    /// Changes the limit of every subject that is no exception; returns the
    /// old one.
    pub fn set_default(&self, limit: Limit) -> Limit {
        Limit::at_most(self.default.swap(limit.most(), Relaxed))
    }

    /// Makes the subject an exception, or changes what it is; returns the limit
    /// that was its own before, if it had one.
    pub fn set(&self, subject: K, limit: Limit) -> Option<Limit> {
        let hash = self.hasher.hash_one(&subject);
        self.set_hashed(subject, hash, limit)
    }

    /// [`set`](Self::set) for a caller that hashes all subjects itself, and then
    /// calls none of the others.
    pub(crate) fn set_hashed(&self, subject: K, hash: u64, limit: Limit) -> Option<Limit> {
        self.had_exceptions.swap(1, Relaxed);
        // Before the entry is there. If `Eq` panics this stays one too many:
        // lookups then find nothing where they could have known it.
        self.exceptions_at_most.fetch_add(1, Relaxed);
        match self.exceptions.entry_sync(Hashed { hash, subject }) {
            Entry::Occupied(own) => {
                let before = own.get().replace(limit);
                drop(own);
                self.exceptions_at_most.fetch_sub(1, Relaxed);
                Some(before)
            }
            Entry::Vacant(room) => {
                drop(room.insert_entry(Arc::new(SharedLimit::new(limit))));
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
        self.remove_hashed(subject, self.hasher.hash_one(subject))
    }

    /// [`remove`](Self::remove) of a subject by the hash by which it was
    /// [set](Self::set_hashed).
    pub(crate) fn remove_hashed<Q>(&self, subject: &Q, hash: u64) -> Option<Limit>
    where
        K: Borrow<Q>,
        Q: ?Sized + Eq,
    {
        let own = self.exceptions.get_sync(&HashedBorrow { hash, subject })?;
        let limit = own.get().get();
        own.remove_entry();
        self.exceptions_at_most.fetch_sub(1, Relaxed);
        Some(limit)
    }

    /// Calls `f` with each exception, in no particular order. One that is set
    /// or removed meanwhile may or may not be met.
    pub fn for_each(&self, mut f: impl FnMut(&K, Limit)) {
        self.exceptions.iter_sync(|subject, own| {
            f(&subject.subject, own.get());
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

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_exception_is_gone_no_subject_is_looked_for() {
        let limits: Overrides<u64> = Overrides::new(Limit::at_most(1));
        assert!(!limits.has_exceptions());
        for limit in [2, 3, 4] {
            limits.set(7, Limit::at_most(limit));
            limits.set(8, Limit::at_most(limit));
        }
        assert_eq!(limits.remove(&9), None);
        assert_eq!(limits.remove(&7), Some(Limit::at_most(4)));
        assert_eq!(limits.limit_of(&8), Limit::at_most(4));
        limits.remove(&8);
        assert_eq!(limits.remove(&8), None);
        assert!(!limits.has_exceptions());
        assert!(limits.had_exceptions(), "a limit was asked for");
        limits.set(8, Limit::at_most(5));
        assert_eq!(limits.limit_of(&8), Limit::at_most(5));
    }
}
