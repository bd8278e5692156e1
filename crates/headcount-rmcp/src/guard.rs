//! Read after `stream.rs`. The session manager that rmcp is given.

use std::fmt;
use std::sync::{Arc, Mutex};

use futures_core::Stream;
use headcount::{Clock, CloseReason, Ended, Gate, SystemClock, TokioReaper};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, JsonRpcMessage, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::session::{
    EventStore, RestoreOutcome, ServerSseMessage, SessionId,
};
use tokio::runtime::Handle;

use crate::error::GuardError;
use crate::live::{Live, lock};
use crate::rules::{OpenStreams, ReleaseOn, Rules};
use crate::shared::{Shared, decided, decided_opening};
use crate::stream::GuardedStream;
use crate::tag::SessionTag;
use crate::transport::GuardedTransport;

/// The gate of a guarded manager: it counts sessions by the subject's name.
pub type SessionGate<C = SystemClock> = Gate<String, SessionTag, C>;

/// Never lets an inner session manager have more sessions than a gate admits;
/// each slot is free again when rmcp has dropped the session's transport, on
/// every way out.
///
/// Give it to rmcp's `StreamableHttpService`, and put a
/// [`McpLayer`](crate::McpLayer) around that. The gate's timeouts end sessions:
/// a session that was made and never initialized, by the init timeout; one with
/// nothing in flight, by the idle timeout. In flight is a request that was
/// received and not answered, and an open stream.
///
/// A task on the runtime where sessions are made tells the inner manager of
/// sessions that the gate has ended; it stops when this is dropped, or by
/// [`shutdown`](Self::shutdown).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use headcount::{Gate, Limit};
/// use headcount_rmcp::{GuardedSessions, McpLayer, SessionGate, Subjects};
/// use rmcp::transport::streamable_http_server::StreamableHttpService;
/// # #[derive(Clone)] struct Handler;
/// # impl rmcp::ServerHandler for Handler {}
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate: SessionGate = Gate::builder()
///     .limit(Limit::at_most(100))
///     .subject_limit(Limit::at_most(10))
///     .build()?;
/// let sessions = Arc::new(GuardedSessions::local(gate));
/// let service = StreamableHttpService::new(|| Ok(Handler), sessions, Default::default());
/// let layer = McpLayer::new().subjects(Subjects::header(http::HeaderName::from_static("x-client")));
/// # let _ = (service, layer);
/// # Ok(())
/// # }
/// ```
pub struct GuardedSessions<
    M: SessionManager = LocalSessionManager,
    C: Clock + 'static = SystemClock,
> {
    shared: Arc<Shared<M, C>>,
    reaper: Mutex<Reaper>,
}

enum Reaper {
    NotYet,
    Runs(TokioReaper),
    Stopped,
}

impl<C: Clock + 'static> GuardedSessions<LocalSessionManager, C> {
    /// Over rmcp's own manager with its own timeouts turned off, so that the
    /// gate's apply.
    pub fn local(gate: SessionGate<C>) -> Self {
        Self::with_config(gate, SessionConfig::default())
    }

    /// The same with a configuration, but for its timeouts: `keep_alive` and
    /// `init_timeout` are turned off.
    pub fn with_config(gate: SessionGate<C>, mut config: SessionConfig) -> Self {
        config.keep_alive = None;
        config.init_timeout = None;
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        Self::new(inner, gate)
    }
}

impl<M: SessionManager, C: Clock + 'static> GuardedSessions<M, C> {
    /// Over a manager whose own timeouts, if it has any, should be off: it
    /// would not know what is in flight.
    pub fn new(inner: M, gate: SessionGate<C>) -> Self {
        Self::with_rules(inner, gate, Rules::default())
    }

    /// The same with other rules.
    pub fn with_rules(inner: M, gate: SessionGate<C>, rules: Rules) -> Self {
        let shared = Arc::new(Shared::new(inner, gate, rules));
        Self { shared, reaper: Mutex::new(Reaper::NotYet) }
    }

    /// The gate: for its counts, and to change its settings.
    pub fn gate(&self) -> &SessionGate<C> {
        &self.shared.gate
    }

    /// What this guards.
    pub fn inner(&self) -> &M {
        &self.shared.inner
    }

    /// The sessions that have not ended.
    pub fn active(&self) -> u64 {
        let stats = self.gate().stats();
        let ended = CloseReason::ALL.map(|reason| stats.ended(reason));
        stats.admitted.saturating_sub(ended.iter().sum())
    }

    /// Closes the gate for good and ends every session, and waits until all
    /// have left: then all counts are 0, and the task of this has stopped.
    ///
    /// rmcp waits up to five seconds for handlers that run on, then cancels them.
    pub async fn shutdown(&self) {
        self.gate().close_all(CloseReason::Shutdown);
        let reaper = std::mem::replace(&mut *lock(&self.reaper), Reaper::Stopped);
        if let Reaper::Runs(reaper) = reaper {
            reaper.stop().await;
        }
        // What the task has not told of.
        self.reap();
        self.shared.emptied().await;
    }

    /// Ends the sessions that are due by the gate's clock, now instead of when
    /// the task of this wakes: for clocks that do not pass by themselves.
    /// Returns how many there were.
    pub fn reap(&self) -> usize {
        let expired = self.gate().expired();
        for ended in &expired {
            ended.tag.finish(ended.reason);
        }
        expired.len()
    }

    /// Starts the task that tells of ended sessions, if none was.
    fn drive(&self) {
        let mut reaper = lock(&self.reaper);
        let starts = match &*reaper {
            Reaper::NotYet => true,
            // Its runtime has ended, and this one has not.
            Reaper::Runs(reaper) => reaper.is_finished(),
            Reaper::Stopped => false,
        };
        if starts {
            self.shared.runs_on(Handle::current());
            let tell = |ended: Ended<SessionTag>| ended.tag.finish(ended.reason);
            *reaper = Reaper::Runs(self.gate().reap_on_tokio(tell));
        }
    }

    fn live(&self, id: &SessionId) -> Result<Arc<Live<C>>, GuardError<M::Error>> {
        self.shared.live(id).ok_or(GuardError::Unknown)
    }

    /// A session that ends while it is worked on has ended, whatever the inner
    /// manager says of it.
    fn failed(live: &Live<C>, error: M::Error) -> GuardError<M::Error> {
        live.handle.reason().map_or(GuardError::Inner(error), GuardError::Ended)
    }

    async fn create(&self) -> Result<(SessionId, GuardedTransport<M, C>), GuardError<M::Error>> {
        self.drive();
        let _making = self.shared.making();
        let reservation = self.shared.reserve()?;
        let (id, transport) = self.inner().create_session().await.map_err(GuardError::Inner)?;
        let transport = Shared::guard(&self.shared, reservation, id.clone(), transport)?;
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
                None => RestoreOutcome::AlreadyPresent,
                Some(_) => RestoreOutcome::NotSupported,
            });
        }
        let _making = self.shared.making();
        let reservation = self.shared.reserve()?;
        let restored = self.inner().restore_session(id.clone()).await.map_err(GuardError::Inner)?;
        Ok(match restored {
            RestoreOutcome::Restored(transport) => {
                RestoreOutcome::Restored(Shared::guard(&self.shared, reservation, id, transport)?)
            }
            RestoreOutcome::AlreadyPresent if self.is_live(&id) => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }

    fn is_live(&self, id: &SessionId) -> bool {
        self.shared.live(id).is_some_and(|live| live.handle.reason().is_none())
    }

    async fn close(&self, id: &SessionId) -> Result<(), GuardError<M::Error>> {
        let live = self.shared.live(id);
        if let Some(live) = &live {
            let reason = live.end(CloseReason::Closed);
            self.shared.tell(live, reason);
            if self.shared.rules.release_on == ReleaseOn::Closed {
                live.free();
            }
        }
        let closed = self.shared.close(id).await.map_err(GuardError::Inner);
        if let Some(live) = live.filter(|live| live.transport_is_gone()) {
            self.shared.strike(&live);
        }
        closed
    }

    async fn stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, GuardError<M::Error>>
    {
        let live = self.live(id)?;
        let activity = live.enter()?;
        if asks_for_work(&message) {
            // rmcp serves clients too that do not say that they are initialized.
            live.initialized().map_err(|closed| GuardError::Ended(closed.reason))?;
        }
        let handing = Handing::of(&live, &message);
        let stream = self.inner().create_stream(id, message).await;
        let stream = stream.map_err(|error| Self::failed(&live, error))?;
        handing.done();
        Ok(GuardedStream::new(stream, Some(activity)))
    }

    async fn initialize(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, GuardError<M::Error>> {
        let live = self.live(id)?;
        let _activity = live.enter()?;
        let handing = Handing::of(&live, &message);
        let answer = self.inner().initialize_session(id, message).await;
        let answer = answer.map_err(|error| Self::failed(&live, error))?;
        handing.done();
        Ok(answer)
    }

    async fn accept(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), GuardError<M::Error>> {
        let live = self.live(id)?;
        let _activity = live.enter()?;
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

    /// The activity of an open stream, if such count.
    fn if_busy<A>(&self, activity: A) -> Option<A> {
        (self.shared.rules.open_streams == OpenStreams::Busy).then_some(activity)
    }
}

/// A request of a client that has the handshake behind it.
fn asks_for_work(message: &ClientJsonRpcMessage) -> bool {
    match message {
        JsonRpcMessage::Request(request) => !matches!(
            request.request,
            ClientRequest::InitializeRequest(_) | ClientRequest::PingRequest(_)
        ),
        _ => false,
    }
}

/// A request on its way to the session: in flight from here on, unless it does
/// not get there.
struct Handing<'a, C: Clock> {
    live: &'a Live<C>,
    id: Option<RequestId>,
}

impl<'a, C: Clock> Handing<'a, C> {
    fn of(live: &'a Live<C>, message: &ClientJsonRpcMessage) -> Self {
        let id = match message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        Self { live, id: id.filter(|id| live.handing(id)) }
    }

    fn done(mut self) {
        self.id = None;
    }
}

impl<C: Clock> Drop for Handing<'_, C> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.live.not_handed(id);
        }
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
        Ok(self.is_live(id) && self.inner().has_session(id).await.map_err(GuardError::Inner)?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.close(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.stream(id, message).await.map_err(decided)
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

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.inner().event_store()
    }
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for GuardedSessions<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedSessions").field("gate", self.gate()).finish_non_exhaustive()
    }
}
