//! Read after `mod.rs`. Why somebody was refused, and why a session ended.

use std::fmt;
use std::time::Duration;

/// Why the gate let somebody not in.
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
    /// All of them, for who reports the totals of each.
    pub const ALL: [Self; 6] = [
        Self::SubjectAtLimit,
        Self::RateLimited,
        Self::AtCapacity,
        Self::SubjectTooLong,
        Self::ShutDown,
        Self::OutOfTimers,
    ];
}

/// The gate let somebody not in, for one cause. The text holds no count, so
/// that it may reach a client as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    cause: Cause,
    retry_after: Option<Duration>,
}

impl Rejected {
    pub(super) const fn new(cause: Cause, retry_after: Option<Duration>) -> Self {
        Self { cause, retry_after }
    }

    /// Why.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// When to come back, or `None` if that is no use.
    ///
    /// For [`Cause::RateLimited`] exact, unless an admission that is under way
    /// is undone earlier. For [`Cause::SubjectAtLimit`] a second: a session of
    /// this subject must end first, and the gate does not search for one. For the
    /// others the time until the first session may end by one of its timeouts, or
    /// may be evicted, or a second if none will; sessions may end earlier, or
    /// others be faster.
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

/// Why a session ended: exactly one of these for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum CloseReason {
    /// Its owner was dropped before anything else ended it.
    Released,
    /// Nothing was in flight, and nothing happened, for the idle timeout.
    Idle,
    /// It was not established in time.
    InitTimeout,
    /// It had lived as long as a session may.
    MaxLifetime,
    /// It had to make room for another.
    Evicted,
    /// Somebody closed it.
    Closed,
    /// The gate was closed.
    Shutdown,
}

impl CloseReason {
    /// All of them, for who reports the totals of each.
    pub const ALL: [Self; 7] = [
        Self::Released,
        Self::Idle,
        Self::InitTimeout,
        Self::MaxLifetime,
        Self::Evicted,
        Self::Closed,
        Self::Shutdown,
    ];
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Released => "released",
            Self::Idle => "idle",
            Self::InitTimeout => "not established in time",
            Self::MaxLifetime => "at its maximum lifetime",
            Self::Evicted => "evicted",
            Self::Closed => "closed",
            Self::Shutdown => "shut down",
        })
    }
}

/// The session has ended, for this reason, and does nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The one reason for which it ended.
    pub reason: CloseReason,
}

impl Closed {
    pub(super) const fn new(reason: CloseReason) -> Self {
        Self { reason }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session has ended: {}", self.reason)
    }
}

impl std::error::Error for Closed {}

/// Why [`enter`](super::SessionHandle::enter) gave no activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnterError {
    /// The session has ended.
    Closed(Closed),
    /// It has as many activities as can be counted, 131,070.
    TooMany,
}

impl EnterError {
    /// The reason for which the session has ended, if it has.
    pub const fn reason(&self) -> Option<CloseReason> {
        match self {
            Self::Closed(closed) => Some(closed.reason),
            Self::TooMany => None,
        }
    }
}

impl From<Closed> for EnterError {
    fn from(closed: Closed) -> Self {
        Self::Closed(closed)
    }
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => closed.fmt(f),
            Self::TooMany => f.write_str("too many activities in one session"),
        }
    }
}

impl std::error::Error for EnterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed(closed) => Some(closed),
            Self::TooMany => None,
        }
    }
}

/// A session that has ended and whose owner is to be dropped now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended<T> {
    /// A copy of the session's tag.
    pub tag: T,
    /// The one reason for which it ended.
    pub reason: CloseReason,
}

impl<T> Ended<T> {
    pub(super) const fn new(tag: T, reason: CloseReason) -> Self {
        Self { tag, reason }
    }
}
