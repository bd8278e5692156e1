//! Read after `visited.rs`. A manager, rmcp's service and the layer around it, put
//! together.
//!
//! *Why together*: a manager that is asked by no layer takes everybody for
//! anonymous, and no limit of a subject applies. Here the manager is told that a
//! layer with subjects is to be there, and refuses what comes past it.

use std::fmt;
use std::sync::Arc;

use headcount::{Clock, SystemClock};
use headcount_tower::{Answers, Subjects};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{
    SessionManager, StreamableHttpServerConfig, StreamableHttpService,
};
use tower_layer::Layer;

use crate::guard::GuardedSessions;
use crate::layer::{McpLayer, McpService};
use crate::rules::OtherSubjects;
use crate::visited::Visited;

/// rmcp's service with guarded sessions, in a layer that knows who asks: all that
/// a server mounts.
///
/// With [`subjects`](Self::subjects), a request that gets to the sessions past the
/// layer opens none: it is refused with 500, and an event of level `ERROR` says
/// what to do.
pub struct McpGuard<M: SessionManager = LocalSessionManager, C: Clock + 'static = SystemClock> {
    sessions: Arc<GuardedSessions<M, C>>,
    layer: McpLayer,
}

/// rmcp's service, to be mounted in a [`McpLayer`].
pub type GuardedService<S, M = LocalSessionManager, C = SystemClock> =
    Visited<StreamableHttpService<S, GuardedSessions<M, C>>>;

impl<M: SessionManager, C: Clock + 'static> McpGuard<M, C> {
    /// All sessions are anonymous, and refusals are JSON-RPC errors.
    pub fn new(sessions: Arc<GuardedSessions<M, C>>) -> Self {
        Self { sessions, layer: McpLayer::new() }
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
        Visited::new(StreamableHttpService::new(handler, Arc::clone(&self.sessions), config))
    }

    fn bind(&self) {
        if self.layer.has_subjects() {
            self.sessions.expects_subjects();
        }
    }
}

impl<M: SessionManager, C: Clock + 'static> Clone for McpGuard<M, C> {
    fn clone(&self) -> Self {
        Self { sessions: Arc::clone(&self.sessions), layer: self.layer.clone() }
    }
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for McpGuard<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpGuard")
            .field("sessions", &self.sessions)
            .field("layer", &self.layer)
            .finish()
    }
}
