//! What goes between the halves of a guard.

use std::sync::Arc;

use crate::support::both::{Both, calls};
use crate::support::{Answer, Server, Sessions, at_most, eventually, x_client};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use headcount_rmcp::McpGuard;
use reqwest::StatusCode;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;

/// Makes three requests of one, at the same time, and one response of theirs.
async fn three_times(request: Request, next: Next) -> String {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("it comes");
    let copies = (0..3).map(|_| {
        let copy = Request::from_parts(parts.clone(), Body::from(body.clone()));
        next.clone().run(copy)
    });
    let mut all = String::new();
    for response in futures::future::join_all(copies).await {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("it comes");
        all += parts.status.as_str();
        all += &String::from_utf8_lossy(&body);
    }
    all
}

#[tokio::test]
async fn each_copy_of_a_request_is_a_call() {
    for (most, served) in [(1, 1), (2, 2), (5, 3)] {
        let (counts, stays) = (calls(most, most), calls(1, 1));
        let sessions = Arc::new(Sessions::local(at_most(2).1));
        let config = StreamableHttpServerConfig::default();
        let server = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions).subjects(x_client());
            let guard = guard.calls(counts.clone()).streams(stays.clone());
            Router::new()
                .route_service("/mcp", guard.inner(handler, config))
                .layer(from_fn(three_times))
                .layer(guard.layer())
        });
        let both = Both { server: server.await, calls: counts, streams: stays };
        let answer: Answer = both.echo("alice").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body.matches("done").count(), served, "{}", answer.body);
        assert_eq!(answer.body.matches("500").count(), 3 - served, "{}", answer.body);
        assert_eq!(both.calls.stats().admitted, served as u64);
        eventually("their places are free", || both.in_use() == [0, 0, 0]).await;
        both.shut_down().await;
    }
}
