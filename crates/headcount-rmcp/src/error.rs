//! Read first. Why a guarded session manager did not do what rmcp asked for.

use headcount::{CloseReason, Rejected};
use headcount_tower::BadSubject;

/// Why a guarded session manager did not do what was asked for.
///
/// rmcp answers all of them with 500; under a [`McpLayer`](crate::McpLayer) the
/// client gets what they mean: 503 or 429 with `Retry-After`, 400, or 404. The
/// texts name no counts and no subjects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError<E> {
    /// The gate let the session not in.
    #[error(transparent)]
    Refused(#[from] Rejected),
    /// Who asks for a session could not be told from the request.
    #[error(transparent)]
    BadSubject(#[from] BadSubject),
    /// The request came by no [`McpLayer`](crate::McpLayer), and the manager
    /// was told to [refuse](crate::Unidentified::Refuse) such, or is one of a
    /// [`McpGuard`](crate::McpGuard) with subjects.
    #[error("nobody knows who asks")]
    Unidentified,
    /// The session has ended, for this reason.
    #[error("the session has ended: {0}")]
    Ended(CloseReason),
    /// There is no such session.
    #[error("no such session")]
    Unknown,
    /// More is in flight in the session than can be counted.
    #[error("too much in flight in one session")]
    TooManyInFlight,
    /// The inner session manager failed.
    #[error(transparent)]
    Inner(E),
}
