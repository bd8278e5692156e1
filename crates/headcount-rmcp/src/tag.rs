//! Read after `live.rs`. What a gate knows a session of rmcp by.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rmcp::transport::streamable_http_server::session::SessionId;

/// What the gate knows a session by: its id, as soon as it has one, and whose
/// it is.
///
/// Comes from a [`Gate`](headcount::Gate) that guards sessions, in an
/// [`Ended`](headcount::Ended); clones are the same tag.
#[derive(Clone)]
pub struct SessionTag(Arc<Tag>);

struct Tag {
    /// Empty while the session is being made.
    id: OnceLock<SessionId>,
    subject: Option<String>,
}

impl SessionTag {
    pub(crate) fn new(subject: Option<String>) -> Self {
        Self(Arc::new(Tag { id: OnceLock::new(), subject }))
    }

    pub(crate) fn name(&self, id: SessionId) {
        let first = self.0.id.set(id);
        debug_assert!(first.is_ok(), "a session is named once");
    }

    /// The session's id; `None` while it is being made.
    pub fn id(&self) -> Option<&SessionId> {
        self.0.id.get()
    }

    /// Whose session it is; `None` of an anonymous one.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Without the subject, which may be a person's name.
impl fmt::Debug for SessionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTag").field("id", &self.id()).finish_non_exhaustive()
    }
}
