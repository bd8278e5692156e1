//! Read after `gate/mod.rs`. Why the gate refuses somebody, and when to come back.

use std::fmt;
use std::time::Duration;

/// Why the gate refused an admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The subject held its limit of sessions, admissions in flight included.
    SubjectAtLimit,
    /// There were as many admissions in the rate window as it has room for.
    RateLimited,
    /// All sessions of the gate were taken.
    AtCapacity,
    /// The subject is longer than the gate stores.
    SubjectTooLong,
    /// The gate was closed.
    ShutDown,
    /// There was no memory for the session's timers.
    OutOfTimers,
}

impl Cause {
    /// All of them, to report the totals of each.
    pub const ALL: [Self; 6] = [
        Self::SubjectAtLimit,
        Self::RateLimited,
        Self::AtCapacity,
        Self::SubjectTooLong,
        Self::ShutDown,
        Self::OutOfTimers,
    ];
}

/// An admission was refused, for one cause. The text holds no count, so a client may
/// read it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    cause: Cause,
    retry_after: Option<Duration>,
}

impl Rejected {
    pub(crate) const fn new(cause: Cause, retry_after: Option<Duration>) -> Self {
        Self { cause, retry_after }
    }

    /// Why.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// When to come back, or `None` if that is no use.
    ///
    /// | cause | when |
    /// |---|---|
    /// | [`RateLimited`](Cause::RateLimited) | exact, unless an admission that is under way is undone earlier |
    /// | [`SubjectAtLimit`](Cause::SubjectAtLimit) | a second: a session of this subject must end first, and the gate does not search for one. `None` under a limit of 0 |
    /// | [`AtCapacity`](Cause::AtCapacity) | when the first session ends by a timeout, or may be evicted; a second if none will. `None` under a limit of 0 |
    /// | [`OutOfTimers`](Cause::OutOfTimers) | when the first session ends by a timeout, or a second |
    /// | [`SubjectTooLong`](Cause::SubjectTooLong), [`ShutDown`](Cause::ShutDown) | `None` |
    ///
    /// The first end is that of a session whose timeout runs: not of one that has
    /// ended, nor by an idle timeout of one that is in use, nor of a reservation,
    /// which no timeout ends. The time is never after it. It is before it if sessions were touched
    /// since it was last searched for, by no more than those were put off. Sessions
    /// may leave earlier, and other newcomers be faster.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// [`retry_after`](Self::retry_after) as the header `Retry-After` wants it:
    /// whole seconds, rounded up, at least 1.
    pub fn retry_after_secs(&self) -> Option<u64> {
        let after = self.retry_after?;
        Some(after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SubjectAtLimit => "subject at its limit",
            Self::RateLimited => "rate limited",
            Self::AtCapacity => "at capacity",
            Self::SubjectTooLong => "subject too long",
            Self::ShutDown => "shut down",
            Self::OutOfTimers => "out of timers",
        })
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for Rejected {}
