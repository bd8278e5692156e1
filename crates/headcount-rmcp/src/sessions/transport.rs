//! Read after `shared.rs`. A session's transport, which owns its slots.
//!
//! *Why the transport*: rmcp drops it exactly once, on every way out: a normal
//! end, an idle one, a `DELETE`, a panic of the service, a handshake that
//! fails, the end of the runtime.
//!
//! *No gap*: between what the inner manager made and the transport that owns it
//! nothing awaits (`begin`).
//!
//! *What passes through*: requests come in, answers go out, and so it is known
//! here what is in flight, whatever became of the HTTP request by which it
//! came. The end of file says that nothing will be answered any more.
//!
//! *What is no sign of life*: what the server sends. It would send to a client
//! that has gone, too. Only an answer ends something, a request in flight.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use headcount::{Clock, CloseReason};
use pin_project_lite::pin_project;
use rmcp::RoleServer;
use rmcp::model::{ClientNotification, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::time::timeout;

use crate::error::GuardError;
use crate::rules::{InitialPhase, Pings, ReleaseOn};
use crate::sessions::live::{LiveSession, Owner};
use crate::sessions::pings::is_ping;
use crate::sessions::shared::{INNER_CLOSE_TIMEOUT, Reserved, Shared};

/// A transport of the inner manager, and the slots of its session: they are
/// free when this is dropped, after what it wraps.
pub struct GuardedTransport<M: SessionManager, C: Clock + 'static> {
    // Fields are dropped in this order.
    inner: M::Transport,
    session_end: SessionEnd<M, C>,
}

/// The end of a session's last part: dropped after the inner transport.
struct SessionEnd<M: SessionManager, C: Clock + 'static> {
    live: Arc<LiveSession<C>>,
    shared: Arc<Shared<M, C>>,
    owner: Option<Owner<C>>,
}

impl<M: SessionManager, C: Clock + 'static> GuardedTransport<M, C> {
    /// A session begins, of which the inner manager has made this transport.
    pub(crate) fn begin(
        shared: &Arc<Shared<M, C>>,
        reservation: Reserved<C>,
        id: SessionId,
        inner: M::Transport,
    ) -> Result<Self, GuardError<M::Error>> {
        let tag = reservation.tag().clone();
        let session = match reservation.commit() {
            Ok(session) => session,
            Err(rejected) => {
                shared.tell_refused(rejected, tag.subject());
                drop(inner);
                shared.close_inner(id);
                return Err(rejected.into());
            }
        };
        if shared.rules.initial_phase == InitialPhase::Established {
            // If it has ended, whoever enrols it sees that.
            _ = session.establish();
        }
        let (live, owner) = LiveSession::new(id, session);
        let (live, shared) = (Arc::new(live), Arc::clone(shared));
        let guarded = Self { inner, session_end: SessionEnd { live, shared, owner: Some(owner) } };
        guarded.session_end.shared.register(&guarded.session_end.live);
        Ok(guarded)
    }
}

impl<M: SessionManager, C: Clock + 'static> Transport<RoleServer> for GuardedTransport<M, C> {
    type Error = <M::Transport as Transport<RoleServer>>::Error;

    fn name() -> Cow<'static, str> {
        M::Transport::name()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answered = match &item {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let settle_on_drop = answered.map(|id| {
            self.session_end.live.answering(&id);
            SettleOnDrop { live: Arc::clone(&self.session_end.live), id }
        });
        Sending { inner: self.inner.send(item), settle_on_drop }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let session_end = &self.session_end;
        let mut receiving = pin!(self.inner.receive());
        // What has come is served. The rest of an ended session is not waited
        // for: its worker may be waiting for a client that has stopped to read.
        poll_fn(|cx| match receiving.as_mut().poll(cx) {
            Poll::Ready(received) => {
                session_end.received(received.as_ref());
                Poll::Ready(received)
            }
            Poll::Pending if session_end.live.is_over(cx) => {
                session_end.received(None);
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.session_end.no_more_answers();
        timeout(INNER_CLOSE_TIMEOUT, self.inner.close()).await.unwrap_or(Ok(()))
    }
}

impl<M: SessionManager, C: Clock + 'static> Drop for GuardedTransport<M, C> {
    fn drop(&mut self) {
        self.session_end.no_more_answers();
    }
}

impl<M: SessionManager, C: Clock + 'static> SessionEnd<M, C> {
    /// The session has got this; `None` is the end.
    fn received(&self, message: Option<&RxJsonRpcMessage<RoleServer>>) {
        match message {
            Some(JsonRpcMessage::Request(request)) => {
                if !(self.shared.rules.pings == Pings::Ignored && is_ping(&request.request)) {
                    self.live.received(&request.id);
                }
            }
            Some(JsonRpcMessage::Notification(notification)) => {
                if let ClientNotification::CancelledNotification(cancelled) =
                    &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.live.settled(id);
                }
            }
            Some(_) => {}
            None => self.no_more_answers(),
        }
    }

    /// Requests that come from now on are told that the session has ended.
    fn no_more_answers(&self) {
        let reason = self.live.end(CloseReason::Released);
        self.live.settled_all();
        self.shared.tell(&self.live, reason);
        if self.shared.rules.release_on == ReleaseOn::Closed {
            self.live.free();
        }
    }
}

impl<M: SessionManager, C: Clock + 'static> Drop for SessionEnd<M, C> {
    fn drop(&mut self) {
        drop(self.owner.take());
        Shared::forget(&self.shared, &self.live);
    }
}

pin_project! {
    /// A message on its way out. No `async` block, which would be twice as large
    /// as what it waits for; rmcp moves it into a task.
    struct Sending<F, C: Clock> {
        #[pin]
        inner: F,
        // Also if this is dropped before it is done.
        settle_on_drop: Option<SettleOnDrop<C>>,
    }
}

impl<F: Future, C: Clock> Future for Sending<F, C> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let sent = ready!(this.inner.poll(cx));
        *this.settle_on_drop = None;
        Poll::Ready(sent)
    }
}

/// An answer on its way out.
struct SettleOnDrop<C: Clock> {
    live: Arc<LiveSession<C>>,
    id: RequestId,
}

impl<C: Clock> Drop for SettleOnDrop<C> {
    fn drop(&mut self) {
        self.live.settled(&self.id);
    }
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for GuardedTransport<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedTransport")
            .field("session", &self.session_end.live)
            .finish_non_exhaustive()
    }
}
