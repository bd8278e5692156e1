use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderName;
use headcount::{CapacityPolicy, Gate, Limit};
use headcount_rmcp::{CallGate, GuardedSessions, McpGuard, SessionGate, Subjects};
use rmcp::ServerHandler;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

struct Handler;

impl ServerHandler for Handler {}

/// Serves until it is asked to stop; then it ends in seconds, whoever is there.
pub async fn serve(
    listener: TcpListener,
    asked_to_stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let sessions: SessionGate = Gate::builder()
        .limit(Limit::at_most(100))
        .subject_limit(Limit::at_most(10))
        .idle_timeout(Duration::from_secs(300))
        .at_capacity(CapacityPolicy::EvictIdle { floor: Duration::from_secs(30) })
        .build()?;
    let calls: CallGate =
        Gate::builder().limit(Limit::at_most(200)).subject_limit(Limit::at_most(20)).build()?;
    let streams: CallGate =
        Gate::builder().limit(Limit::at_most(500)).subject_limit(Limit::at_most(5)).build()?;
    let guard = McpGuard::new(Arc::new(GuardedSessions::local(sessions)))
        .calls(calls)
        .streams(streams)
        .subjects(Subjects::header(HeaderName::from_static("x-client")));
    let mcp = guard.service(|| Ok(Handler), Default::default());
    let app = Router::new().route_service("/mcp", mcp);

    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async { _ = stopped.await });
    let server = tokio::spawn(server.into_future());
    asked_to_stop.await;
    guard.shutdown().await; // first: sessions and streams keep connections open
    drop(stop);
    _ = timeout(Duration::from_secs(5), server).await; // a client may hold a connection
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:8000").await?;
    serve(listener, async { _ = tokio::signal::ctrl_c().await }).await
}
