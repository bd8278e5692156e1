//! Read after `horizon.rs`. The two deadlines of a timer, as a user says them, and
//! the word in which a node keeps the fixed one.
//!
//! ```text
//!  63      62                                     0
//! +-------+----------------------------------------+   later 0: the tick, or NO_TICK for none
//! | later |             tick or ticks              |   later 1: none yet; it will be set at
//! +-------+----------------------------------------+            least so many ticks ahead
//! ```
//!
//! *Rule*: a node is linked where its idle deadline or its fixed one belongs,
//! whichever is earlier. A fixed deadline that is still to be set counts as the
//! earliest tick that it can have if it is set now. So of all later changes none
//! comes before the place where the node is linked: a visitor finds the node too
//! early and links it again, never too late.

use super::level::{MAX_TICK, NO_TICK, deadline_after};

/// One of the two deadlines of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deadline {
    /// The one that a touch or a hold puts off.
    Idle,
    /// The one that nothing puts off but
    /// [`set_fixed_deadline`](crate::Timer::set_fixed_deadline).
    Fixed,
}

/// The deadlines of a new timer, in ticks from its insert.
///
/// # Example
///
/// ```
/// use headcount::{Deadline, Deadlines, FixedDeadline, ManualClock, TimerWheel};
///
/// let clock = ManualClock::new();
/// let wheel = TimerWheel::new(&clock);
///
/// // Idle for 60 ticks, or 100 ticks old.
/// let deadlines = Deadlines { idle: 60, fixed: FixedDeadline::After(100) };
/// let timer = wheel.insert_with(deadlines, "alice").expect("the wheel has room");
///
/// clock.set(50);
/// timer.touch().expect("it has not fired");
/// assert_eq!(timer.deadline(), Some(110));
/// assert_eq!(timer.fixed_deadline(), Some(100));
///
/// let mut ended = Vec::new();
/// wheel.advance_with_deadline(100, |name, deadline| ended.push((name, deadline)));
/// assert_eq!(ended, [("alice", Deadline::Fixed)]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadlines {
    /// The timer fires when nobody has touched or held it for so long.
    pub idle: u64,
    /// The timer fires then in any case.
    pub fixed: FixedDeadline,
}

/// Only an idle time.
impl From<u64> for Deadlines {
    fn from(idle: u64) -> Self {
        Self { idle, fixed: FixedDeadline::None }
    }
}

/// When a new timer fires even if it is touched or held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FixedDeadline {
    /// Never.
    None,
    /// So many ticks after the insert.
    After(u64),
    /// Not yet: the timer is for something that has yet to begin, and gets its fixed
    /// deadline then, so many ticks ahead of that time or more. The wheel looks at
    /// the timer that often until then, at most once a tick, so that
    /// [`set_fixed_deadline`](crate::Timer::set_fixed_deadline) is exact, unless the wheel
    /// was advanced ahead of its clock meanwhile.
    Later(u64),
}

/// A fixed deadline as a node has it, as drawn in the module header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fixed(pub(super) u64);

const LATER: u64 = 1 << 63;

impl Fixed {
    pub(super) fn new(deadline: FixedDeadline, now: u64) -> Self {
        match deadline {
            FixedDeadline::None => Self(NO_TICK),
            FixedDeadline::After(ticks) => Self(deadline_after(now, ticks)),
            FixedDeadline::Later(ticks) => Self(LATER | ticks.clamp(1, MAX_TICK)),
        }
    }

    pub(super) fn at(tick: Option<u64>) -> Self {
        Self(tick.map_or(NO_TICK, |tick| tick.min(MAX_TICK)))
    }

    /// The tick, if there is one by now.
    pub(super) fn tick(self) -> Option<u64> {
        (self.0 <= MAX_TICK).then_some(self.0)
    }

    pub(super) fn is_due(self, now: u64) -> bool {
        self.tick().is_some_and(|tick| tick <= now)
    }

    /// No fixed deadline of the timer that is in force, or is set at `now` or
    /// after, comes before this tick.
    pub(super) fn earliest(self, now: u64) -> u64 {
        if self.0 & LATER == 0 { self.0 } else { deadline_after(now, self.0 & !LATER) }
    }
}
