//! Read last. Makes the manager of mcp-session.

use std::sync::Arc;
use std::time::Duration;

use rmcp::transport::streamable_http_server::session::local::SessionConfig;

use super::manager::BoundedSessionManager;
use super::settings::Settings;

/// Makes a [`BoundedSessionManager`].
#[derive(Debug)]
pub struct BoundedSessionManagerBuilder {
    max_sessions: usize,
    idle_timeout: Option<Duration>,
    max_lifetime: Option<Duration>,
    session_config: Option<SessionConfig>,
    rate_limit: Option<(usize, Duration)>,
    calls_bounded_elsewhere: bool,
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
            calls_bounded_elsewhere: false,
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

    /// As [`Rules::calls_bounded_elsewhere`](crate::Rules::calls_bounded_elsewhere).
    #[must_use]
    pub fn calls_bounded_elsewhere(mut self) -> Self {
        self.calls_bounded_elsewhere = true;
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
            calls_bounded_elsewhere: self.calls_bounded_elsewhere,
            ..Settings::new(self.max_sessions, config)
        };
        Arc::new(BoundedSessionManager::set(settings))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn there_is_nothing_to_tell_of_calls_that_are_bounded_elsewhere() {
        let says_nothing = |builder: BoundedSessionManagerBuilder| {
            builder.build().sessions().shared.calls_are_bounded.load(Relaxed)
        };
        assert!(!says_nothing(BoundedSessionManagerBuilder::new(1)));
        assert!(says_nothing(BoundedSessionManagerBuilder::new(1).calls_bounded_elsewhere()));
    }
}
