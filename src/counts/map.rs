//! Read after `list.rs`. The map: what it is made of, what it holds now, and
//! which hash and length a subject has.
//!
//! *Invariant, linearization points, orderings*: in `list.rs`.
//!
//! *Who may touch it*: anybody; there are no locks to hold.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use super::directory::Geometry;
use super::error::SubjectTooLong;
use super::key::{self, is_inline, with_bytes};
use super::list::List;
use super::lookup_key::{Bytes, Value, is_same_subject, subject_of};
use super::to_subject::ToSubject;

/// The longest text or byte subject if nothing else is asked for.
const MAX_SUBJECT_LEN: usize = 1024;

/// Counts what each subject holds, admits a subject while it is under its
/// limit, refuses only when at an instant of the call it was at its limit, and
/// forgets a subject that holds nothing.
///
/// A subject is whatever a limit is counted by: a client's name, a tenant's
/// number, an address. No subject is known in advance, and none is kept: its
/// entry comes with its first [`SubjectPermit`](super::SubjectPermit) and goes with its last.
///
/// # Which subjects
///
/// Any type that is `Hash + Eq`, looked up by what it borrows as ([`ToSubject`]):
/// `&str` for `String`, `&[u8]` for `Vec<u8>`. Those two, and text and bytes that are
/// boxed, shared or `Cow`, are stored inside the entry and bounded in length
/// ([`with_max_subject_len`](Self::with_max_subject_len)); other types are
/// stored as they are. The lookup type must be `'static`, as `str`, `[u8]` and
/// every owned key are.
///
/// # Which hasher
///
/// Subjects are chosen by clients, some of them hostile. The default,
/// [`RandomState`], is keyed, so nobody can choose subjects that collide; with
/// a hasher that is not, whoever knows it can make every lookup a walk through
/// all their subjects. Take another only for subjects that you choose. Text and bytes
/// are hashed as their bytes, without the length or terminator that `Hash` adds.
///
/// # Consistency
///
/// [`try_acquire`](Self::try_acquire), the drop of a permit and
/// [`count`](Self::count) are linearizable: each takes effect at one instant
/// between its call and its return. [`subjects`](Self::subjects),
/// [`for_each`](Self::for_each) and [`snapshot`](Self::snapshot) walk a map
/// that may change under them: what is held throughout the walk is seen,
/// exactly once, with a count that was true at an instant of the walk; what
/// comes or goes meanwhile may or may not be.
///
/// # Memory ordering
///
/// What a holder did before its permit was released happens before what the
/// same subject's next holder does, and before what a thread does whose
/// [`count`](Self::count) no longer includes that permit. A refusal
/// synchronises with nothing.
///
/// # What a subject leaves behind
///
/// Nothing in the map. Its entry is freed when every thread that was inside an
/// operation of a map at that time has left it; the memory of entries stays
/// with the thread that freed them, for its next ones, up to a few kilobytes,
/// and goes back when the thread ends. If the subject's type has a `Drop`, it
/// runs at that time too, on any thread that enters a map, after at most 64
/// more subjects that the same thread was the last to release, or at its end;
/// a panic in it is caught and goes no further.
///
/// # Growth
///
/// Entries never move. The map starts with 1,024 buckets of 16 bytes and
/// doubles them as subjects become many, up to a cap
/// ([`with_max_buckets`](Self::with_max_buckets)). It never refuses a subject
/// for its own size: at the cap, and where memory is short, lookups get slower
/// instead. Buckets are kept until the map is dropped; the entries of subjects
/// that have left are not.
///
/// # Example
///
/// ```
/// use headcount::{Limit, SubjectCounts, SubjectError};
///
/// # fn main() -> Result<(), SubjectError> {
/// let sessions: SubjectCounts<String> = SubjectCounts::new();
/// let limit = Limit::at_most(2);
///
/// let first = sessions.try_acquire("alice", limit)?;
/// let _second = sessions.try_acquire("alice", limit)?;
/// assert!(sessions.try_acquire("alice", limit).is_err(), "alice has her two");
/// let _other = sessions.try_acquire("bob", limit)?;
///
/// drop(first);
/// assert_eq!(sessions.count("alice"), 1);
/// assert_eq!(sessions.subjects(), 2);
/// # Ok(())
/// # }
/// ```
pub struct SubjectCounts<K: 'static, S = RandomState> {
    pub(super) list: List<K>,
    hasher: S,
    max_subject_len: usize,
}

impl<K: 'static> SubjectCounts<K> {
    /// An empty map with a randomly keyed hasher.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty map that has buckets for about so many subjects at once, from
    /// the start if they are not too many (65,536 buckets, 1 MiB), else grown
    /// to when they come; the cap on buckets allows for at least as many.
    pub fn with_capacity(expected_subjects: usize) -> Self {
        Self::with_capacity_and_hasher(expected_subjects, RandomState::new())
    }
}

impl<K: 'static, S> SubjectCounts<K, S> {
    /// An empty map with this hasher. Read *Which hasher* above first.
    pub fn with_hasher(hasher: S) -> Self {
        Self::with_capacity_and_hasher(0, hasher)
    }

    /// [`with_capacity`](SubjectCounts::with_capacity) and this hasher. Read
    /// *Which hasher* above first.
    pub fn with_capacity_and_hasher(expected_subjects: usize, hasher: S) -> Self {
        Self::with_geometry(Geometry::expecting(expected_subjects), hasher)
    }

    fn with_geometry(geometry: Geometry, hasher: S) -> Self {
        Self { list: List::new(geometry), hasher, max_subject_len: MAX_SUBJECT_LEN }
    }

    /// Refuses text and byte subjects of more than `bytes` bytes, instead of
    /// more than 1,024. Entries are as large as their subjects, so this bounds
    /// what one client can make the map store.
    ///
    /// # Panics
    ///
    /// If subjects are of another type, since those are not measured.
    pub fn with_max_subject_len(mut self, bytes: u32) -> Self {
        assert!(
            is_inline::<K>(),
            "a longest subject asked for, of a type that is neither text nor bytes"
        );
        self.max_subject_len = bytes as usize;
        self
    }

    /// Never makes more buckets than `buckets`, rounded down to a power of two
    /// but not below what a new map has, instead of 4,194,304 (64 MiB) or what
    /// the expected subjects need. Bounds buckets, not subjects.
    pub fn with_max_buckets(mut self, buckets: usize) -> Self {
        self.list.cap_buckets(buckets);
        self
    }
}

impl<K, S> SubjectCounts<K, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    S: BuildHasher,
{
    /// The permits that the subject holds, forgotten ones included; 0 if the
    /// map does not know it.
    pub fn count<Q>(&self, subject: &Q) -> u32
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        match self.check_len(subject) {
            Ok(()) => {
                let hash = self.hash_of(subject);
                match is_inline::<K>() {
                    true => {
                        with_bytes::<K, _, _>(subject, |bytes| self.list.count(hash, &Bytes(bytes)))
                    }
                    false => self.list.count(hash, &Value(subject)),
                }
            }
            Err(SubjectTooLong { .. }) => 0,
        }
    }
}

/// For who asks more than once about one subject: hashes it once.
impl<K, S> SubjectCounts<K, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    S: BuildHasher,
{
    /// Refuses text and bytes over the longest allowed. Hashes nothing.
    pub(crate) fn check_len<Q>(&self, subject: &Q) -> Result<(), SubjectTooLong>
    where
        K: Borrow<Q>,
        Q: ?Sized + ToSubject<K> + 'static,
    {
        match is_inline::<K>() {
            true => with_bytes::<K, _, _>(subject, |bytes| {
                SubjectTooLong::check(bytes.len(), self.max_subject_len)
            }),
            false => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn hash_of<Q>(&self, subject: &Q) -> u64
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash,
    {
        key::hash_of::<K>(subject, &self.hasher)
    }
}

impl<K: Eq + 'static, S> SubjectCounts<K, S> {
    /// How many subjects hold permits. Walks the whole map: it is for
    /// operators and tests, not for every request.
    pub fn subjects(&self) -> usize {
        let mut subjects = 0;
        self.list.each(|_, _| subjects += 1, is_same_subject);
        subjects
    }

    /// Calls `f` with each subject that holds permits and how many, in no
    /// particular order, while the map may change: see *Consistency* above.
    /// `f` may use the map.
    pub fn for_each(&self, mut f: impl FnMut(K, u32))
    where
        K: Clone,
    {
        self.list.each(|node, count| f(subject_of(node), count), is_same_subject);
    }

    /// Each subject that holds permits and how many, in no particular order,
    /// as [`for_each`](Self::for_each) meets them.
    pub fn snapshot(&self) -> Vec<(K, u32)>
    where
        K: Clone,
    {
        let mut all = Vec::new();
        self.for_each(|subject, count| all.push((subject, count)));
        all
    }
}

/// What the models need and no program: a directory small enough to search.
#[cfg(feature = "loom")]
#[doc(hidden)]
impl<K: 'static, S> SubjectCounts<K, S> {
    pub fn tiny(initial: usize, most: usize, hasher: S) -> Self {
        Self::with_geometry(Geometry { initial, most }, hasher)
    }

    pub fn grow(&self) {
        self.list.grow();
    }

    pub fn nodes(&self) -> usize {
        self.list.nodes()
    }
}

impl<K: 'static, S: Default> Default for SubjectCounts<K, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

/// Shows the size of the map, not its subjects: those may be many, and secret.
impl<K: Eq + 'static, S> fmt::Debug for SubjectCounts<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectCounts")
            .field("subjects", &self.subjects())
            .field("buckets", &self.list.buckets())
            .finish_non_exhaustive()
    }
}
