//! Read after `error.rs`. The settings of mcp-session, as those of a gate.

use std::time::Duration;

use headcount::{CapacityPolicy, Gate, Limit, SlidingWindow};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};

use super::error::CloseReason;
use crate::rules::{InitialPhase, OpenStreams, ReleaseOn, Rules, Target};
use crate::sessions::guard::{GuardedSessions, SessionGate};

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) max_sessions: usize,
    pub(super) config: SessionConfig,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) rate_limit: Option<(usize, Duration)>,
    pub(super) calls_bounded_elsewhere: bool,
}

impl Settings {
    pub(super) fn new(max_sessions: usize, config: SessionConfig) -> Self {
        assert!(max_sessions >= 1, "max_sessions must be at least 1, got 0");
        Self {
            max_sessions,
            config,
            max_lifetime: None,
            rate_limit: None,
            calls_bounded_elsewhere: false,
        }
    }

    pub(super) fn with_rate_limit(mut self, max_creates: usize, window: Duration) -> Self {
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

    /// The manager that these are the settings of.
    pub(super) fn sessions(&self) -> GuardedSessions {
        let mut config = self.config.clone();
        config.keep_alive = None;
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        let rules = Rules {
            initial_phase: InitialPhase::Established,
            target: Target::McpSession,
            reason: self.reasons(),
            calls_bounded_elsewhere: self.calls_bounded_elsewhere,
            ..Rules::default().release_on(ReleaseOn::Closed).open_streams(OpenStreams::Ignored)
        };
        GuardedSessions::with_rules(inner, self.gate(), rules)
    }
}

/// A century is for ever, and a tick is at once: a gate's timer takes no more
/// and no less.
fn within_a_timer(duration: Duration) -> Duration {
    duration.clamp(Duration::from_millis(1), Duration::from_secs(100 * 365 * 24 * 60 * 60))
}
