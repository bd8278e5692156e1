//! Layers that make a response of their own go directly around the guard's: a
//! timeout and CORS, of both versions of tower-http that are in use.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Server, Sessions, at_most};
use axum::Router;
use headcount_rmcp::McpGuard;
use reqwest::StatusCode;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use tower_layer::Layer;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn layered_around() {
    let too_late = http::StatusCode::GATEWAY_TIMEOUT;
    for way in 0..4 {
        let sessions = Arc::new(Sessions::local(at_most(1).1));
        let config = StreamableHttpServerConfig::default();
        let server = Server::mount(sessions, config, |sessions, handler, config| {
            let timeout_06 =
                tower_http_06::timeout::TimeoutLayer::with_status_code(too_late, MINUTE);
            let timeout_07 =
                tower_http_07::timeout::TimeoutLayer::with_status_code(too_late, MINUTE);
            let cors_06 = tower_http_06::cors::CorsLayer::permissive();
            let cors_07 = tower_http_07::cors::CorsLayer::permissive();
            let guard = McpGuard::new(sessions);
            let (router, inner) = (Router::new(), guard.inner(handler, config));
            match way {
                0 => router.nest_service(
                    "/mcp",
                    cors_06.layer(timeout_06.layer(guard.layer().layer(inner))),
                ),
                1 => router.nest_service(
                    "/mcp",
                    timeout_07.layer(cors_07.layer(guard.layer().layer(inner))),
                ),
                2 => router.nest_service("/mcp", inner).layer((cors_06, timeout_06, guard.layer())),
                _ => router.nest_service("/mcp", inner).layer((timeout_07, cors_07, guard.layer())),
            }
        })
        .await;
        let id = server.open(None).await;
        assert_eq!(server.echo(&id).await, StatusCode::OK);
        let refused = server.ask(None).await;
        refused.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers.contains_key("access-control-allow-origin"));
        server.shut_down().await;
    }
}
