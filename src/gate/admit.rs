//! Read after `session.rs`. The one decision: subject, rate, gate.
//!
//! *First a look that takes nothing*: where the gate or the window is full,
//! the refusal is told from what was read; as in the order of the steps, who is
//! over its own limit is told that.
//!
//! *Then the steps*, each of which owns what it took: where a later one refuses
//! or panics, the earlier ones are undone by their drop. The gate's slot is
//! the last, and nothing can fail after it.

use std::borrow::Borrow;
use std::hash::Hash;

use super::Gate;
use super::evict::NoVictim;
use super::record::{Begins, Record};
use super::rejected::{Cause, Rejected};
use super::session::{Reservation, Session};
use crate::clock::Clock;
use crate::counts::SubjectError;
use crate::limit::Limit;
use crate::rate::RateLimited;

/// A cause, and when to come back if the cause itself tells.
struct Refusal {
    cause: Cause,
    ticks: Option<u64>,
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self { cause, ticks: None }
    }
}

impl From<NoVictim> for Refusal {
    fn from(none: NoVictim) -> Self {
        Self { cause: Cause::AtCapacity, ticks: none.wait }
    }
}

impl From<RateLimited> for Refusal {
    fn from(refused: RateLimited) -> Self {
        Self { cause: Cause::RateLimited, ticks: Some(refused.retry_after()) }
    }
}

impl From<SubjectError> for Refusal {
    fn from(refused: SubjectError) -> Self {
        match refused {
            SubjectError::TooLong(_) => Cause::SubjectTooLong.into(),
            _ => Cause::SubjectAtLimit.into(),
        }
    }
}

impl<K, T, C> Gate<K, T, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    C: Clock,
{
    /// Takes the slots for a session of this subject, or tells at once why not.
    /// `None` is anonymous: no limit of a subject applies, the gate's does.
    ///
    /// Dropping the reservation undoes all of it.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with one cause, which held. Where several do, a subject at
    /// its own limit is told that.
    ///
    /// # Panics
    ///
    /// Whatever the subject's `Hash`, `Eq` and `to_owned` panic with; nothing
    /// is taken then.
    ///
    /// # Example
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate: headcount::Gate<String, u64> = headcount::Gate::builder().build()?;
    ///
    /// let reservation = gate.reserve(Some("alice"), 7)?;
    /// // ... what can fail: if it does, the reservation is dropped ...
    /// let session = reservation.commit()?;
    /// // ... when the client has completed its handshake:
    /// session.establish()?;
    ///
    /// let _anonymous = gate.admit(None::<&str>, 8)?;
    /// assert_eq!(gate.in_use(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reserve<Q>(&self, subject: Option<&Q>, tag: T) -> Result<Reservation<K, T, C>, Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K> + 'static,
    {
        self.reserve_as(subject, tag, Begins::Pending)
    }

    /// [`reserve`](Self::reserve), commit and establish in one, for sessions
    /// that need no handshake.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    pub fn admit<Q>(&self, subject: Option<&Q>, tag: T) -> Result<Session<K, T, C>, Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K> + 'static,
    {
        self.reserve_as(subject, tag, Begins::Established)?.commit()
    }

    fn reserve_as<Q>(
        &self,
        subject: Option<&Q>,
        tag: T,
        begins: Begins,
    ) -> Result<Reservation<K, T, C>, Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K> + 'static,
    {
        let now = self.core.now();
        let subject = subject.map(|subject| (subject, self.overrides.limit_of(subject)));
        self.look(subject, now)
            .and_then(|()| self.take(subject, tag, now, begins))
            .map_err(|refusal| self.rejected(refusal, now))
    }

    /// Refuses what would be refused, and takes nothing. Writes nothing either,
    /// unless the gate evicts and there is somebody to look for.
    fn look<Q>(&self, subject: Option<(&Q, Limit)>, now: u64) -> Result<(), Refusal>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K> + 'static,
    {
        if self.core.closed().is_some() {
            return Err(Cause::ShutDown.into());
        }
        let rate = self.core.rate.as_ref().map_or(Ok(()), |rate| rate.check_at(now));
        let is_full = self.core.counter.available() == 0;
        if rate.is_ok() && !is_full {
            return Ok(());
        }
        if subject.is_some_and(|(subject, limit)| self.is_at(subject, limit)) {
            return Err(Cause::SubjectAtLimit.into());
        }
        rate?;
        self.core.victim(now).map(drop).map_err(Refusal::from)
    }

    fn is_at<Q>(&self, subject: &Q, limit: Limit) -> bool
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K> + 'static,
    {
        limit != Limit::UNLIMITED && self.subjects.count(subject) >= limit.most()
    }

    fn take<Q>(
        &self,
        subject: Option<(&Q, Limit)>,
        tag: T,
        now: u64,
        begins: Begins,
    ) -> Result<Reservation<K, T, C>, Refusal>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToOwned<Owned = K> + 'static,
    {
        let slot = subject.map(|(subject, limit)| self.subjects.try_acquire_owned(subject, limit));
        let slot = slot.transpose()?;
        let rate =
            self.core.rate.as_ref().map(|rate| rate.try_reserve_owned_at(now)).transpose()?;
        let record = Record::new(&self.core, tag, now, begins)?;
        let room = self.core.make_room(now)?;
        let reservation = Reservation::new(record, slot, rate, begins);
        if room.evicts {
            self.core.alarm.ring();
        }
        drop(room.found);
        Ok(reservation)
    }

    fn rejected(&self, refusal: Refusal, now: u64) -> Rejected {
        let Refusal { cause, ticks } = refusal;
        self.core.tallies.rejected(cause);
        let ticks = ticks.map(|ticks| self.core.duration_of(ticks));
        let retry_after = match (cause, ticks) {
            (Cause::SubjectTooLong | Cause::ShutDown, _) => None,
            (Cause::RateLimited, exact) => exact,
            (_, Some(evictable)) => Some(evictable.min(self.core.retry_after(now))),
            (_, None) => Some(self.core.retry_after(now)),
        };
        Rejected::new(cause, retry_after)
    }
}
