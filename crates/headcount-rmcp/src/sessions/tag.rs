//! Read first. What a gate knows a session of rmcp by.
//!
//! A gate tells one driver of each end, and two managers may share a gate: so
//! the tag itself knows the manager that has to do with the session.

use std::fmt;
use std::sync::atomic::{Ordering::SeqCst, fence};
use std::sync::{Arc, OnceLock};

use headcount::CloseReason;
use rmcp::transport::streamable_http_server::session::SessionId;

use crate::rules::OtherSubjects;

/// What the gate knows a session by: its id, as soon as it has one, and whose
/// it is.
///
/// Comes from a [`Gate`](headcount::Gate) that guards sessions; clones are the
/// same tag. Managers drive their gate: nobody else should
/// [`advance`](headcount::Gate::advance) it, since who is told of an end is to
/// do something about it.
#[derive(Clone)]
pub struct SessionTag(Arc<Tag>);

struct Tag {
    subject: Option<String>,
    others: OtherSubjects,
    /// Empty while the session is being made.
    made: OnceLock<Created>,
}

struct Created {
    id: SessionId,
    finish: Box<dyn Fn(CloseReason) + Send + Sync>,
}

impl SessionTag {
    pub(crate) fn new(subject: Option<String>, others: OtherSubjects) -> Self {
        Self(Arc::new(Tag { subject, others, made: OnceLock::new() }))
    }

    /// The only one whom the session is served to; `None` if that is anybody.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.subject().filter(|_| self.0.others == OtherSubjects::NotFound)
    }

    /// The session is there; `finish` is called when the gate has ended it.
    pub(crate) fn made(&self, id: SessionId, finish: impl Fn(CloseReason) + Send + Sync + 'static) {
        let first = self.0.made.set(Created { id, finish: Box::new(finish) });
        debug_assert!(first.is_ok(), "a session is made once");
    }

    /// The gate has ended the session. Nothing if it is being made: who makes it
    /// sees to that (`shared.rs`, *Who sees whom*).
    pub(crate) fn finish(&self, reason: CloseReason) {
        fence(SeqCst);
        if let Some(made) = self.0.made.get() {
            (made.finish)(reason);
        }
    }

    /// The session's id; `None` while it is being made.
    pub fn id(&self) -> Option<&SessionId> {
        self.0.made.get().map(|made| &made.id)
    }

    /// Whose session it is; `None` of an anonymous one.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }
}

/// Without the subject, which may be a person's name.
impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTag").field("id", &self.id()).finish_non_exhaustive()
    }
}
