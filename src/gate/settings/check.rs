//! Read after `config.rs`. Which settings a gate refuses: those that cannot be
//! meant, and those that can shut everybody out for ever.

use std::fmt;
use std::time::Duration;

use super::config::{GateConfig, NEVER, Rate};
use super::policy::CapacityPolicy;
use crate::clock::ticks_of;
use crate::limit::Limit;
use crate::rate::SlidingWindow;
use crate::wheel::TimerWheel;

impl<K> GateConfig<K> {
    /// What must hold before a gate is made.
    pub(crate) fn check_new(&self) -> Result<(), GateError> {
        self.check_tick()?;
        if self.limit == Limit::at_most(0) && !self.may_lock_out_for_ever {
            return Err(GateError::new("limit", "is 0, which admits nobody"));
        }
        if self.max_subject_len == 0 {
            let why = "is 0, which refuses every subject but an empty one: take the length of \
                       the longest that is right";
            return Err(GateError::new("max_subject_len", why));
        }
        match self.rate {
            Some(Rate { most: 0, .. }) => {
                Err(GateError::new("rate", "admits 0 in a window, so nobody"))
            }
            Some(Rate { most, .. }) if most > SlidingWindow::MOST => {
                Err(GateError::new("rate", "admits over 1048576 in a window"))
            }
            rate => {
                self.check_duration("rate", rate.map(|rate| rate.window))?;
                self.check()
            }
        }
    }

    /// What must hold always.
    pub(crate) fn check(&self) -> Result<(), GateError> {
        self.check_duration("init_timeout", self.init_timeout)?;
        self.check_duration("idle_timeout", self.idle_timeout)?;
        self.check_duration("max_lifetime", self.max_lifetime)?;
        if let CapacityPolicy::EvictIdle { floor } = self.at_capacity {
            // A floor of zero is a tick.
            let floor = floor.max(self.tick);
            self.check_duration("at_capacity", Some(floor))?;
            let ends = [self.idle_timeout, self.max_lifetime].into_iter().flatten().min();
            if ends.is_some_and(|ends| ends < floor) {
                return Err(GateError::FLOOR_TOO_LONG);
            }
        }
        let may_fill_for_ever = self.limit != Limit::UNLIMITED
            && self.max_lifetime.is_none()
            && !self.may_lock_out_for_ever;
        let evicts_idle = self.at_capacity != CapacityPolicy::Reject;
        if may_fill_for_ever && self.idle_timeout.is_none() && !evicts_idle {
            let why = "is off, and so is max_lifetime: sessions that nobody drops would fill the \
                       limit for ever";
            return Err(GateError::new("idle_timeout", why));
        }
        if may_fill_for_ever && self.init_timeout.is_none() {
            let why = "is off, and so is max_lifetime: sessions that are never established would \
                       fill the limit for ever";
            return Err(GateError::new("init_timeout", why));
        }
        Ok(())
    }

    fn check_duration(
        &self,
        field: &'static str,
        duration: Option<Duration>,
    ) -> Result<(), GateError> {
        match duration {
            Some(Duration::ZERO) => Err(GateError::new(field, "is zero")),
            Some(short) if short < self.tick => {
                Err(GateError::new(field, "is shorter than a tick"))
            }
            Some(_) if self.ticks(duration) > TimerWheel::<()>::MAX_TICK => {
                Err(GateError::new(field, "is more ticks than a timer can wait"))
            }
            _ => Ok(()),
        }
    }

    /// The floor of an eviction in ticks, one at least.
    pub(crate) fn floor(&self) -> u64 {
        match self.at_capacity {
            CapacityPolicy::EvictIdle { floor } => self.ticks(Some(floor)).max(1),
            _ => 0,
        }
    }

    /// A duration in ticks, rounded up; none is never.
    pub(crate) fn ticks(&self, duration: Option<Duration>) -> u64 {
        duration.map_or(NEVER, |duration| ticks_of(duration, self.tick))
    }
}

/// A gate cannot be set like this. Names the setting and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateError {
    field: &'static str,
    reason: &'static str,
}

impl GateError {
    pub(crate) const NO_FLOOR: Self =
        Self::new("at_capacity", "does not evict the idle, so has no floor");

    pub(crate) const FLOOR_TOO_LONG: Self = Self::new(
        "at_capacity",
        "has a floor longer than `idle_timeout` or `max_lifetime`, so it evicts nobody: take a \
         shorter floor, or a longer timeout first",
    );
    pub(crate) const NO_LENGTH: Self = Self::new(
        "max_subject_len",
        "has no effect on subjects that are neither text nor bytes: leave it out, or take \
         `String`, `Vec<u8>`, or text or bytes that are boxed, shared or `Cow`",
    );

    pub(super) const fn new(field: &'static str, reason: &'static str) -> Self {
        Self { field, reason }
    }

    /// The setting, by the name of its method on
    /// [`GateBuilder`](crate::GateBuilder).
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// What is wrong with it.
    pub const fn reason(&self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.reason)
    }
}

impl std::error::Error for GateError {}
