//! Read after `visited.rs`. A manager, rmcp's service and the layer around it, put
//! together.
//!
//! *Why together*: a manager that is asked by no layer takes everybody for
//! anonymous, and no limit of a subject applies. Here the manager is told that a
//! layer with subjects is to be there, and refuses what comes past it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headcount::{Clock, SystemClock};
use headcount_tower::{Answers, Subjects};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{
    SessionManager, StreamableHttpServerConfig, StreamableHttpService,
};
use tokio::time::timeout;
use tower_layer::Layer;

use crate::lock::lock;
use crate::mount::layer::{McpLayer, McpService};
use crate::mount::visited::Visited;
use crate::rules::OtherSubjects;
use crate::sessions::guard::GuardedSessions;
use crate::sessions::shared::INNER_CLOSE_TIMEOUT;
use crate::visit::gates::{CallGate, Gates, RequestKind};
use crate::visit::request::{Handshake, NoRoom, Verdict, Visit};

/// rmcp's service with guarded sessions, in a layer that knows who asks: all that
/// a server mounts.
///
/// With [`subjects`](Self::subjects), a request that gets to the sessions past the
/// layer opens none: it is refused with 500, and an event of level `ERROR` says
/// what to do.
pub struct McpGuard<M: SessionManager = LocalSessionManager, C: Clock + 'static = SystemClock> {
    sessions: Arc<GuardedSessions<M, C>>,
    layer: McpLayer,
    /// Each ends what rmcp's service of a configuration still does.
    stops: Arc<Mutex<Vec<Stop>>>,
}

type Stop = Box<dyn Fn() + Send + Sync>;

/// As long as rmcp gives the handlers of a session.
const CALLS_END: Duration = Duration::from_secs(5);

/// rmcp's service, to be mounted in a [`McpLayer`].
pub type GuardedService<S, M = LocalSessionManager, C = SystemClock> =
    Visited<StreamableHttpService<S, GuardedSessions<M, C>>>;

impl<M: SessionManager, C: Clock + 'static> McpGuard<M, C> {
    /// All sessions are anonymous, and refusals are JSON-RPC errors.
    pub fn new(sessions: Arc<GuardedSessions<M, C>>) -> Self {
        Self { sessions, layer: McpLayer::new(), stops: Arc::default() }
    }

    /// As [`McpLayer::subjects`].
    #[must_use]
    pub fn subjects<K: ToString + 'static>(mut self, subjects: Subjects<K>) -> Self {
        self.layer = self.layer.subjects(subjects);
        self
    }

    /// As [`McpLayer::other_subjects`].
    #[must_use]
    pub fn other_subjects(mut self, others: OtherSubjects) -> Self {
        self.layer = self.layer.other_subjects(others);
        self
    }

    /// Counts calls of clients without sessions by this gate, from when rmcp makes
    /// a handler for one until its response has ended.
    ///
    /// The gate needs no timeouts: a call is in flight all the time.
    #[must_use]
    pub fn calls<D: Clock + 'static>(mut self, gate: CallGate<D>) -> Self {
        let streams = self.layer.gates().streams.clone();
        self.layer = self.layer.with_gates(Gates::new(Some(Arc::new(gate)), streams));
        self
    }

    /// Counts the streams that clients without sessions keep open
    /// (`subscriptions/listen`, and what goes on after it was cut off) by this gate
    /// instead of that of calls, until they close.
    #[must_use]
    pub fn streams<D: Clock + 'static>(mut self, gate: CallGate<D>) -> Self {
        let calls = self.layer.gates().calls.clone();
        self.layer = self.layer.with_gates(Gates::new(calls, Some(Arc::new(gate))));
        self
    }

    /// As [`McpLayer::answers`].
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.layer = self.layer.answers(answers);
        self
    }

    /// The service to mount.
    pub fn service<S: ServerHandler + Send + 'static>(
        &self,
        handler: impl Fn() -> Result<S, std::io::Error> + Send + Sync + 'static,
        config: StreamableHttpServerConfig,
    ) -> McpService<GuardedService<S, M, C>> {
        self.layer().layer(self.inner(handler, config))
    }

    /// The two halves of [`service`](Self::service), for who wants something in
    /// between: this is the outer one.
    pub fn layer(&self) -> McpLayer {
        self.bind();
        self.layer.clone()
    }

    /// The inner one, to be mounted in the [`layer`](Self::layer).
    pub fn inner<S: ServerHandler + Send + 'static>(
        &self,
        handler: impl Fn() -> Result<S, std::io::Error> + Send + Sync + 'static,
        config: StreamableHttpServerConfig,
    ) -> GuardedService<S, M, C> {
        self.bind();
        let gates = Arc::clone(self.layer.gates());
        let handshake = match config.legacy_session_mode {
            true => Handshake::Opens,
            false => Handshake::IsACall,
        };
        let token = config.cancellation_token.clone();
        lock(&self.stops).push(Box::new(move || token.cancel()));
        let counted = move || {
            may_serve(&gates, handshake)?;
            handler()
        };
        Visited::new(StreamableHttpService::new(counted, Arc::clone(&self.sessions), config))
    }

    /// Lets nobody in any more, and ends all that is there: sessions, then calls,
    /// which have up to five seconds, then streams. It is done when the sessions
    /// have left; a client that reads nothing does not keep it from that, nor does a
    /// handler that never ends. After 12 seconds at most it is done all the same,
    /// and a warning says that sessions are left.
    ///
    /// It cancels the `cancellation_token` of each configuration that it was given.
    pub async fn shutdown(&self) {
        let gates = self.layer.gates();
        gates.close();
        let sessions = timeout(CALLS_END + INNER_CLOSE_TIMEOUT, self.sessions.shutdown());
        let calls = timeout(CALLS_END, gates.wait_until_empty(RequestKind::Call));
        _ = tokio::join!(sessions, calls);
        for stop in lock(&self.stops).iter() {
            stop();
        }
        // What rmcp does not stop by itself, as a handshake, is cancelled by now.
        let sessions = timeout(CALLS_END + INNER_CLOSE_TIMEOUT, self.sessions.shutdown());
        let left = async {
            tokio::join!(
                gates.wait_until_empty(RequestKind::Call),
                gates.wait_until_empty(RequestKind::Stream)
            )
        };
        let (sessions, _) = tokio::join!(sessions, timeout(INNER_CLOSE_TIMEOUT, left));
        if sessions.is_err() {
            tracing::warn!(
                "sessions are left after a shutdown: a handler does not look at its cancellation"
            );
        }
    }

    fn bind(&self) {
        if self.layer.has_subjects() {
            self.sessions.expects_subjects();
        }
        if self.layer.gates().count() {
            self.sessions.expects_layer();
        }
        if self.layer.gates().calls.is_some() {
            self.sessions.calls_are_bounded();
        }
    }
}

/// rmcp makes a handler: for a call without a session, or for a session that is
/// about to be opened.
fn may_serve(gates: &Gates, handshake: Handshake) -> std::io::Result<()> {
    match Visit::current() {
        Some(visit) => visit.is_served(handshake).map_err(|refusal| {
            visit.decide(Verdict::Refused(NoRoom::Alone(refusal)));
            std::io::Error::other(refusal)
        }),
        None if !gates.count() => Ok(()),
        None => {
            tracing::error!(
                "a request came past McpGuard::layer, so that nobody counts it, and is refused: \
                 mount what McpGuard::service makes, or what McpGuard::inner does within \
                 McpGuard::layer"
            );
            Err(std::io::Error::other("nobody counts this request"))
        }
    }
}

impl<M: SessionManager, C: Clock + 'static> Clone for McpGuard<M, C> {
    fn clone(&self) -> Self {
        let (sessions, stops) = (Arc::clone(&self.sessions), Arc::clone(&self.stops));
        Self { sessions, layer: self.layer.clone(), stops }
    }
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for McpGuard<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpGuard")
            .field("sessions", &self.sessions)
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}
