//! `headcount`: each slot is reserved in one atomic step that also decides.

use std::sync::Arc;

use headcount::{AdmissionCounter, Limit, OwnedPermit, OwnedSubjectPermit, SubjectCounts};

use super::{Cause, Limits, Refused, Way};
use crate::subject::Subject;

/// The exact counters: the subject's first, the global one last. So a client
/// over its own limit never touches what the others share, and a client is told
/// that the server is full only if it was full.
///
/// Whatever ends the caller, its permits give back: a client that hangs up
/// during `setup` needs no code here. One that the global counter refuses gives
/// its subject's slot back on return; until then that slot is taken, and
/// another client of the subject may meet it.
pub struct Exact {
    global: Arc<AdmissionCounter>,
    of_subject: Arc<SubjectCounts<String>>,
    per_subject: Limit,
}

/// Both permits of a session.
pub struct Permits {
    _global: OwnedPermit,
    _subject: Option<OwnedSubjectPermit<String>>,
}

impl Way for Exact {
    const NAME: &'static str = "headcount (exact)";

    type Permit = Permits;

    fn with_limits(limits: Limits) -> Self {
        Self {
            global: Arc::new(AdmissionCounter::new(Limit::at_most(limits.global))),
            of_subject: Arc::new(SubjectCounts::new().with_max_subject_len(Subject::LONGEST)),
            per_subject: Limit::at_most(limits.per_subject),
        }
    }

    async fn open<S, R>(
        &self,
        subject: Option<&str>,
        setup: S,
        refuse: R,
    ) -> Result<Permits, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        // Never too long: the handler answered 400 to what the map does not store.
        let subject = subject
            .map(|subject| self.of_subject.try_acquire_owned(subject, self.per_subject))
            .transpose()
            .map_err(|_at_limit| refuse(Cause::SubjectAtLimit))?;
        let global = self.global.try_acquire_owned();
        let global = global.map_err(|_at_capacity| refuse(Cause::AtCapacity))?;
        setup.await;
        Ok(Permits { _global: global, _subject: subject })
    }

    fn in_use(&self) -> usize {
        self.global.in_use() as usize
    }

    fn subjects(&self) -> usize {
        self.of_subject.subjects()
    }
}
