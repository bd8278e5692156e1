//! Read after `live.rs`, `handle.rs`. What can be changed while the gate is in use: what it
//! has granted stays granted, and nothing drifts.

use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Duration;

use super::check::GateError;
use super::config::{DEFAULT_SUBJECT_LIMIT, GateConfig, NEVER};
use super::policy::CapacityPolicy;
use crate::clock::Clock;
use crate::counts::ToSubject;
use crate::gate::decide::candidates::First;
use crate::gate::handle::Gate;
use crate::limit::Limit;

impl<K: 'static, T, C: Clock> Gate<K, T, C> {
    /// Changes how many sessions there may be at once and returns what it was.
    /// Under a limit below what is in use nobody is admitted until enough have
    /// left, nor evicted to make room. 0 shuts the gate until it is changed again.
    ///
    /// # Errors
    ///
    /// [`GateError`], and nothing changes, if sessions could fill this limit
    /// for ever.
    pub fn set_limit(&self, limit: Limit) -> Result<Limit, GateError> {
        self.settings.change(|config| config.limit = limit, |_| self.core.counter.set_limit(limit))
    }

    /// Changes the init timeout of sessions reserved from now on; `None` is
    /// off.
    ///
    /// # Errors
    ///
    /// [`GateError`], and nothing changes.
    pub fn set_init_timeout(&self, timeout: Option<Duration>) -> Result<(), GateError> {
        self.settings.change(|config| config.init_timeout = timeout, |config| self.retime(config))
    }

    /// Changes the idle timeout of sessions reserved from now on; `None` is
    /// off.
    ///
    /// # Errors
    ///
    /// [`GateError`], and nothing changes.
    pub fn set_idle_timeout(&self, timeout: Option<Duration>) -> Result<(), GateError> {
        self.settings.change(|config| config.idle_timeout = timeout, |config| self.retime(config))
    }

    /// Changes the maximum lifetime of sessions reserved from now on; `None` is
    /// off.
    ///
    /// # Errors
    ///
    /// [`GateError`], and nothing changes.
    pub fn set_max_lifetime(&self, lifetime: Option<Duration>) -> Result<(), GateError> {
        self.settings.change(|config| config.max_lifetime = lifetime, |config| self.retime(config))
    }

    /// The maximum lifetime of sessions reserved from now on, rounded up to
    /// ticks; `None` is for ever. Costs one load.
    pub fn max_lifetime(&self) -> Option<Duration> {
        let life = self.core.timeouts.life();
        (life < NEVER).then(|| self.core.duration_of(life))
    }

    /// Changes how long a session is safe from eviction after its last activity.
    ///
    /// # Errors
    ///
    /// [`GateError`], and nothing changes, if the gate does not
    /// [evict the idle](CapacityPolicy::EvictIdle), or the floor is too long.
    pub fn set_eviction_floor(&self, floor: Duration) -> Result<(), GateError> {
        let Some(candidates) = &self.core.candidates else { return Err(GateError::NO_FLOOR) };
        if candidates.first != First::LeastRecentlyActive {
            return Err(GateError::NO_FLOOR);
        }
        self.settings.change(
            |config| config.at_capacity = CapacityPolicy::EvictIdle { floor },
            |config| candidates.set_floor(config.floor()),
        )
    }

    fn retime(&self, config: &GateConfig<K>) {
        self.core.timeouts.set(config);
        self.core.alarm.ring();
    }
}

impl<K, T, C> Gate<K, T, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    C: Clock,
{
    /// Changes how many sessions each subject may have that is no exception;
    /// returns what it was.
    pub fn set_subject_limit(&self, limit: Limit) -> Limit {
        self.settings.overrides.set_default(limit)
    }

    /// Was a limit of subjects asked for, for all or for some, rather than left
    /// at its default? Without one it does no harm that no subject is named.
    pub fn has_subject_limit(&self) -> bool {
        let limits = &self.settings.overrides;
        let default = limits.default_limit();
        let is_set = default != DEFAULT_SUBJECT_LIMIT || self.settings.chose_subject_limit;
        limits.had_exceptions() || default != Limit::UNLIMITED && is_set
    }

    /// Makes the subject an exception, or changes what it is; returns what it
    /// was, if it was one.
    pub fn set_override(&self, subject: K, limit: Limit) -> Option<Limit> {
        let hash = self.subjects.hash_of(&subject);
        self.settings.overrides.set_hashed(subject, hash, limit)
    }

    /// Makes the subject no exception any more; returns what it was, if it was
    /// one.
    pub fn remove_override<Q>(&self, subject: &Q) -> Option<Limit>
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq,
    {
        self.settings.overrides.remove_hashed(subject, self.subjects.hash_of(subject))
    }

    /// The slots that the subject has, reservations included.
    pub fn in_use_by<Q>(&self, subject: &Q) -> u32
    where
        K: Borrow<Q>,
        Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    {
        self.subjects.count(subject)
    }

    /// How many subjects have slots. Walks the whole map: for operators and
    /// tests.
    pub fn subjects(&self) -> usize {
        self.subjects.subjects()
    }
}
