//! The servers that are flooded: the same MCP server, with three managers of
//! its sessions.

use std::time::Duration;

use axum::Router;
use clap::ValueEnum;
use headcount::{CapacityPolicy, Gate, Limit};
use headcount_rmcp::{GuardedSessions, McpLayer, SessionGate, Subjects};
use hyper::header::HeaderName;
use mcp_session::BoundedSessionManager;

use crate::alive::Alive;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

use crate::mcp;

/// The header that names the client.
pub const SUBJECT: HeaderName = HeaderName::from_static("x-client");

/// How long a session is safe from [`Policy::EvictIdle`] after its last call.
const FLOOR: Duration = Duration::from_millis(10);

/// What headcount does with who comes when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// The newcomer is refused
    Reject,
    /// The session that is idle longest makes room, if it is so for 10 ms
    EvictIdle,
    /// The oldest session that is idle makes room
    EvictOldest,
}

/// What the servers are to keep to, as far as they can: rmcp alone has no limit,
/// and mcp-session none for each subject.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Sessions in all.
    pub limit: u32,
    /// Sessions of each subject.
    pub per_subject: u32,
    /// How long a session may be idle.
    pub idle_timeout: Duration,
    /// What headcount does when it is full.
    pub policy: Policy,
}

/// A server to flood.
pub struct Way {
    /// How the table and the chart call it.
    pub name: &'static str,
    /// Serves `/mcp`.
    pub router: Router,
    /// The handlers of its sessions.
    pub alive: Alive,
    /// Ends the sessions that are left.
    pub end_sessions: Box<dyn FnOnce() + Send>,
    /// The gate, where there is one.
    pub gate: Option<SessionGate>,
}

/// What makes a server, on the runtime that is to serve it.
pub type Make = fn(Rules) -> anyhow::Result<Way>;

/// What the chart and the table show, in this order.
pub const ALL: [Make; 3] = [mcp_session, rmcp_alone, with_headcount];

/// rmcp with mcp-session, which evicts the oldest session at its cap.
pub fn mcp_session(rules: Rules) -> anyhow::Result<Way> {
    let alive = Alive::default();
    let mut config = mcp_session::SessionConfig::default();
    config.keep_alive = Some(rules.idle_timeout);
    let manager = BoundedSessionManager::new(config, rules.limit as usize);
    let (service, end_sessions) = mcp::v1::service(manager, &alive);
    Ok(Way {
        name: "mcp-session 0.2",
        router: Router::new().nest_service("/mcp", service),
        alive,
        end_sessions: Box::new(end_sessions),
        gate: None,
    })
}

/// rmcp with its own manager.
pub fn rmcp_alone(rules: Rules) -> anyhow::Result<Way> {
    let alive = Alive::default();
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(rules.idle_timeout);
    let (service, end_sessions) = mcp::v3::service(manager, &alive);
    Ok(Way {
        name: "rmcp 3.9 alone",
        router: Router::new().nest_service("/mcp", service),
        alive,
        end_sessions: Box::new(end_sessions),
        gate: None,
    })
}

/// rmcp with its own manager behind the gate, which knows what is in flight;
/// the layer brings the subject in and turns refusals into answers.
pub fn with_headcount(rules: Rules) -> anyhow::Result<Way> {
    let alive = Alive::default();
    let gate: SessionGate = Gate::builder()
        .limit(Limit::at_most(rules.limit))
        .subject_limit(Limit::at_most(rules.per_subject))
        .idle_timeout(rules.idle_timeout)
        .at_capacity(match rules.policy {
            Policy::Reject => CapacityPolicy::Reject,
            Policy::EvictIdle => CapacityPolicy::EvictIdle { floor: FLOOR },
            Policy::EvictOldest => CapacityPolicy::EvictOldest,
        })
        .build()?;
    let (service, end_sessions) = mcp::v3::service(GuardedSessions::local(gate.clone()), &alive);
    let layer = McpLayer::new().subjects(Subjects::header(SUBJECT));
    Ok(Way {
        name: "rmcp 3.9 with headcount",
        router: Router::new().nest_service("/mcp", service).layer(layer),
        alive,
        end_sessions: Box::new(end_sessions),
        gate: Some(gate),
    })
}
