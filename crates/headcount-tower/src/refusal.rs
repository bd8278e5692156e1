//! Read after `subjects.rs`. Why a request is refused, in the words of HTTP.

use std::time::Duration;

use headcount::{Cause, Rejected};
use http::StatusCode;

use crate::subjects::BadSubject;

/// When to come back where the gate does not say, because it was closed: long
/// enough that a server which restarts is not stormed meanwhile.
const RESTART: Duration = Duration::from_secs(5);

/// When who was ended before it was served may try again.
const ENDED: Duration = Duration::from_secs(1);

/// A request was refused, for one reason. The text holds no count, no limit and
/// nothing of what the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The gate let it not in.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// It does not say clearly whom it counts as. Nothing was asked of the gate.
    #[error(transparent)]
    BadSubject(#[from] BadSubject),
    /// What the gate had let in was ended before it could be served.
    #[error("ended before it was served")]
    Ended,
}

impl Refusal {
    /// 503 if it is for what all share, 429 if it is for what the client did,
    /// 400 if it could never be let in as it is.
    ///
    /// | refusal | status |
    /// |---|---|
    /// | `AtCapacity`, `ShutDown`, `OutOfTimers`, `Ended` | 503 |
    /// | `SubjectAtLimit`, `RateLimited` | 429 |
    /// | `SubjectTooLong`, `BadSubject` | 400 |
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadSubject(_) => StatusCode::BAD_REQUEST,
            Self::Ended => StatusCode::SERVICE_UNAVAILABLE,
            Self::Rejected(rejected) => match rejected.cause() {
                Cause::SubjectTooLong => StatusCode::BAD_REQUEST,
                Cause::SubjectAtLimit | Cause::RateLimited => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
        }
    }

    /// The gate's cause, if it was the gate.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Rejected(rejected) => Some(rejected.cause()),
            _ => None,
        }
    }

    /// When to come back; `None` for what time does not mend: a 400, and a limit of 0.
    ///
    /// That is what the gate says, which [`Answers`](crate::Answers) cap and
    /// spread. It says nothing once it was closed; then it is 5 seconds, for the
    /// server that comes after.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejected) if rejected.cause() == Cause::ShutDown => Some(RESTART),
            Self::Rejected(rejected) => rejected.retry_after(),
            Self::Ended => Some(ENDED),
            _ => None,
        }
    }

    /// [`retry_after`](Self::retry_after) as the header `Retry-After` wants it:
    /// whole seconds, rounded up, at least 1.
    pub fn retry_after_secs(&self) -> Option<u64> {
        self.retry_after().map(whole_secs)
    }
}

/// Rounded up, at least one.
pub(crate) fn whole_secs(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1)
}
