//! Read after `visit.rs`. What a manager's sessions have in common.
//!
//! *Invariant*: the registry has an entry for each session whose transport
//! lives, and holds no slot. It goes when the transport is gone and the inner
//! manager has closed the session; until then the id cannot be restored, so
//! two sessions never have one id.
//!
//! *The one decision*: `reserve`, in the gate, before the inner manager makes
//! anything. Until `guard` the reservation undoes all of it, and between what
//! the inner manager made and the transport that owns it nothing awaits.

use std::fmt;
use std::sync::Arc;

use headcount::{Clock, CloseReason, Ended, Gate, Rejected, Reservation};
use headcount_tower::Refusal;
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::error::GuardError;
use crate::live::Live;
use crate::rules::{Begins, ReleaseOn, Rules, Unidentified};
use crate::tag::SessionTag;
use crate::transport::GuardedTransport;
use crate::visit::{Verdict, Visit};

pub(crate) struct Shared<M: SessionManager, C: Clock + 'static> {
    pub(crate) inner: M,
    pub(crate) gate: Gate<String, SessionTag, C>,
    pub(crate) rules: Rules,
    registry: scc::HashMap<SessionId, Arc<Live<C>>>,
    /// Rings when a session has left the registry.
    left: Notify,
}

type Reserved<C> = Reservation<String, SessionTag, C>;

impl<M: SessionManager, C: Clock + 'static> Shared<M, C> {
    pub(crate) fn new(inner: M, gate: Gate<String, SessionTag, C>, rules: Rules) -> Self {
        Self { inner, gate, rules, registry: scc::HashMap::default(), left: Notify::new() }
    }

    /// The decision.
    pub(crate) fn reserve(&self) -> Result<Reserved<C>, GuardError<M::Error>> {
        let visit = Visit::current();
        let subject = match visit.as_deref() {
            Some(visit) => visit.subject.clone()?,
            None if self.rules.unidentified == Unidentified::Anonymous => None,
            None => return Err(GuardError::Unidentified),
        };
        let tag = SessionTag::new(subject.clone());
        self.gate.reserve(subject.as_deref(), tag).map_err(|rejected| {
            self.tell_refused(rejected, subject.as_deref());
            rejected.into()
        })
    }

    /// The session begins; its transport owns it.
    pub(crate) fn guard(
        this: &Arc<Self>,
        reservation: Reserved<C>,
        id: SessionId,
        transport: M::Transport,
    ) -> Result<GuardedTransport<M, C>, GuardError<M::Error>> {
        let tag = reservation.tag().clone();
        tag.name(id.clone());
        let session = match reservation.commit() {
            Ok(session) => session,
            Err(rejected) => {
                this.tell_refused(rejected, tag.subject());
                drop(transport);
                this.close_inner(id);
                return Err(rejected.into());
            }
        };
        if this.rules.begins == Begins::Established {
            // If it has ended, that is seen below.
            _ = session.establish();
        }
        let (live, owner) = Live::new(id, session);
        let live = Arc::new(live);
        this.registry.upsert_sync(live.id.clone(), Arc::clone(&live));
        let subject = tag.subject().filter(|_| this.rules.logs_subjects);
        tracing::info!(session_id = %live.id, subject, "session created");
        // Whoever was told of its end before there was an entry found none.
        if let Some(reason) = live.handle.reason() {
            this.finish(&live, reason);
        }
        Ok(GuardedTransport::new(transport, live, owner, this))
    }

    /// The session, unless there is none.
    pub(crate) fn live(&self, id: &SessionId) -> Option<Arc<Live<C>>> {
        self.registry.read_sync(id, |_, live| Arc::clone(live))
    }

    /// A driver of the gate was told of an end.
    pub(crate) fn ended(self: &Arc<Self>, ended: &Ended<SessionTag>) {
        let live = ended.tag.id().and_then(|id| self.live(id));
        if let Some(live) = live.filter(|live| live.handle.tag().is(&ended.tag)) {
            self.finish(&live, ended.reason);
        }
    }

    /// What is left to do for a session that has ended by itself.
    fn finish(self: &Arc<Self>, live: &Live<C>, reason: CloseReason) {
        self.tell(live, reason);
        if self.rules.release_on == ReleaseOn::Closed {
            live.free();
        }
        self.close_inner(live.id.clone());
    }

    /// Ends the inner session, and so its task, whose transport is dropped then.
    fn close_inner(self: &Arc<Self>, id: SessionId) {
        let this = Arc::clone(self);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { this.close_inner_now(&id).await });
        }
    }

    async fn close_inner_now(&self, id: &SessionId) {
        if let Err(error) = self.inner.close_session(id).await {
            tracing::warn!(session_id = %id, %error, "the inner session was not closed");
        }
    }

    /// The transport is gone. rmcp closes the session then, but not where its
    /// service has panicked, or where the transport was never served.
    pub(crate) fn forget(this: &Arc<Self>, live: &Arc<Live<C>>) {
        let (shared, live) = (Arc::clone(this), Arc::clone(live));
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    shared.close_inner_now(&live.id).await;
                    shared.strike(&live);
                });
            }
            Err(_) => shared.strike(&live),
        }
    }

    fn strike(&self, live: &Arc<Live<C>>) {
        _ = self.registry.remove_if_sync(&live.id, |entry| Arc::ptr_eq(entry, live));
        self.left.notify_waiters();
    }

    /// Until the last session has left.
    pub(crate) async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.registry.is_empty() {
                return;
            }
            left.await;
        }
    }

    pub(crate) fn tell(&self, live: &Live<C>, reason: CloseReason) {
        if let Some(lived) = live.tell() {
            let subject = live.handle.tag().subject().filter(|_| self.rules.logs_subjects);
            let reason = (self.rules.reason)(reason);
            let duration_secs = lived.as_secs_f64();
            tracing::info!(session_id = %live.id, subject, duration_secs, reason, "session closed");
        }
    }

    fn tell_refused(&self, rejected: Rejected, subject: Option<&str>) {
        let subject = subject.filter(|_| self.rules.logs_subjects);
        let cause = rejected.cause();
        tracing::info!(%cause, subject, "session refused");
    }
}

/// Leaves what the error means where the layer finds it.
pub(crate) fn decided<E>(error: GuardError<E>) -> GuardError<E> {
    let verdict = match &error {
        GuardError::Refused(rejected) => Some(Verdict::Refused((*rejected).into())),
        GuardError::BadSubject(bad) => Some(Verdict::Refused(Refusal::from(*bad))),
        GuardError::Ended(_) | GuardError::Unknown => Some(Verdict::Gone),
        GuardError::Unidentified | GuardError::TooManyInFlight | GuardError::Inner(_) => None,
    };
    if let (Some(visit), Some(verdict)) = (Visit::current(), verdict) {
        visit.decide(verdict);
    }
    error
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for Shared<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("gate", &self.gate).finish_non_exhaustive()
    }
}
