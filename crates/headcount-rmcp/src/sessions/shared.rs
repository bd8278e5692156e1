//! Read after `live.rs`. What a manager's sessions have in common.
//!
//! *Invariant*: the registry has an entry for each session whose transport
//! lives, and holds no slot. It goes when the transport is gone and rmcp has
//! closed the session, or has not within a second: rmcp does not where its
//! service has panicked, or where the transport was never served. Until then the
//! id cannot be restored, so that who closes an old session never meets a new
//! one.
//!
//! *Who sees whom*: each of two parties writes its own word and then reads the
//! other's, with a `SeqCst` fence between, so that one of the two sees the other.
//!
//! | writes, then reads | partner | without the fence |
//! |---|---|---|
//! | `creating`, then whether the gate is closed | closes the gate, then reads `creating` (`wait_until_empty`) | a shutdown is done while a session is made |
//! | what a tag does at the end, then whether the session has ended | ends the session, then reads what its tag does (`tag.rs`) | nobody closes the inner session |
//!
//! *The one decision*: `reserve`, in the gate, before the inner manager makes
//! anything. Until the session is guarded (`transport.rs`) the reservation undoes
//! all of it.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*, fence};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headcount::{Clock, CloseReason, Gate, Rejected, Reservation};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::error::GuardError;
use crate::lock::lock;
use crate::rules::{OtherSubjects, ReleaseOn, Rules, Target, Unidentified};
use crate::sessions::live::LiveSession;
use crate::sessions::tag::SessionTag;
use crate::visit::anonymous::{Anonymous, warn_of_anonymous};
use crate::visit::request::Visit;

/// An event, by the name that the rules say.
macro_rules! info {
    ($rules:expr, $($fields:tt)*) => {
        match $rules.target {
            Target::Headcount => tracing::info!($($fields)*),
            Target::McpSession => tracing::info!(target: "mcp_session", $($fields)*),
        }
    };
}

pub(crate) struct Shared<M: SessionManager, C: Clock + 'static> {
    pub(crate) inner: M,
    pub(crate) gate: Gate<String, SessionTag, C>,
    pub(crate) rules: Rules,
    /// A layer is to say who asks, always.
    pub(crate) expects_subjects: AtomicBool,
    /// A layer is to have the place of what has no session.
    pub(crate) expects_layer: AtomicBool,
    /// Calls without a session are counted, or it was said that they are not.
    pub(crate) calls_are_bounded: AtomicBool,
    anonymous: Anonymous,
    registry: scc::HashMap<SessionId, Arc<LiveSession<C>>>,
    /// Sessions that are being made.
    creating: AtomicUsize,
    /// Rings when a session has left the registry, or is made.
    left: Notify,
    /// Where sessions are closed: a gate may be driven from anywhere.
    runtime: Mutex<Option<Handle>>,
}

/// How long to wait for an inner manager that does not do as it is told: a
/// session's worker waits, without end, for a client that has stopped to read.
pub(crate) const INNER_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) type Reserved<C> = Reservation<String, SessionTag, C>;

impl<M: SessionManager, C: Clock + 'static> Shared<M, C> {
    pub(crate) fn new(inner: M, gate: Gate<String, SessionTag, C>, rules: Rules) -> Self {
        Self {
            inner,
            gate,
            calls_are_bounded: AtomicBool::new(rules.calls_bounded_elsewhere),
            rules,
            expects_subjects: AtomicBool::new(false),
            expects_layer: AtomicBool::new(false),
            anonymous: Anonymous::default(),
            registry: scc::HashMap::default(),
            creating: AtomicUsize::new(0),
            left: Notify::new(),
            runtime: Mutex::new(None),
        }
    }

    /// From here on a session is being made, until this is dropped.
    pub(crate) fn creating(&self) -> CreationGuard<'_> {
        self.creating.fetch_add(1, AcqRel);
        fence(SeqCst);
        CreationGuard { creating: &self.creating, left: &self.left }
    }

    pub(crate) fn runs_on(&self, runtime: Handle) {
        *lock(&self.runtime) = Some(runtime);
    }

    /// Says once what nobody counts.
    pub(crate) fn warn_of_unbounded_calls(&self) {
        let says =
            !self.calls_are_bounded.load(Relaxed) && !self.calls_are_bounded.swap(true, Relaxed);
        if says {
            let how = match self.rules.target {
                Target::Headcount => {
                    "McpGuard::calls, or by a GateLayer with carries_no_session; \
                     Rules::calls_bounded_elsewhere says"
                }
                Target::McpSession => {
                    "a GateLayer with carries_no_session; \
                     BoundedSessionManagerBuilder::calls_bounded_elsewhere says"
                }
            };
            tracing::warn!(
                "calls of clients without sessions are served and not bounded: bound them by \
                 {how} that they are"
            );
        }
    }

    /// The decision.
    pub(crate) fn reserve(&self) -> Result<Reserved<C>, GuardError<M::Error>> {
        let visit = Visit::current();
        let (subject, others) = match visit.as_deref() {
            Some(visit) => (visit.head.subject.clone()?, visit.head.others),
            None if self.expects_subjects.load(Relaxed) => {
                tracing::error!(
                    "a request came past the McpLayer whose subjects count, or was spawned on the \
                     way, and is refused: mount what McpGuard::service makes, or what \
                     McpGuard::inner does within McpGuard::layer"
                );
                return Err(GuardError::Unidentified);
            }
            None if self.rules.unidentified == Unidentified::Anonymous => {
                (None, OtherSubjects::Served)
            }
            None => return Err(GuardError::Unidentified),
        };
        let tag = SessionTag::new(subject.clone(), others);
        let subject = subject.as_deref();
        let reserved = self.gate.reserve(subject, tag);
        let reserved = reserved.inspect_err(|rejected| self.tell_refused(*rejected, subject))?;
        if self.anonymous.are_all(subject) {
            let by_subjects = visit.is_some_and(|visit| visit.head.by_subjects);
            let limits_subjects = self.gate.has_subject_limit();
            warn_of_anonymous("sessions", by_subjects, limits_subjects);
        }
        Ok(reserved)
    }

    /// The session is there, and its end is heard of.
    pub(crate) fn register(self: &Arc<Self>, live: &Arc<LiveSession<C>>) {
        let tag = live.handle.tag();
        let subject = tag.subject().filter(|_| self.rules.logs_subjects);
        info!(self.rules, session_id = %live.id, subject, "session created");
        self.registry.upsert_sync(live.id.clone(), Arc::clone(live));
        let (shared, weak) = (Arc::downgrade(self), Arc::downgrade(live));
        tag.made(live.id.clone(), move |reason| {
            if let (Some(shared), Some(live)) = (shared.upgrade(), weak.upgrade()) {
                shared.finish(&live, reason);
            }
        });
        fence(SeqCst);
        // Whoever was told of its end before could do nothing.
        if let Some(reason) = live.handle.reason() {
            self.finish(live, reason);
        }
    }

    /// The session, unless there is none.
    pub(crate) fn live(&self, id: &SessionId) -> Option<Arc<LiveSession<C>>> {
        self.registry.read_sync(id, |_, live| Arc::clone(live))
    }

    /// What is left to do for a session that has ended by itself.
    fn finish(self: &Arc<Self>, live: &LiveSession<C>, reason: CloseReason) {
        self.tell(live, reason);
        if self.rules.release_on == ReleaseOn::Closed {
            live.free();
        }
        self.close_inner(live.id.clone());
    }

    /// Ends the inner session, and so its task, whose transport is dropped then.
    pub(crate) fn close_inner(self: &Arc<Self>, id: SessionId) {
        let this = Arc::clone(self);
        self.spawn(async move { this.close_inner_now(&id).await });
    }

    async fn close_inner_now(&self, id: &SessionId) {
        if let Err(error) = self.close(id).await {
            tracing::warn!(session_id = %id, %error, "the inner session was not closed");
        }
    }

    /// Closes the inner session. One that does not hear it is left to the end of
    /// its transport.
    pub(crate) async fn close(&self, id: &SessionId) -> Result<(), M::Error> {
        timeout(INNER_CLOSE_TIMEOUT, self.inner.close_session(id)).await.unwrap_or(Ok(()))
    }

    /// Where sessions are made; a future that cannot run any more is dropped.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let runtime = lock(&self.runtime).clone().or_else(|| Handle::try_current().ok());
        if let Some(runtime) = runtime {
            runtime.spawn(future);
        }
    }

    /// The transport is gone; the entry follows.
    pub(crate) fn forget(this: &Arc<Self>, live: &Arc<LiveSession<C>>) {
        live.lose_transport();
        let removal = RemoveOnDrop { shared: Arc::clone(this), live: Arc::clone(live) };
        this.spawn(async move {
            removal.shared.close_inner_now(&removal.live.id).await;
            if removal.shared.has(&removal.live) {
                sleep(INNER_CLOSE_TIMEOUT).await;
            }
        });
    }

    /// Takes the entry out, if it is there.
    pub(crate) fn remove(&self, live: &Arc<LiveSession<C>>) {
        _ = self.registry.remove_if_sync(&live.id, |entry| Arc::ptr_eq(entry, live));
        self.left.notify_waiters();
    }

    fn has(&self, live: &Arc<LiveSession<C>>) -> bool {
        self.live(&live.id).is_some_and(|entry| Arc::ptr_eq(&entry, live))
    }

    /// Until the last session has left, and none is being made.
    pub(crate) async fn wait_until_empty(&self) {
        fence(SeqCst);
        loop {
            let left = self.left.notified();
            // In this order: who makes a session puts it in before it is done.
            if self.creating.load(Acquire) == 0 && self.registry.is_empty() {
                return;
            }
            left.await;
        }
    }

    pub(crate) fn tell(&self, live: &LiveSession<C>, reason: CloseReason) {
        if let Some(lived) = live.tell() {
            let subject = live.handle.tag().subject().filter(|_| self.rules.logs_subjects);
            let reason = (self.rules.reason)(reason);
            let duration_secs = lived.as_secs_f64();
            info!(
                self.rules,
                session_id = %live.id, subject, duration_secs, %reason, "session closed"
            );
        }
    }

    pub(crate) fn tell_refused(&self, rejected: Rejected, subject: Option<&str>) {
        let subject = subject.filter(|_| self.rules.logs_subjects);
        let cause = rejected.cause();
        info!(self.rules, %cause, subject, "session refused");
    }
}

/// A session that is being made.
pub(crate) struct CreationGuard<'a> {
    creating: &'a AtomicUsize,
    left: &'a Notify,
}

impl Drop for CreationGuard<'_> {
    fn drop(&mut self) {
        self.creating.fetch_sub(1, AcqRel);
        self.left.notify_waiters();
    }
}

/// Takes the entry out when it is dropped: done, or not to be done any more.
struct RemoveOnDrop<M: SessionManager, C: Clock + 'static> {
    shared: Arc<Shared<M, C>>,
    live: Arc<LiveSession<C>>,
}

impl<M: SessionManager, C: Clock + 'static> Drop for RemoveOnDrop<M, C> {
    fn drop(&mut self) {
        self.shared.remove(&self.live);
    }
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for Shared<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("gate", &self.gate).finish_non_exhaustive()
    }
}
