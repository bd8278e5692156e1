//! Read after `evict.rs`, `session/owner.rs`. The one decision: subject, rate, gate.
//!
//! *First looks that take nothing*: is the gate closed, the subject too long, the
//! subject at its limit, the window full, the gate full? The first that holds
//! refuses. Up to the subject's limit they read nothing that others write, and no clock:
//! a client over its limit slows nobody down, and nobody slows it. So the
//! subject's limit comes before what is full, and its time to come back is a constant.
//!
//! *Then the steps*, each of which owns what it took: where a later one refuses or
//! panics, the drop of the earlier ones undoes them. The gate's slot is the last, and
//! nothing can fail after it.

use std::borrow::Borrow;
use std::hash::Hash;

use super::evict::{NoVictim, TakenSlot};
use super::rejected::{Cause, Rejected};
use crate::candidates::Candidate;
use crate::clock::Clock;
use crate::counts::{StripedSubjectPermit, ToSubject};
use crate::gate::core::{BothWays, SOME_TIME};
use crate::gate::handle::Gate;
use crate::gate::session::owner::{ActiveSession, Hasher, Own, Reservation, Session};
use crate::gate::session::record::Record;
use crate::gate::session::terms::{InitialPhase, Terms};
use crate::limit::Limit;
use crate::rate::RateLimited;
use crate::sync::epoch;

/// A session of the subject must end, and nobody searches for when one does.
fn subject_at_limit(limit: Limit) -> Rejected {
    match limit == Limit::at_most(0) {
        true => Rejected::for_good(Cause::SubjectAtLimit),
        false => Rejected::until(Cause::SubjectAtLimit, SOME_TIME),
    }
}

/// When the newcomer came, and who is to make room for it if there is none.
struct Moment {
    now: BothWays,
    victim: Option<Candidate>,
}

/// A subject's slot, by its owner.
type SubjectSlot<K> = StripedSubjectPermit<K, Hasher>;

impl<K, T, C> Gate<K, T, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    C: Clock,
{
    /// Takes the slots for a session of this subject, or says at once why not.
    /// `None` is anonymous: no limit of a subject applies, the gate's does.
    ///
    /// Dropping the reservation gives them back.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with one cause, which held. Of several that hold, those of the
    /// subject come first.
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
    /// let _anonymous = gate.admit_anonymous(8)?;
    /// assert_eq!(gate.in_use(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reserve<Q>(&self, subject: Option<&Q>, tag: T) -> Result<Reservation<K, T, C>, Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        self.decide(subject, tag, InitialPhase::Pending, |reservation, _| Ok(reservation))
    }

    /// [`reserve`](Self::reserve) for a session without a subject.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    pub fn reserve_anonymous(&self, tag: T) -> Result<Reservation<K, T, C>, Rejected> {
        self.decide_anonymous(tag, InitialPhase::Pending, |reservation, _| Ok(reservation))
    }

    /// [`reserve`](Self::reserve), commit and establish in one, for sessions
    /// that need no handshake. It reads the clock once, and its timeouts start there.
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
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        let initial = InitialPhase::Established;
        self.decide(subject, tag, initial, |reservation, now| reservation.commit_at(now, initial))
    }

    /// [`admit`](Self::admit) for a session without a subject: no limit of a subject
    /// applies, the gate's does.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Example
    ///
    /// ```
    /// use headcount::{Gate, GateBuilder, Limit};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let builder: GateBuilder<String, &str> = Gate::builder();
    /// let gate = builder.limit(Limit::at_most(1)).build()?;
    /// let session = gate.admit_anonymous("somebody")?;
    /// assert!(gate.admit_anonymous("else").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn admit_anonymous(&self, tag: T) -> Result<Session<K, T, C>, Rejected> {
        let initial = InitialPhase::Established;
        self.decide_anonymous(tag, initial, |reservation, now| reservation.commit_at(now, initial))
    }

    /// [`admit`](Self::admit) and [`enter`](crate::SessionHandle::enter) in one:
    /// something is in flight in the session from its first instant, so that it is
    /// neither idle nor evicted before the activity is dropped. For what is one
    /// request from its beginning to its end; it costs less than the two calls.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Panics
    ///
    /// As [`reserve`](Self::reserve).
    pub fn admit_active<Q>(
        &self,
        subject: Option<&Q>,
        tag: T,
    ) -> Result<ActiveSession<K, T, C>, Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        self.decide(subject, tag, InitialPhase::Active, Reservation::commit_active_at)
    }

    /// What `then` makes of the reservation, and of the tick, rounded up, at which the clock
    /// was read. It is told here, since a reservation that is returned is moved.
    fn decide<Q, R>(
        &self,
        subject: Option<&Q>,
        tag: T,
        initial: InitialPhase,
        then: impl FnOnce(Reservation<K, T, C>, u64) -> Result<R, Rejected>,
    ) -> Result<R, Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        match subject {
            Some(name) => {
                let look = || self.slot_of(name).map(|(slot, moment)| (Some(slot), moment));
                self.decide_with(look, tag, initial, then)
            }
            None => self.decide_anonymous(tag, initial, then),
        }
    }

    fn decide_anonymous<R>(
        &self,
        tag: T,
        initial: InitialPhase,
        then: impl FnOnce(Reservation<K, T, C>, u64) -> Result<R, Rejected>,
    ) -> Result<R, Rejected> {
        self.decide_with(|| Ok((None, self.look()?)), tag, initial, then)
    }

    /// `look` gives the slot of the subject, if there is one, and the moment.
    fn decide_with<R>(
        &self,
        look: impl FnOnce() -> Result<(Option<SubjectSlot<K>>, Moment), Rejected>,
        tag: T,
        initial: InitialPhase,
        then: impl FnOnce(Reservation<K, T, C>, u64) -> Result<R, Rejected>,
    ) -> Result<R, Rejected> {
        let decide = || {
            if self.core.closed().is_some() {
                return Err(Rejected::for_good(Cause::ShutDown));
            }
            let (slot, moment) = look()?;
            let rounded_up = moment.now.1;
            then(self.take(slot, tag, moment, initial)?, rounded_up)
        };
        decide().inspect_err(|rejected| self.core.tallies.rejected(rejected.cause()))
    }

    /// Refuses a subject that is at its limit, and reads for that nothing that other
    /// subjects write. Then looks at what all share, and last takes the subject's
    /// slot, from the place at which the subject was found.
    fn slot_of<Q>(&self, name: &Q) -> Result<(SubjectSlot<K>, Moment), Rejected>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        let too_long = |_| Rejected::for_good(Cause::SubjectTooLong);
        self.subjects.check_len(name).map_err(too_long)?;
        let hash = self.subjects.hash_of(name);
        let limit = self.settings.overrides.limit_of_hashed(name, hash);
        let pin = epoch::pin();
        let subject = self.subjects.look_up(name, hash, &pin);
        if subject.count() >= limit.most() {
            return Err(subject_at_limit(limit));
        }
        let moment = self.look()?;
        let slot = subject.acquire_striped(self.subjects.stripe(), limit);
        Ok((slot.map_err(|_| subject_at_limit(limit))?, moment))
    }

    /// Reads the clock, and refuses where the window or the gate is full. Writes
    /// nothing, unless the gate evicts and there is somebody to look for, or when the
    /// first session ends is not known any more.
    fn look(&self) -> Result<Moment, Rejected> {
        let now = self.core.now_both_ways();
        if let Some(rate) = &self.core.rate {
            rate.check_at(now.0).map_err(|refused| self.rate_limited(refused, now))?;
        }
        let victim = match self.core.counter.available() {
            0 => Some(self.core.victim(now.0).map_err(|none| self.at_capacity(none, now))?),
            _ => None,
        };
        Ok(Moment { now, victim })
    }

    // Its result stays in registers.
    #[inline(always)]
    fn take(
        &self,
        slot: Option<SubjectSlot<K>>,
        tag: T,
        Moment { now, victim }: Moment,
        initial: InitialPhase,
    ) -> Result<Reservation<K, T, C>, Rejected> {
        let rate = self.core.rate.as_ref().map(|rate| rate.try_reserve_owned_both_ways(now));
        let rate = rate.transpose().map_err(|refused| self.rate_limited(refused, now))?;
        let terms = Terms::now(&self.core.timeouts, initial);
        let record = Record::new(self.core.stripe(), tag, now.1, &terms)
            .map_err(|cause| Rejected::until(cause, self.core.retry_after(now)))?;
        let own = Own::new(record);
        let room = self.core.make_room(now.0, victim);
        let room = room.map_err(|none| self.at_capacity(none, now))?;
        let reservation = Reservation::new(own, slot, rate, terms);
        if room == TakenSlot::Evicted {
            self.core.alarm.ring();
        }
        Ok(reservation)
    }

    fn rate_limited(&self, refused: RateLimited, moment: BothWays) -> Rejected {
        let retry_after = self.core.wait(refused.retry_after(), moment);
        Rejected::until(Cause::RateLimited, retry_after)
    }

    /// Full at this moment, and nobody to evict.
    fn at_capacity(&self, none: NoVictim, moment: BothWays) -> Rejected {
        // Whoever leaves makes no room.
        if self.core.counter.limit() == Limit::at_most(0) {
            return Rejected::for_good(Cause::AtCapacity);
        }
        let ends = self.core.retry_after(moment);
        let evictable = none.wait.map(|ticks| self.core.wait(ticks, moment));
        let retry_after = evictable.map_or(ends, |evictable| evictable.min(ends));
        Rejected::until(Cause::AtCapacity, retry_after)
    }
}
