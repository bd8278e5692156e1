//! Read after `guard.rs`. What rmcp asks of a guarded manager, step by step.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_core::Stream;
use headcount::{Activity, Clock, CloseReason};
use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::{
    EventStore, RestoreOutcome, ServerSseMessage, SessionId,
};
use tokio::time::{Instant, timeout_at};

use crate::error::GuardError;
use crate::rules::{OpenStreams, Pings, ReleaseOn};
use crate::sessions::caller::{asked_about, decided, decided_opening, in_session, may_use};
use crate::sessions::events::{UncountedReplay, within_visit};
use crate::sessions::guard::GuardedSessions;
use crate::sessions::handover::{Handover, asks_for_work};
use crate::sessions::live::LiveSession;
use crate::sessions::pings::only_pings;
use crate::sessions::shared::INNER_CLOSE_TIMEOUT;
use crate::sessions::stream::GuardedStream;
use crate::sessions::tag::SessionTag;
use crate::sessions::transport::GuardedTransport;
use crate::visit::request::Visit;

/// What is in flight with a message, and the message on its way.
type MessageInFlight<'a, C> = (Option<Activity<SessionTag, C>>, Option<Handover<'a, C>>);

impl<M: SessionManager, C: Clock + 'static> GuardedSessions<M, C> {
    /// The session, if there is one that this request may use.
    fn live(&self, id: &SessionId) -> Result<Arc<LiveSession<C>>, GuardError<M::Error>> {
        let live = self.shared.live(id).filter(|live| may_use(live.handle.tag()));
        live.ok_or(GuardError::Unknown)
    }

    /// A session that ends while it is worked on has ended, whatever the inner
    /// manager says of it.
    fn failed(live: &LiveSession<C>, error: M::Error) -> GuardError<M::Error> {
        live.handle.reason().map_or(GuardError::Inner(error), GuardError::Ended)
    }

    async fn create(&self) -> Result<(SessionId, GuardedTransport<M, C>), GuardError<M::Error>> {
        self.drive();
        let _making = self.shared.creating();
        let reservation = self.shared.reserve()?;
        let (id, transport) = self.inner().create_session().await.map_err(GuardError::Inner)?;
        let transport = GuardedTransport::begin(&self.shared, reservation, id.clone(), transport)?;
        in_session();
        Ok((id, transport))
    }

    async fn restore(
        &self,
        id: SessionId,
    ) -> Result<RestoreOutcome<GuardedTransport<M, C>>, GuardError<M::Error>> {
        self.drive();
        if let Some(live) = self.shared.live(&id) {
            // One that is ending is not restored before it is gone.
            return Ok(match live.handle.reason() {
                None if may_use(live.handle.tag()) => RestoreOutcome::AlreadyPresent,
                _ => RestoreOutcome::NotSupported,
            });
        }
        let _making = self.shared.creating();
        let reservation = self.shared.reserve()?;
        let restored = self.inner().restore_session(id.clone()).await.map_err(GuardError::Inner)?;
        Ok(match restored {
            RestoreOutcome::Restored(transport) => RestoreOutcome::Restored(
                GuardedTransport::begin(&self.shared, reservation, id, transport)?,
            ),
            RestoreOutcome::AlreadyPresent if self.is_live(&id) => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }

    fn is_live(&self, id: &SessionId) -> bool {
        self.live(id).is_ok_and(|live| live.handle.reason().is_none())
    }

    async fn close(&self, id: &SessionId) -> Result<(), GuardError<M::Error>> {
        let patient = Instant::now() + INNER_CLOSE_TIMEOUT;
        let live = self.shared.live(id);
        let mut leaves_soon = false;
        if let Some(live) = &live {
            // rmcp itself closes only what has ended, in no visit.
            let is_of_rmcp = live.handle.reason().is_some() && Visit::current().is_none();
            if !is_of_rmcp && !may_use(live.handle.tag()) {
                return Err(GuardError::Unknown);
            }
            let reason = live.end(CloseReason::Closed);
            // Before it is told of: then its transport settles what is in flight.
            leaves_soon = live.is_quiet();
            self.shared.tell(live, reason);
            if self.shared.rules.release_on == ReleaseOn::Closed {
                live.free();
                leaves_soon = false;
            }
        }
        let closed = self.shared.close(id).await.map_err(GuardError::Inner);
        if let Some(live) = live {
            if leaves_soon {
                // Whoever asked for the end may ask for another session next.
                _ = timeout_at(patient, live.left()).await;
            }
            if live.transport_is_gone() {
                self.shared.remove(&live);
            }
        }
        closed
    }

    /// A message begins that is answered by a stream. Not `async`, as what waits for
    /// the inner manager is: a message is large, and copied by each such call.
    fn begin<'a>(
        &self,
        live: &'a LiveSession<C>,
        message: &ClientJsonRpcMessage,
    ) -> Result<MessageInFlight<'a, C>, GuardError<M::Error>> {
        let activity = self.activity(live, message)?;
        if asks_for_work(message) {
            // rmcp serves clients too that do not say that they are initialized.
            live.initialized().map_err(|closed| GuardError::Ended(closed.reason))?;
        }
        let handover = activity.as_ref().map(|_| Handover::of(live, message));
        Ok((activity, handover))
    }

    async fn initialize(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, GuardError<M::Error>> {
        let live = self.live(id)?;
        let _activity = live.enter()?;
        let handover = Handover::of(&live, &message);
        let answer = self.inner().initialize_session(id, message).await;
        let answer = answer.map_err(|error| Self::failed(&live, error))?;
        handover.done();
        Ok(answer)
    }

    async fn accept(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), GuardError<M::Error>> {
        let live = self.live(id)?;
        let _activity = self.activity(&live, &message)?;
        let initialized = matches!(
            &message,
            JsonRpcMessage::Notification(notification) if matches!(
                notification.notification,
                ClientNotification::InitializedNotification(_)
            )
        );
        let accepted = self.inner().accept_message(id, message).await;
        accepted.map_err(|error| Self::failed(&live, error))?;
        if initialized {
            live.initialized().map_err(|closed| GuardError::Ended(closed.reason))?;
        }
        Ok(())
    }

    async fn listen(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, GuardError<M::Error>>
    {
        let live = self.live(id)?;
        let activity = live.enter()?;
        let stream = self.inner().create_standalone_stream(id).await;
        let stream = stream.map_err(|error| Self::failed(&live, error))?;
        Ok(GuardedStream::new(stream, self.if_busy(activity)))
    }

    async fn resumed(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, GuardError<M::Error>>
    {
        let live = self.live(id)?;
        let activity = live.enter()?;
        let stream = self.inner().resume(id, last_event_id).await;
        let stream = stream.map_err(|error| Self::failed(&live, error))?;
        Ok(GuardedStream::new(stream, self.if_busy(activity)))
    }

    /// What the client sends is a sign of life of it, unless it is a ping and
    /// such do not count.
    fn activity(
        &self,
        live: &LiveSession<C>,
        message: &ClientJsonRpcMessage,
    ) -> Result<Option<Activity<SessionTag, C>>, GuardError<M::Error>> {
        if self.shared.rules.pings == Pings::Ignored && only_pings(message) {
            return live.handle.reason().map_or(Ok(None), |reason| Err(GuardError::Ended(reason)));
        }
        live.enter().map(Some)
    }

    /// The activity of an open stream, if such count.
    fn if_busy<A>(&self, activity: A) -> Option<A> {
        (self.shared.rules.open_streams == OpenStreams::Busy).then_some(activity)
    }
}

impl<M: SessionManager, C: Clock + 'static> SessionManager for GuardedSessions<M, C> {
    type Error = GuardError<M::Error>;
    type Transport = GuardedTransport<M, C>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.create().await.map_err(decided)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.initialize(id, message).await.map_err(decided_opening)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        in_session();
        Ok(self.is_live(id) && self.inner().has_session(id).await.map_err(GuardError::Inner)?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.close(id).await.map_err(decided)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let live = self.live(id).map_err(decided)?;
        let (activity, handover) = self.begin(&live, &message).map_err(decided)?;
        let stream = self.inner().create_stream(id, message).await;
        let stream = stream.map_err(|error| decided(Self::failed(&live, error)))?;
        if let Some(handover) = handover {
            handover.done();
        }
        Ok(GuardedStream::new(stream, activity))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.accept(id, message).await.map_err(decided)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.listen(id).await.map_err(decided)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.resumed(id, last_event_id).await.map_err(decided)
    }

    async fn restore_session(
        &self,
        id: SessionId,
    ) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        self.restore(id).await.map_err(decided)
    }

    /// rmcp asks for it with every request.
    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        asked_about();
        self.shared.warn_of_unbounded_calls();
        let uncounted = match self.shared.expects_layer.load(Relaxed) {
            true => UncountedReplay::IsRefused,
            false => UncountedReplay::IsServed,
        };
        self.inner().event_store().map(|store| within_visit(store, uncounted))
    }
}
