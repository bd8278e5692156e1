//! Read after `permit.rs`. How a permit comes about: the list counts one more,
//! and a permit owns that it did.
//!
//! *Invariant*: between a count that was raised and the permit that holds it
//! nothing can fail, so no count is without an owner.
//!
//! *Checked by*: what checks `list.rs`.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::error::{SubjectAtLimit, SubjectError};
use super::key::{is_inline, with_bytes};
use super::list::Full;
use super::lookup_key::{Bytes, Value};
use super::map::SubjectCounts;
use super::node::NodePtr;
use super::permit::{OwnedSubjectPermit, SubjectPermit};
use super::to_subject::ToSubject;
use crate::limit::Limit;

impl<K, S> SubjectCounts<K, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    S: BuildHasher,
{
    /// Takes one permit for the subject, or tells at once why not.
    ///
    /// The limit is this call's alone: permits that are out do not know it, and
    /// under a lower one than before nothing is revoked; the subject is refused
    /// until enough of its permits are gone. With
    /// [`Limit::UNLIMITED`] the subject is counted all the same.
    ///
    /// # Errors
    ///
    /// [`SubjectError::AtLimit`] if at an instant of the call the subject held
    /// `limit` permits or more; with a limit of 0 without looking.
    /// [`SubjectError::TooLong`] if it is text or bytes over the longest
    /// allowed.
    ///
    /// # Example
    ///
    /// ```
    /// use headcount::{Limit, SubjectCounts, SubjectError};
    ///
    /// let tenants: SubjectCounts<u64> = SubjectCounts::new();
    /// let permit = tenants.try_acquire(&7, Limit::at_most(1))?;
    /// let refused = tenants.try_acquire(&7, Limit::at_most(1)).unwrap_err();
    /// assert!(matches!(refused, SubjectError::AtLimit(_)));
    /// drop(permit);
    /// assert_eq!(tenants.subjects(), 0);
    /// # Ok::<(), SubjectError>(())
    /// ```
    pub fn try_acquire<Q>(
        &self,
        subject: &Q,
        limit: Limit,
    ) -> Result<SubjectPermit<'_, K, S>, SubjectError>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        self.enter(subject, limit).map(|node| SubjectPermit::holding(self, node))
    }

    /// [`try_acquire`](Self::try_acquire) for a holder that must not borrow
    /// the map, such as a task or a session stored somewhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned<Q>(
        self: &Arc<Self>,
        subject: &Q,
        limit: Limit,
    ) -> Result<OwnedSubjectPermit<K, S>, SubjectError>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        self.enter(subject, limit).map(|node| OwnedSubjectPermit::holding(Arc::clone(self), node))
    }

    fn enter<Q>(&self, subject: &Q, limit: Limit) -> Result<NodePtr<K>, SubjectError>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        if limit == Limit::at_most(0) {
            return Err(SubjectAtLimit::new(limit).into());
        }
        self.check_len(subject)?;
        let hash = self.hash_of(subject);
        let entered = match is_inline::<K>() {
            true => with_bytes::<K, _, _>(subject, |bytes| {
                self.list.acquire(hash, limit, &Bytes(bytes))
            }),
            false => self.list.acquire(hash, limit, &Value(subject)),
        };
        entered.map_err(|Full| SubjectAtLimit::new(limit).into())
    }
}
