//! Read after `decide/rejected.rs`. Why a session ends, and how that is reported.

use std::fmt;

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
    /// All of them, to report the totals of each.
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
    pub(crate) const fn new(reason: CloseReason) -> Self {
        Self { reason }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session has ended: {}", self.reason)
    }
}

impl std::error::Error for Closed {}

/// Why [`enter`](crate::SessionHandle::enter) gave no activity.
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

/// A session that has ended, and whose owner is to be dropped now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended<T> {
    /// A copy of the session's tag.
    pub tag: T,
    /// The one reason for which it ended.
    pub reason: CloseReason,
}

impl<T> Ended<T> {
    pub(crate) const fn new(tag: T, reason: CloseReason) -> Self {
        Self { tag, reason }
    }
}
