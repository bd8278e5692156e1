//! Read last. The names of `mcp-session` 0.2, for programs that were written
//! against it.
//!
//! What they mean is kept: sessions are established as soon as they are made,
//! the oldest makes room for who comes when all are taken, a session that was
//! closed counts no longer, and a stream that only listens keeps nothing alive.
//! Other than there, the limit holds at every instant, a session is never
//! evicted while a request is in flight, its idle time starts at the end of the
//! last request, and a place in the rate window goes back also when the future
//! that makes a session is dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use headcount::{CapacityPolicy, Cause, Gate, Limit, Rejected, SlidingWindow};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionConfig,
};
use rmcp::transport::streamable_http_server::session::{
    EventStore, RestoreOutcome, ServerSseMessage, SessionId,
};

use crate::error::GuardError;
use crate::guard::{GuardedSessions, SessionGate};
use crate::rules::{Begins, OpenStreams, ReleaseOn, Rules, Target};
use crate::transport::GuardedTransport;

/// Why a [`BoundedSessionManager`] did not do what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoundedSessionError {
    /// From rmcp's session manager.
    #[error(transparent)]
    Inner(#[from] LocalSessionManagerError),
    /// As many sessions were made within the window as it has room for.
    #[error("session creation rate limit exceeded")]
    RateLimited,
    /// All sessions were taken, and each has a request in flight.
    #[error("all sessions are in use")]
    AtCapacity,
    /// The session has ended, or never was.
    #[error("no such session")]
    Ended,
}

impl From<GuardError<LocalSessionManagerError>> for BoundedSessionError {
    fn from(error: GuardError<LocalSessionManagerError>) -> Self {
        match error {
            GuardError::Inner(error) => Self::Inner(error),
            GuardError::Refused(rejected) => rejected.into(),
            GuardError::TooManyInFlight => Self::AtCapacity,
            // Nobody asks this manager for subjects.
            GuardError::BadSubject(_)
            | GuardError::Unidentified
            | GuardError::Ended(_)
            | GuardError::Unknown => Self::Ended,
        }
    }
}

impl From<Rejected> for BoundedSessionError {
    fn from(rejected: Rejected) -> Self {
        match rejected.cause() {
            Cause::RateLimited => Self::RateLimited,
            _ => Self::AtCapacity,
        }
    }
}

/// Why a session was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// It was the oldest, and made room for another.
    Evicted,
    /// It had lived as long as a session may.
    MaxLifetime,
    /// It was closed, or idle for too long.
    Closed,
}

impl From<headcount::CloseReason> for CloseReason {
    fn from(reason: headcount::CloseReason) -> Self {
        match reason {
            headcount::CloseReason::Evicted => Self::Evicted,
            headcount::CloseReason::MaxLifetime => Self::MaxLifetime,
            _ => Self::Closed,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

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

#[derive(Debug, Clone)]
struct Settings {
    max_sessions: usize,
    config: SessionConfig,
    max_lifetime: Option<Duration>,
    rate_limit: Option<(usize, Duration)>,
}

impl Settings {
    fn new(max_sessions: usize, config: SessionConfig) -> Self {
        assert!(max_sessions >= 1, "max_sessions must be at least 1, got 0");
        Self { max_sessions, config, max_lifetime: None, rate_limit: None }
    }

    fn with_rate_limit(mut self, max_creates: usize, window: Duration) -> Self {
        assert!(
            max_creates >= 1,
            "max_creates must be at least 1; pass no rate limit instead of 0"
        );
        assert!(
            max_creates <= SlidingWindow::MOST as usize,
            "max_creates must be at most {}, got {max_creates}",
            SlidingWindow::MOST
        );
        self.rate_limit = Some((max_creates, window));
        self
    }

    fn gate(&self) -> SessionGate {
        // More than the gate can count is not to be had.
        let limit = Limit::try_from(self.max_sessions).unwrap_or(Limit::UNLIMITED);
        let gate = Gate::builder()
            .limit(limit)
            .at_capacity(CapacityPolicy::EvictOldest)
            .no_init_timeout()
            // Nobody is: the oldest makes room.
            .may_lock_out_for_ever();
        let gate = match self.config.keep_alive {
            Some(idle) => gate.idle_timeout(within_a_timer(idle)),
            None => gate.no_idle_timeout(),
        };
        let gate = match self.max_lifetime {
            Some(lifetime) => gate.max_lifetime(within_a_timer(lifetime)),
            None => gate,
        };
        let gate = match self.rate_limit {
            Some((most, window)) if !window.is_zero() => {
                gate.rate(most as u32, within_a_timer(window))
            }
            // In no time at all, any number is none too many.
            _ => gate,
        };
        gate.build().expect("all settings are within what a gate takes")
    }

    /// An idle time that is no shorter than a session's life is cut to it by the
    /// gate, which may then tell either as the reason.
    fn reasons(&self) -> fn(headcount::CloseReason) -> String {
        let idle = self.config.keep_alive.unwrap_or(Duration::MAX);
        match self.max_lifetime {
            Some(lifetime) if lifetime <= idle => |reason| match reason {
                headcount::CloseReason::Idle => CloseReason::MaxLifetime.to_string(),
                reason => CloseReason::from(reason).to_string(),
            },
            _ => |reason| CloseReason::from(reason).to_string(),
        }
    }

    fn build(self) -> BoundedSessionManager {
        let mut config = self.config.clone();
        config.keep_alive = None;
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        let rules = Rules {
            begins: Begins::Established,
            target: Target::McpSession,
            reason: self.reasons(),
            ..Rules::default().release_on(ReleaseOn::Closed).open_streams(OpenStreams::Ignored)
        };
        let sessions = GuardedSessions::with_rules(inner, self.gate(), rules);
        BoundedSessionManager { sessions, settings: self }
    }
}

/// A century is for ever, and a tick is at once: a gate's timer takes no more
/// and no less.
fn within_a_timer(duration: Duration) -> Duration {
    duration.clamp(Duration::from_millis(1), Duration::from_secs(100 * 365 * 24 * 60 * 60))
}

impl BoundedSessionManager {
    /// With at most `max_sessions` sessions, whose idle timeout is
    /// `session_config.keep_alive`.
    ///
    /// # Panics
    ///
    /// If `max_sessions` is 0.
    pub fn new(session_config: SessionConfig, max_sessions: usize) -> Self {
        Settings::new(max_sessions, session_config).build()
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
        self.settings.with_rate_limit(max_creates, window).build()
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

/// Makes a [`BoundedSessionManager`].
#[derive(Debug)]
pub struct BoundedSessionManagerBuilder {
    max_sessions: usize,
    idle_timeout: Option<Duration>,
    max_lifetime: Option<Duration>,
    session_config: Option<SessionConfig>,
    rate_limit: Option<(usize, Duration)>,
}

impl BoundedSessionManagerBuilder {
    /// With at most `max_sessions` sessions.
    ///
    /// # Panics
    ///
    /// If `max_sessions` is 0.
    pub fn new(max_sessions: usize) -> Self {
        let Settings { max_sessions, .. } = Settings::new(max_sessions, SessionConfig::default());
        Self {
            max_sessions,
            idle_timeout: None,
            max_lifetime: None,
            session_config: None,
            rate_limit: None,
        }
    }

    /// Ends sessions that have had nothing in flight for so long. Goes before
    /// the `keep_alive` of a [`session_config`](Self::session_config).
    #[must_use]
    pub fn idle_timeout(mut self, duration: Duration) -> Self {
        self.idle_timeout = Some(duration);
        self
    }

    /// Ends sessions so long after they were made, whatever is in flight.
    #[must_use]
    pub fn max_lifetime(mut self, duration: Duration) -> Self {
        self.max_lifetime = Some(duration);
        self
    }

    /// What rmcp's sessions are set to.
    #[must_use]
    pub fn session_config(mut self, config: SessionConfig) -> Self {
        self.session_config = Some(config);
        self
    }

    /// Makes at most `max_creates` sessions in any window of this length.
    ///
    /// # Panics
    ///
    /// If `max_creates` is 0, or over 1,048,576.
    #[must_use]
    pub fn rate_limit(mut self, max_creates: usize, window: Duration) -> Self {
        let checked = Settings::new(1, SessionConfig::default());
        self.rate_limit = checked.with_rate_limit(max_creates, window).rate_limit;
        self
    }

    /// The manager.
    pub fn build(self) -> Arc<BoundedSessionManager> {
        let explicit = self.session_config.is_some();
        let mut config = self.session_config.unwrap_or_default();
        if let Some(idle) = self.idle_timeout {
            if explicit && config.keep_alive.is_some() {
                tracing::warn!("idle_timeout overrides SessionConfig::keep_alive");
            }
            config.keep_alive = Some(idle);
        }
        let settings = Settings {
            max_lifetime: self.max_lifetime,
            rate_limit: self.rate_limit,
            ..Settings::new(self.max_sessions, config)
        };
        Arc::new(settings.build())
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
