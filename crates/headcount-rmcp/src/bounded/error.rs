//! Read first. Why something was not done, and why a session ended, in the words of
//! mcp-session.

use std::fmt;

use headcount::{Cause, Rejected};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManagerError;

use crate::error::GuardError;

/// Why a [`BoundedSessionManager`](crate::BoundedSessionManager) did not do what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoundedSessionError {
    /// From rmcp's session manager.
    #[error(transparent)]
    Inner(#[from] LocalSessionManagerError),
    /// As many sessions were made within the window as it has room for.
    #[error("session creation rate limit exceeded")]
    RateLimited,
    /// All sessions were taken, and each has a request in flight.
    #[error("all sessions are in use")]
    AtCapacity,
    /// The session has ended, or never was.
    #[error("no such session")]
    Ended,
}

impl From<GuardError<LocalSessionManagerError>> for BoundedSessionError {
    fn from(error: GuardError<LocalSessionManagerError>) -> Self {
        match error {
            GuardError::Inner(error) => Self::Inner(error),
            GuardError::Refused(rejected) => rejected.into(),
            GuardError::TooManyInFlight => Self::AtCapacity,
            // Nobody asks this manager for subjects.
            GuardError::BadSubject(_)
            | GuardError::Unidentified
            | GuardError::Ended(_)
            | GuardError::Unknown => Self::Ended,
        }
    }
}

impl From<Rejected> for BoundedSessionError {
    fn from(rejected: Rejected) -> Self {
        match rejected.cause() {
            Cause::RateLimited => Self::RateLimited,
            _ => Self::AtCapacity,
        }
    }
}

/// Why a session was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was the oldest, and made room for another.
    Evicted,
    /// It had lived as long as a session may.
    MaxLifetime,
    /// It was closed, or idle for too long.
    Closed,
}

impl From<headcount::CloseReason> for CloseReason {
    fn from(reason: headcount::CloseReason) -> Self {
        match reason {
            headcount::CloseReason::Evicted => Self::Evicted,
            headcount::CloseReason::MaxLifetime => Self::MaxLifetime,
            _ => Self::Closed,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
