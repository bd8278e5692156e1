//! Read after `tag.rs`. The request that a manager works for at the moment: what it
//! may use, and what it is told.

use headcount_tower::Refusal;

use crate::error::GuardError;
use crate::sessions::tag::SessionTag;
use crate::visit::request::{NoRoom, Verdict, Visit};

/// rmcp serves a request here.
pub(crate) fn asked_about() {
    if let Some(visit) = Visit::current() {
        visit.is_asked_about();
    }
}

/// The request that is served here is part of a session.
pub(crate) fn in_session() {
    if let Some(visit) = Visit::current() {
        visit.is_in_session();
    }
}

/// May the request that is served here use the session? One whose visit is lost
/// comes from nobody.
pub(crate) fn may_use(session: &SessionTag) -> bool {
    let Some(owner) = session.owner() else { return true };
    Visit::current().is_some_and(|visit| visit.subject().is_some_and(|who| who == owner))
}

fn no_session(refusal: impl Into<Refusal>) -> Verdict {
    Verdict::Refused(NoRoom::Session(refusal.into()))
}

/// Leaves what the error means where the layer finds it.
pub(crate) fn decided<E>(error: GuardError<E>) -> GuardError<E> {
    let verdict = match &error {
        GuardError::Refused(rejected) => Some(no_session(*rejected)),
        GuardError::BadSubject(bad) => Some(no_session(*bad)),
        GuardError::TooManyInFlight => Some(no_session(Refusal::Ended)),
        GuardError::Ended(_) | GuardError::Unknown => Some(Verdict::Gone),
        GuardError::Unidentified | GuardError::Inner(_) => None,
    };
    if let (Some(visit), Some(verdict)) = (Visit::current(), verdict) {
        visit.decide(verdict);
    }
    error
}

/// The same of a session that is being opened: who has not had it yet is not
/// told that it is gone.
pub(crate) fn decided_opening<E>(error: GuardError<E>) -> GuardError<E> {
    if let (GuardError::Ended(_) | GuardError::Unknown, Some(visit)) = (&error, Visit::current()) {
        visit.decide(no_session(Refusal::Ended));
    }
    decided(error)
}
