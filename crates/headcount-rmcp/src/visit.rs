//! Read after `rules.rs`. What goes from a request to the manager, and from the
//! manager to the response, past rmcp: who asks, and what a refusal meant.
//!
//! rmcp calls a session manager within the future of the request it serves, so
//! a task-local of that future is seen by both, and by nobody else. What a
//! manager does elsewhere, in a session's own task, has no visit.

use std::sync::{Arc, OnceLock};

use headcount_tower::{BadSubject, Refusal};
use tokio::task::futures::TaskLocalFuture;

use crate::error::GuardError;
use crate::rules::OtherSubjects;
use crate::tag::SessionTag;

tokio::task_local! {
    static VISIT: Arc<Visit>;
}

/// A request on its way through rmcp.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) subject: Result<Option<String>, BadSubject>,
    /// Of sessions that are opened here.
    pub(crate) others: OtherSubjects,
    verdict: OnceLock<Verdict>,
}

/// What rmcp's answer should have been.
#[derive(Debug)]
pub(crate) enum Verdict {
    Refused(Refusal),
    /// There is no such session, any more.
    Gone,
}

impl Visit {
    pub(crate) fn new(
        subject: Result<Option<String>, BadSubject>,
        others: OtherSubjects,
    ) -> Arc<Self> {
        Arc::new(Self { subject, others, verdict: OnceLock::new() })
    }

    /// The visit of the request that is being served here, if it has one.
    pub(crate) fn current() -> Option<Arc<Self>> {
        VISIT.try_with(Arc::clone).ok()
    }

    /// The future is served within the visit.
    pub(crate) fn of<F: Future>(this: &Arc<Self>, served: F) -> TaskLocalFuture<Arc<Self>, F> {
        VISIT.scope(Arc::clone(this), served)
    }

    /// So is what this does.
    pub(crate) fn hosts<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        VISIT.sync_scope(Arc::clone(self), f)
    }

    /// The first verdict stands.
    pub(crate) fn decide(&self, verdict: Verdict) {
        _ = self.verdict.set(verdict);
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.get()
    }
}

/// May the request that is served here use the session? One whose visit is lost
/// comes from nobody.
pub(crate) fn may_use(session: &SessionTag) -> bool {
    let Some(owner) = session.owner() else { return true };
    Visit::current().is_some_and(|visit| matches!(&visit.subject, Ok(Some(who)) if who == owner))
}

/// Leaves what the error means where the layer finds it.
pub(crate) fn decided<E>(error: GuardError<E>) -> GuardError<E> {
    let verdict = match &error {
        GuardError::Refused(rejected) => Some(Verdict::Refused((*rejected).into())),
        GuardError::BadSubject(bad) => Some(Verdict::Refused(Refusal::from(*bad))),
        GuardError::TooManyInFlight => Some(Verdict::Refused(Refusal::Ended)),
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
        visit.decide(Verdict::Refused(Refusal::Ended));
    }
    decided(error)
}
