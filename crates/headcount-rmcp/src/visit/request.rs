//! Read after `gates.rs`. What goes from a request to the manager, and from the
//! manager to the response, past rmcp: who asks, and what a refusal meant.
//!
//! rmcp calls a session manager within the future of the request it serves, so
//! a task-local of that future is seen by both, and by nobody else. What a
//! manager does elsewhere, in a session's own task, has no visit.
//!
//! *What a request is*: rmcp alone knows, since the body says so. Before it serves
//! one it asks the manager for the session, makes a handler (`mcp.rs`), or has stored
//! events replayed (`events.rs`); whichever comes first decides. A head that names a session decides nothing: a
//! body can say that it has none.
//!
//! *How many there are*: something between the layer and rmcp may send copies of a
//! request to rmcp, one after the other or all at once. Each is let in by itself, and
//! its place comes back with that of the first.
//!
//! *How long a call is under way*: as long as its visit lives. The response has it
//! until its body has ended, and so has whoever has the request's extensions: a
//! handler that kept them.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use bytes::{Bytes, BytesMut};
use headcount_tower::{BadSubject, Refusal};
use memchr::memmem;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, RequestId};
use tokio::task::futures::TaskLocalFuture;

use crate::lock::lock;
use crate::rules::OtherSubjects;
use crate::visit::anonymous::warn_of_anonymous;
use crate::visit::gates::{Gates, RequestKind, Slot};

tokio::task_local! {
    static VISIT: Arc<Visit>;
}

/// A request on its way through rmcp.
pub(crate) struct Visit {
    pub(crate) head: RequestHead,
    gates: Arc<Gates>,
    stage: Mutex<Stage>,
    /// Of a request that names no session; empty once it is of no use.
    body: Mutex<BufferedBody>,
    verdict: OnceLock<Verdict>,
    /// Of a copy: the one whose verdict counts.
    first: Weak<Self>,
    /// It has gone into rmcp.
    entered: AtomicBool,
    /// rmcp has asked something about it.
    asked: AtomicBool,
    /// Of copies of the request that something between the layer and rmcp has made.
    copies: Mutex<Vec<Arc<Self>>>,
}

/// Who asks, by the layer, and for what, by the request's head.
#[derive(Clone)]
pub(crate) struct RequestHead {
    pub(crate) subject: Result<Option<String>, BadSubject>,
    /// The layer was told whom requests count as.
    pub(crate) by_subjects: bool,
    /// Of sessions that are opened here.
    pub(crate) others: OtherSubjects,
    pub(crate) kind: RequestKind,
}

/// What the request has turned out to be.
#[derive(Debug)]
enum Stage {
    Unknown,
    /// Part of a session, which is what counts.
    InSession,
    /// By itself, and counted by itself if there is a gate for it.
    Alone(#[expect(dead_code, reason = "it is dropped")] Slot),
}

/// Do requests that begin a handshake open a session?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    Opens,
    IsACall,
}

/// What was refused, and why.
#[derive(Debug)]
pub(crate) enum NoRoom {
    Session(Refusal),
    /// A call or a stream.
    Alone(Refusal),
}

/// What rmcp's answer should have been.
#[derive(Debug)]
pub(crate) enum Verdict {
    Refused(NoRoom),
    /// A stream that is in no session; rmcp makes an empty one of it.
    NotReplayed(Refusal),
    /// There is no such session, any more.
    Gone,
}

impl Visit {
    pub(crate) fn new(head: RequestHead, gates: Arc<Gates>) -> Arc<Self> {
        Self::copy_of(Weak::new(), head, gates)
    }

    fn copy_of(first: Weak<Self>, head: RequestHead, gates: Arc<Gates>) -> Arc<Self> {
        Arc::new(Self {
            head,
            gates,
            stage: Mutex::new(Stage::Unknown),
            body: Mutex::default(),
            verdict: OnceLock::new(),
            first,
            entered: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            copies: Mutex::default(),
        })
    }

    /// A request of this visit goes into rmcp. A second one is a copy, which is a
    /// request by itself: it has a visit of its own that lives as long as this.
    pub(crate) fn enters(self: &Arc<Self>) -> Arc<Self> {
        if !self.entered.swap(true, Relaxed) {
            return Arc::clone(self);
        }
        let first = match self.first.strong_count() {
            0 => Arc::downgrade(self),
            _ => Weak::clone(&self.first),
        };
        let copy = Self::copy_of(first, self.head.clone(), Arc::clone(&self.gates));
        lock(&self.copies).push(Arc::clone(&copy));
        copy
    }

    /// Who asks, if that is known.
    pub(crate) fn subject(&self) -> Option<&String> {
        self.head.subject.as_ref().ok()?.as_ref()
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
        match self.first.upgrade() {
            Some(first) => _ = first.verdict.set(verdict),
            None => _ = self.verdict.set(verdict),
        }
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.get()
    }

    /// A part of the request's body has come.
    pub(crate) fn keeps(&self, part: Bytes) {
        lock(&self.body).push(part);
    }

    /// The id of the request, as far as it was kept.
    pub(crate) fn request_id(&self) -> Option<RequestId> {
        match message(lock(&self.body).whole())? {
            JsonRpcMessage::Request(request) => Some(request.id),
            _ => None,
        }
    }

    /// Its body is of no use any more.
    pub(crate) fn forgets(&self) {
        *lock(&self.body) = BufferedBody::default();
        for copy in lock(&self.copies).iter() {
            copy.forgets();
        }
    }

    /// Whoever has a session to look after does.
    pub(crate) fn is_in_session(&self) {
        let before = std::mem::replace(&mut *lock(&self.stage), Stage::InSession);
        drop(before);
    }

    /// rmcp is about to serve the request, or to open a session for it. In a
    /// session that is nothing new; otherwise it is let in here, once.
    pub(crate) fn is_served(&self, handshake: Handshake) -> Result<(), Refusal> {
        let mut stage = lock(&self.stage);
        if !matches!(*stage, Stage::Unknown) {
            return Ok(());
        }
        if handshake == Handshake::Opens && opens(lock(&self.body).whole()) {
            return Ok(());
        }
        *stage = Stage::Alone(self.admit()?);
        self.forgets();
        Ok(())
    }

    fn admit(&self) -> Result<Slot, Refusal> {
        let Some(gate) = self.gates.of(self.head.kind) else {
            return self.gates.uncounted(self.head.kind);
        };
        let subject = self.head.subject.as_ref().map_err(|bad| *bad)?.as_deref();
        let kind = self.head.kind;
        let slot = self.gates.admit(gate, kind, subject)?;
        if self.gates.anonymous(kind).are_all(subject) {
            let what = match kind {
                RequestKind::Call => "calls",
                RequestKind::Stream => "streams",
            };
            warn_of_anonymous(what, self.head.by_subjects, gate.limits_subjects());
        }
        Ok(slot)
    }

    /// Is it by itself, or may a copy be?
    pub(crate) fn has_slot(&self) -> bool {
        matches!(*lock(&self.stage), Stage::Alone(_)) || !lock(&self.copies).is_empty()
    }

    /// rmcp has it, and asks.
    pub(crate) fn is_asked_about(&self) {
        self.asked.store(true, Relaxed);
    }

    /// Has rmcp served it, and nobody let it in?
    pub(crate) fn is_uncounted(&self) -> bool {
        self.asked.load(Relaxed) && matches!(*lock(&self.stage), Stage::Unknown)
    }
}

/// Without the subject, which may be a person's name, and the body.
impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visit").field("verdict", &self.verdict).finish_non_exhaustive()
    }
}

/// A body that mostly comes in one part, which is not copied then. Of more than
/// one it is a copy, however small they are. It is no longer than rmcp reads: that is
/// its `max_request_body_bytes`.
#[derive(Default)]
struct BufferedBody {
    first: Bytes,
    all: BytesMut,
}

impl BufferedBody {
    fn push(&mut self, part: Bytes) {
        if self.whole().is_empty() {
            self.first = part;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&part);
    }

    fn whole(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }
}

/// As rmcp reads a body.
fn message(body: &[u8]) -> Option<ClientJsonRpcMessage> {
    serde_json::from_slice(body).ok()
}

/// Is it a handshake? rmcp reads the same bytes by the same parser, and opens a
/// session: so nobody gains anything by saying so.
fn opens(body: &[u8]) -> bool {
    // Most are not, and need not be read for it.
    memmem::find(body, b"initialize").is_some()
        && matches!(
            message(body),
            Some(JsonRpcMessage::Request(request))
                if matches!(request.request, ClientRequest::InitializeRequest(_))
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part may be one byte of a buffer of many, which is not kept for it.
    #[test]
    fn parts_of_a_body_do_not_hold_the_buffers_they_came_in() {
        let buffers: Vec<_> = (0..64).map(|byte| Bytes::from(vec![byte; 8192])).collect();
        let mut buffered = BufferedBody::default();
        for buffer in &buffers {
            buffered.push(buffer.slice(..1));
        }
        assert!(buffered.whole().iter().copied().eq(0..64));
        assert!(buffers.iter().all(Bytes::is_unique));
    }
}
