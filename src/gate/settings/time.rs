//! Read after `check.rs`. The unit of time and the clock: which ones a gate refuses,
//! and how exact its own clock must be.

use std::time::Duration;

use super::check::GateError;
use super::config::GateConfig;
use super::policy::CapacityPolicy;
use crate::clock::{Clock, SystemClock};
use crate::wheel::lasts_a_century;

impl<K> GateConfig<K> {
    /// The unit of time must be one, and no longer than what is measured by it.
    pub(crate) fn check_tick(&self) -> Result<(), GateError> {
        let timeouts = [self.init_timeout, self.idle_timeout, self.max_lifetime];
        let window = self.rate.map(|rate| rate.window);
        let mut measured = timeouts.into_iter().chain([window]).flatten();
        if self.tick.is_zero() {
            return Err(GateError::new("tick", "is zero"));
        }
        // What is zero is told of by its own name.
        if measured.any(|duration| !duration.is_zero() && duration < self.tick) {
            let why = "is longer than a timeout or the window of the rate: take a shorter one";
            return Err(GateError::new("tick", why));
        }
        Ok(())
    }

    /// The clock must have ticks of the gate's length, and enough of them.
    pub(crate) fn check_clock(&self, clock: &impl Clock) -> Result<(), GateError> {
        if clock.tick_length().is_some_and(|tick| tick != self.tick) {
            return Err(GateError::new("clock", "has ticks of another length than `tick` says"));
        }
        if !lasts_a_century(clock.now(), self.tick) {
            let why = "is so short that the clock comes to the last of 2^44 ticks within a \
                       century: 180 microseconds are enough for a clock that begins now";
            return Err(GateError::new("tick", why));
        }
        Ok(())
    }

    /// The clock of a gate that was given none: exact if one of its times is so short
    /// that it must be.
    pub(crate) fn system_clock(&self) -> SystemClock {
        let window = self.rate.map(|rate| rate.window);
        let floor = match self.at_capacity {
            CapacityPolicy::EvictIdle { floor } => Some(floor),
            _ => None,
        };
        // Of two sessions that were last active in one step of the clock either may
        // go first, so a step is to be the thousandth part of the idle timeout at most.
        let order = floor.map(|floor| self.idle_timeout.unwrap_or(floor) / 20);
        let times = [self.init_timeout, self.idle_timeout, self.max_lifetime, window, floor, order];
        let shortest = times.into_iter().flatten().min().unwrap_or(Duration::MAX);
        SystemClock::for_timeouts(self.tick, shortest)
    }
}
