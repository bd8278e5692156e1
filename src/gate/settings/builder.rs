//! Read after `live.rs`, `handle.rs`. How a gate is made.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use super::check::GateError;
use super::config::{GateConfig, Rate};
use super::live::Draft;
use super::policy::CapacityPolicy;
use crate::clock::{Clock, SystemClock};
use crate::gate::handle::Gate;
use crate::limit::Limit;

/// Makes a [`Gate`], or says which setting is wrong and why.
///
/// Unless told otherwise: 100 sessions, 10 for each subject, no rate window,
/// ended after 30 seconds if not established and after 5 minutes idle, however
/// long they live.
///
/// Durations are rounded up to ticks.
#[must_use = "a builder does nothing until `build`"]
pub struct GateBuilder<K: 'static, T = (), C = SystemClock> {
    draft: Draft<K>,
    clock: ClockSource<K, C>,
    gate: PhantomData<fn() -> T>,
}

/// Where a gate's clock comes from.
enum ClockSource<K, C> {
    /// Made to suit the settings.
    Made(fn(&GateConfig<K>) -> C),
    Given(C),
}

impl<K, C> ClockSource<K, C> {
    fn of(self, config: &GateConfig<K>) -> C {
        match self {
            Self::Made(make) => make(config),
            Self::Given(clock) => clock,
        }
    }
}

impl<K: 'static, T> Gate<K, T> {
    /// What a gate may be told before it is made.
    pub fn builder() -> GateBuilder<K, T> {
        GateConfig::default().into()
    }
}

impl<K: 'static, T, C> GateBuilder<K, T, C> {
    /// Sets all there is to set, but for the clock: nothing that was set before
    /// remains.
    pub fn config(mut self, config: GateConfig<K>) -> Self {
        self.draft = config.into();
        self
    }

    /// How many sessions there may be at once.
    pub fn limit(mut self, limit: Limit) -> Self {
        self.draft.config.limit = limit;
        self
    }

    /// How many sessions each subject may have that is no exception.
    pub fn subject_limit(mut self, limit: Limit) -> Self {
        self.draft.config.subject_limit = limit;
        self.draft.chose_subject_limit = true;
        self
    }

    /// How many sessions this subject may have. The last call for a subject counts.
    pub fn subject_override(mut self, subject: K, limit: Limit) -> Self {
        self.draft.overrides.push((subject, limit));
        self
    }

    /// Refuses text and byte subjects of more than `bytes` bytes, instead of
    /// more than 1,024. Only for such subjects: `String`, `Vec<u8>`, and text and bytes
    /// that are boxed, shared or `Cow`.
    pub fn max_subject_len(mut self, bytes: u32) -> Self {
        self.draft.config.max_subject_len = bytes;
        self.draft.chose_max_subject_len = true;
        self
    }

    /// Admits at most `most` sessions in any window of this length.
    pub fn rate(mut self, most: u32, window: Duration) -> Self {
        self.draft.config.rate = Some(Rate { most, window });
        self
    }

    /// Ends a session that is not established so long after its commit.
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.draft.config.init_timeout = Some(timeout);
        self
    }

    /// A session may stay pending for ever.
    pub fn no_init_timeout(mut self) -> Self {
        self.draft.config.init_timeout = None;
        self
    }

    /// Ends an established session that has had nothing in flight and was not
    /// touched for so long. At most the maximum lifetime.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.draft.config.idle_timeout = Some(timeout);
        self
    }

    /// A session may be idle for ever.
    pub fn no_idle_timeout(mut self) -> Self {
        self.draft.config.idle_timeout = None;
        self
    }

    /// Ends a session so long after its commit, whatever is in flight, and pending or
    /// not. Longer timeouts than this are cut to it.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.draft.config.max_lifetime = Some(lifetime);
        self
    }

    /// What becomes of a newcomer when all slots are taken, instead of a refusal.
    pub fn at_capacity(mut self, policy: CapacityPolicy) -> Self {
        self.draft.config.at_capacity = policy;
        self
    }

    /// Allows what is an error otherwise: a limit of 0, and a limit whose
    /// sessions nothing ends if nobody drops them. Such a gate may shut out
    /// everybody for ever.
    ///
    /// No timeout ends a [reservation](crate::Reservation), in any gate: it holds its
    /// slots until it is committed or dropped, and one that is forgotten holds them for
    /// ever.
    pub fn may_lock_out_for_ever(mut self) -> Self {
        self.draft.config.may_lock_out_for_ever = true;
        self
    }

    /// The unit of time, instead of a millisecond: 180 microseconds at least, so that the
    /// ticks last for a century.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.draft.config.tick = tick;
        self
    }

    /// Takes the time from this clock, whose ticks are of the length given
    /// by [`tick`](Self::tick).
    ///
    /// Without this, a gate has a [`SystemClock`], which says how late an end can
    /// be: one that is read cheaply; or a [precise](SystemClock::precise) one if a
    /// timeout, the window of the rate or the floor of an eviction is under 50 of
    /// the cheap one's steps, or, where the idle make room, the idle timeout is
    /// under 1,000. It stays the same when a timeout is changed later: a shorter
    /// one then does not end early either, and may end late by more than it is long.
    pub fn clock<D>(self, clock: D) -> GateBuilder<K, T, D> {
        GateBuilder { draft: self.draft, clock: ClockSource::Given(clock), gate: PhantomData }
    }
}

impl<K, T, C> GateBuilder<K, T, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    /// The gate, open and empty.
    ///
    /// # Errors
    ///
    /// [`GateError`] names the setting: a duration or tick of zero, one that is
    /// longer than a timer can wait, a tick that is longer than a timeout, or so short
    /// that the clock comes to its last one within a century, a clock of other ticks, a
    /// limit or rate that admits nobody, or timeouts that are off, so that sessions
    /// which nobody drops would fill the limit for ever.
    pub fn build(self) -> Result<Gate<K, T, C>, GateError> {
        self.draft.check()?;
        let clock = self.clock.of(&self.draft.config);
        self.draft.config.check_clock(&clock)?;
        Ok(Gate::new(self.draft, clock))
    }
}

impl<K: 'static, T> From<GateConfig<K>> for GateBuilder<K, T> {
    fn from(config: GateConfig<K>) -> Self {
        let clock = ClockSource::Made(GateConfig::system_clock);
        Self { draft: config.into(), clock, gate: PhantomData }
    }
}

impl<K: 'static, T, C> fmt::Debug for GateBuilder<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBuilder")
            .field("limit", &self.draft.config.limit)
            .finish_non_exhaustive()
    }
}
