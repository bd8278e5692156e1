//! A shutdown ends, whatever handlers do.

use std::sync::Arc;
use std::time::Duration;

use crate::support::both::{Both, calls};
use crate::support::{LONG, Server, Sessions, at_most, initialize};
use axum::body::Body;
use headcount_rmcp::McpGuard;
use reqwest::StatusCode;
use rmcp::model::{InitializeRequestParams, InitializeResult};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tower_service::Service;

/// Never ends the handshake.
#[derive(Clone)]
struct Hangs(Arc<Notify>);

impl ServerHandler for Hangs {
    async fn initialize(
        &self,
        _: InitializeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.0.notify_one();
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_does_not_keep_a_shutdown_from_its_end() {
    let (_, gate) = at_most(1);
    let guard = McpGuard::new(Arc::new(Sessions::local(gate.clone())));
    let begun = Arc::new(Notify::new());
    let handler = Hangs(Arc::clone(&begun));
    let mut service = guard.service(move || Ok(handler.clone()), Default::default());
    let request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .body(Body::from(initialize().to_string()))
        .expect("a request");
    let opens = tokio::spawn(service.call(request));
    timeout(LONG, begun.notified()).await.expect("the handshake begins");
    assert_eq!(gate.in_use(), 1);
    let before = Instant::now();
    timeout(LONG, guard.shutdown()).await.expect("it ends");
    assert!(before.elapsed() <= Duration::from_secs(12), "{:?}", before.elapsed());
    assert_eq!(gate.in_use(), 0);
    drop(opens);
}

#[tokio::test]
async fn a_call_that_no_gate_counts_is_waited_for_too() {
    let sessions = Arc::new(Sessions::local(at_most(1).1));
    let mut kept = None;
    let config = StreamableHttpServerConfig::default();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions);
        kept = Some(guard.clone());
        axum::Router::new().nest_service("/mcp", guard.service(handler, config))
    });
    let both = Both { server: server.await, calls: calls(1, 1), streams: calls(1, 1) };
    let guard = kept.expect("it was made");
    let waiting = both.waiting(&["alice", "alice"]).await;
    let shuts = tokio::spawn(async move { guard.shutdown().await });
    while both.echo("bob").await.status == StatusCode::OK {}
    assert_eq!(both.echo("bob").await.status, StatusCode::SERVICE_UNAVAILABLE);
    both.done(waiting).await;
    timeout(LONG, shuts).await.expect("it ends").expect("it does not panic");
}
