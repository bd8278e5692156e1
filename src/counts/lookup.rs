//! Read after `acquire.rs`. One search for a caller that asks how many permits a
//! subject holds before it takes one.
//!
//! *Invariant*: the guard outlives the place that was found under it, so neither
//! its node nor the links of its insert point are released, and no address comes back
//! that a CAS would take for one of them.
//!
//! *Linearization points*: `count` → its load of the node's count, or, where the
//! subject was not met, the load of the `next` that led past its place;
//! `acquire` → as for every acquire in `list.rs`. What the lookup saw decides
//! nothing there: of the node the count is read again, at the insert point the CAS
//! compares the successor.
//!
//! *Memory orderings*: `count` loads `Relaxed`. It only refuses, and a refusal
//! synchronises with nothing.
//!
//! | since the lookup | ruling |
//! |---|---|
//! | the node died | its count is 0 for ever: `acquire` helps it out and searches |
//! | the node died, and the subject came back | the same; the search meets the new node |
//! | the subject came, or another at the same point | the CAS fails: `acquire` searches |
//! | the link before the point died, or a bucket was linked there | the same |
//! | somebody came in there and left again | the point is as it was, and the CAS succeeds |
//!
//! *Progress*: a lookup is lock-free and writes nothing, unless the subject's
//! bucket was never used before.
//!
//! *Checked by*: `loom-tests/counts_lookup.rs` and its mutants, the tests below.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use super::error::SubjectAtLimit;
use super::key::{is_inline, with_bytes};
use super::list::Full;
use super::lookup_key::{Bytes, Value};
use super::map::SubjectCounts;
use super::node::NodePtr;
use super::permit::StripedSubjectPermit;
use super::search::Place;
use super::to_subject::ToSubject;
use crate::limit::Limit;
use crate::sync::epoch::Guard;
use crate::sync::striped_arc::ArcStripe;

/// A subject, and where it was found in its map or would be inserted.
pub(crate) struct Lookup<'g, K: 'static, S, Q: ?Sized> {
    map: &'g SubjectCounts<K, S>,
    subject: &'g Q,
    hash: u64,
    place: Place<'g, K>,
    guard: &'g Guard,
}

impl<K, S> SubjectCounts<K, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    S: BuildHasher,
{
    /// Looks for a subject that is not [too long](Self::check_len), by its
    /// [hash](Self::hash_of).
    #[inline]
    pub(crate) fn look_up<'g, Q>(
        &'g self,
        subject: &'g Q,
        hash: u64,
        guard: &'g Guard,
    ) -> Lookup<'g, K, S, Q>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        let place = match is_inline::<K>() {
            true => {
                with_bytes::<K, _, _>(subject, |bytes| self.list.look(hash, &Bytes(bytes), guard))
            }
            false => self.list.look(hash, &Value(subject), guard),
        };
        Lookup { map: self, subject, hash, place, guard }
    }
}

impl<K, S, Q> Lookup<'_, K, S, Q>
where
    K: Borrow<Q> + Hash + Eq + Send + Sync + 'static,
    S: BuildHasher,
    Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
{
    /// The permits that the subject holds, 0 if it was not found or has left.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        self.map.list.count_at(&self.place, self.guard)
    }

    /// Takes one permit, as [`SubjectCounts::try_acquire`] does, under a limit
    /// that is not 0.
    #[inline]
    fn acquire(self, limit: Limit) -> Result<NodePtr<K>, SubjectAtLimit> {
        let Self { map: SubjectCounts { list, .. }, subject, hash, place, guard } = self;
        let place = Some(place);
        let acquired = match is_inline::<K>() {
            true => with_bytes::<K, _, _>(subject, |bytes| {
                list.acquire_at(place, hash, limit, &Bytes(bytes), guard)
            }),
            false => list.acquire_at(place, hash, limit, &Value(subject), guard),
        };
        acquired.map_err(|Full| SubjectAtLimit::new(limit))
    }

    /// [`acquire`](Self::acquire) for a holder that shares the map, which is the
    /// one of the lookup.
    #[inline]
    pub(crate) fn acquire_striped(
        self,
        map: &ArcStripe<SubjectCounts<K, S>>,
        limit: Limit,
    ) -> Result<StripedSubjectPermit<K, S>, SubjectAtLimit> {
        assert!(std::ptr::eq(self.map, &**map), "the permit keeps the map of the lookup");
        let node = self.acquire(limit)?;
        Ok(StripedSubjectPermit::holding(map.clone(), node))
    }
}

#[cfg(feature = "loom")]
mod model {
    use std::sync::Arc;

    use super::*;
    use crate::counts::permit::OwnedSubjectPermit;
    use crate::sync::epoch;

    #[doc(hidden)]
    impl<K, S> SubjectCounts<K, S>
    where
        K: Hash + Eq + Send + Sync + Clone + 'static,
        S: BuildHasher,
    {
        /// What an admission does with the map.
        pub fn look_then_acquire(
            self: &Arc<Self>,
            subject: &K,
            limit: Limit,
        ) -> Option<OwnedSubjectPermit<K, S>> {
            let guard = epoch::pin();
            let lookup = self.look_up(subject, self.hash_of(subject), &guard);
            if lookup.count() >= limit.most() {
                return None;
            }
            let node = lookup.acquire(limit).ok()?;
            Some(OwnedSubjectPermit::holding(Arc::clone(self), node))
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::counts::permit::SubjectPermit;
    use crate::sync::epoch;

    type Counts = SubjectCounts<u64>;

    fn held(counts: &Counts, subject: u64) -> SubjectPermit<'_, u64> {
        counts.try_acquire(&subject, Limit::UNLIMITED).unwrap()
    }

    const SUBJECT: u64 = 7;

    /// The subject is looked up among those that `before` leaves, and acquired after
    /// `between`, which is given them: it saw so many permits, and takes one more.
    fn looked_up<'a>(
        counts: &'a Counts,
        before: SubjectPermits<'a>,
        between: impl FnOnce(SubjectPermits<'a>) -> SubjectPermits<'a>,
        seen: u32,
    ) {
        let guard = epoch::pin();
        let lookup = counts.look_up(&SUBJECT, counts.hash_of(&SUBJECT), &guard);
        assert_eq!(lookup.count(), seen);
        let rest = between(before);
        let others = counts.count(&SUBJECT);
        let node = lookup.acquire(Limit::at_most(others + 1)).unwrap_or_else(|e| panic!("{e}"));
        let permit = SubjectPermit::holding(counts, node);
        assert_eq!(counts.count(&SUBJECT), others + 1);
        let again = counts.look_up(&SUBJECT, counts.hash_of(&SUBJECT), &guard);
        assert!(again.acquire(Limit::at_most(others + 1)).is_err(), "it is at its limit");
        drop((rest, permit));
        assert_eq!(counts.subjects(), 0);
    }

    type SubjectPermits<'a> = Vec<SubjectPermit<'a, u64>>;

    #[test]
    fn a_place_is_good_or_is_searched_for_again() {
        let counts = Counts::new();
        let two = || vec![held(&counts, SUBJECT), held(&counts, SUBJECT)];
        looked_up(&counts, vec![], |none| none, 0);
        looked_up(&counts, two(), |two| two, 2);
        looked_up(&counts, two(), |_gone| vec![], 2);
        looked_up(&counts, two(), |gone| [drop(gone)].map(|()| held(&counts, SUBJECT)).into(), 2);
        looked_up(&counts, vec![], |_| two(), 0);
        looked_up(&counts, vec![], |_| [drop(two())].map(|()| held(&counts, 8)).into(), 0);
        let crowd = || (0..5000).map(|subject| held(&counts, subject)).collect();
        looked_up(&counts, vec![], |_| crowd(), 0);
        looked_up(&counts, crowd(), |_gone| vec![], 1);
    }
}
