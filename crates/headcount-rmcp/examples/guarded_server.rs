//! A whole MCP server with exact limits, to talk to with any MCP client.
//!
//! ```sh
//! cargo run --release -p headcount-rmcp --example guarded_server -- \
//!     --listen 127.0.0.1:8000 --max-sessions 10 --max-calls 10 --per-subject 3 \
//!     --subject-header X-Client
//! ```
//!
//! The endpoint is `/mcp`; its tools are `echo` (text back) and `sleep`
//! (milliseconds, then text). `GET /stats` tells what the gates count. SIGINT
//! and SIGTERM end it: it tells the counts then, all 0.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use clap::{Parser, ValueEnum};
use headcount::{CapacityPolicy, Cause, CloseReason, Gate, Limit};
use headcount_rmcp::{CallGate, GuardedSessions, McpGuard, SessionGate, Subjects};
use http::HeaderName;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// An MCP server with exact limits on its sessions and calls.
#[derive(Parser)]
struct Args {
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// How many sessions there may be at once
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_sessions: u32,
    /// How many calls without a session there may be at once, and how many streams
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_calls: u32,
    /// How many sessions each subject may have, how many calls, and how many streams
    #[arg(long, value_name = "N", default_value_t = 10)]
    per_subject: u32,
    /// How long a client may take to be initialized
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    init_timeout: Duration,
    /// How long a session may have nothing in flight
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// How long a session may live; for ever unless given
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    lifetime: Option<Duration>,
    /// What becomes of who comes when all sessions are taken
    #[arg(long, value_enum, default_value_t = Policy::Reject)]
    policy: Policy,
    /// How long a session is safe from `evict-idle` after its last activity
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    floor: Duration,
    /// The header that names the subject; all are anonymous unless given
    #[arg(long, value_name = "HEADER")]
    subject_header: Option<HeaderName>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    Reject,
    EvictIdle,
    EvictOldest,
}

impl Args {
    fn gate(&self) -> anyhow::Result<SessionGate> {
        let gate = Gate::builder()
            .limit(Limit::at_most(self.max_sessions))
            .subject_limit(Limit::at_most(self.per_subject))
            .init_timeout(self.init_timeout)
            .idle_timeout(self.idle)
            .at_capacity(match self.policy {
                Policy::Reject => CapacityPolicy::Reject,
                Policy::EvictIdle => CapacityPolicy::EvictIdle { floor: self.floor },
                Policy::EvictOldest => CapacityPolicy::EvictOldest,
            });
        let gate = match self.lifetime {
            Some(lifetime) => gate.max_lifetime(lifetime),
            None => gate,
        };
        Ok(gate.build()?)
    }

    /// Of calls, or of streams.
    fn call_gate(&self) -> anyhow::Result<CallGate> {
        let gate = Gate::builder()
            .limit(Limit::at_most(self.max_calls))
            .subject_limit(Limit::at_most(self.per_subject));
        Ok(gate.build()?)
    }
}

/// All that counts, and what it counts.
struct Counts {
    sessions: Arc<GuardedSessions>,
    calls: CallGate,
    streams: CallGate,
}

impl Counts {
    fn guard(&self, subject_header: Option<HeaderName>) -> McpGuard {
        let guard = McpGuard::new(Arc::clone(&self.sessions))
            .calls(self.calls.clone())
            .streams(self.streams.clone());
        match subject_header {
            Some(header) => guard.subjects(Subjects::header(header)),
            None => guard,
        }
    }

    fn tell(&self) -> Value {
        let gate = self.sessions.gate();
        let stats = gate.stats();
        let key = |text: String| text.replace(' ', "_");
        let refused =
            Cause::ALL.map(|cause| (key(cause.to_string()), stats.rejected(cause).into()));
        let ended =
            CloseReason::ALL.map(|reason| (key(reason.to_string()), stats.ended(reason).into()));
        json!({
            "admitted": self.sessions.active(),
            "draining": stats.draining,
            "in_use": stats.in_use,
            "subjects": gate.subjects(),
            "calls": self.calls.in_use(),
            "streams": self.streams.in_use(),
            "totals": {
                "admitted": stats.admitted,
                "refused": Map::from_iter(refused),
                "ended": Map::from_iter(ended),
                "calls": self.calls.stats().admitted,
                "streams": self.streams.stats().admitted,
            },
        })
    }
}

#[derive(Debug, Clone)]
struct Tools;

#[derive(Deserialize, schemars::JsonSchema)]
struct Echo {
    /// What comes back
    text: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Sleep {
    /// For how long
    milliseconds: u64,
}

#[tool_router]
impl Tools {
    #[tool(description = "Gives the text back")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(description = "Waits for so many milliseconds, then answers")]
    async fn sleep(&self, Parameters(Sleep { milliseconds }): Parameters<Sleep>) -> String {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        format!("slept {milliseconds} ms")
    }
}

#[tool_handler]
impl ServerHandler for Tools {}

/// Until somebody wants this to end.
async fn asked_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate())?;
        tokio::select! {
            stop = tokio::signal::ctrl_c() => stop,
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args = Args::parse();
    let counts = Arc::new(Counts {
        sessions: Arc::new(GuardedSessions::local(args.gate()?)),
        calls: args.call_gate()?,
        streams: args.call_gate()?,
    });
    let guard = counts.guard(args.subject_header);
    let mcp = guard.service(|| Ok(Tools), StreamableHttpServerConfig::default());
    let tell = |State(counts): State<Arc<Counts>>| async move { axum::Json(counts.tell()) };
    let app = Router::new()
        .route("/stats", get(tell))
        .with_state(Arc::clone(&counts))
        .route_service("/mcp", mcp);

    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen {} is not to be had", args.listen))?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let served = axum::serve(listener, app).with_graceful_shutdown(stopped);
    let served = tokio::spawn(served.into_future());
    asked_to_stop().await?;
    // The guard first: sessions and streams keep connections open.
    guard.shutdown().await;
    stop.cancel();
    // A client that keeps its connection open does not keep this from ending.
    _ = tokio::time::timeout(Duration::from_secs(5), served).await;
    println!("{}", counts.tell());
    Ok(())
}
