//! Read after `settings.rs`. The manager of mcp-session.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::session::{
    EventStore, RestoreOutcome, ServerSseMessage, SessionId,
};

use super::error::BoundedSessionError;
use super::settings::Settings;
use crate::sessions::guard::GuardedSessions;
use crate::sessions::transport::GuardedTransport;

/// Never has more than so many sessions; who comes when all are taken gets the
/// place of the oldest that has no request in flight.
///
/// The face of `mcp-session` 0.2: for new programs
/// [`GuardedSessions`] says more. Put a [`McpLayer`](crate::McpLayer) around
/// the service to have refusals answered with 503 and 429 instead of 500.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use headcount_rmcp::BoundedSessionManagerBuilder;
///
/// let manager = BoundedSessionManagerBuilder::new(100)
///     .idle_timeout(Duration::from_secs(4 * 60 * 60))
///     .max_lifetime(Duration::from_secs(24 * 60 * 60))
///     .rate_limit(10, Duration::from_secs(60))
///     .build();
/// // For StreamableHttpService::new(factory, manager, config).
/// # let _ = manager;
/// ```
pub struct BoundedSessionManager {
    sessions: GuardedSessions,
    settings: Settings,
}

impl BoundedSessionManager {
    /// With at most `max_sessions` sessions, whose idle timeout is
    /// `session_config.keep_alive`.
    ///
    /// # Panics
    ///
    /// If `max_sessions` is 0.
    pub fn new(session_config: SessionConfig, max_sessions: usize) -> Self {
        Self::set(Settings::new(max_sessions, session_config))
    }

    /// Makes at most `max_creates` sessions in any window of this length. Who
    /// is refused for it evicts nobody. Any sessions there were before are
    /// forgotten, so this comes first.
    ///
    /// # Panics
    ///
    /// If `max_creates` is 0, or over 1,048,576.
    #[must_use]
    pub fn with_rate_limit(self, max_creates: usize, window: Duration) -> Self {
        Self::set(self.settings.with_rate_limit(max_creates, window))
    }

    pub(super) fn set(settings: Settings) -> Self {
        Self { sessions: settings.sessions(), settings }
    }

    /// The sessions that are there and not closed.
    pub async fn active_session_count(&self) -> usize {
        usize::try_from(self.sessions.active()).unwrap_or(usize::MAX)
    }

    /// What this is the face of.
    pub const fn sessions(&self) -> &GuardedSessions {
        &self.sessions
    }
}

type Streamed<S> = Result<S, BoundedSessionError>;

impl SessionManager for BoundedSessionManager {
    type Error = BoundedSessionError;
    type Transport = GuardedTransport<LocalSessionManager, headcount::SystemClock>;

    async fn create_session(&self) -> Streamed<(SessionId, Self::Transport)> {
        Ok(self.sessions.create_session().await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Streamed<ServerJsonRpcMessage> {
        Ok(self.sessions.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Streamed<bool> {
        Ok(self.sessions.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Streamed<()> {
        Ok(self.sessions.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Streamed<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.sessions.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Streamed<()> {
        Ok(self.sessions.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Streamed<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.sessions.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Streamed<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static> {
        Ok(self.sessions.resume(id, last_event_id).await?)
    }

    async fn restore_session(&self, id: SessionId) -> Streamed<RestoreOutcome<Self::Transport>> {
        Ok(self.sessions.restore_session(id).await?)
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.sessions.event_store()
    }
}

impl fmt::Debug for BoundedSessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSessionManager").field("sessions", &self.sessions).finish()
    }
}
