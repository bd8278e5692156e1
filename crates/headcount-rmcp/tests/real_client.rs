//! rmcp's own client against a guarded server.

use std::collections::HashMap;
use std::sync::Arc;

use crate::support::{LONG, Server, Sessions, at_most, eventually, x_client};
use headcount::{CloseReason, Gate, Limit};
use headcount_rmcp::{CallGate, McpGuard};
use http::{HeaderName, HeaderValue};
use reqwest::StatusCode;
use rmcp::RoleClient;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;

type Client = RunningService<RoleClient, ()>;

async fn connect(
    server: &Server<Sessions>,
    subject: &'static str,
) -> Result<Client, Box<dyn std::error::Error>> {
    connect_by(server, subject, ClientLifecycleMode::Initialize).await
}

async fn connect_by(
    server: &Server<Sessions>,
    subject: &'static str,
    lifecycle: ClientLifecycleMode,
) -> Result<Client, Box<dyn std::error::Error>> {
    let header = (HeaderName::from_static("x-client"), HeaderValue::from_static(subject));
    let config = StreamableHttpClientTransportConfig::with_uri(server.url())
        .custom_headers(HashMap::from([header]));
    let transport = StreamableHttpClientTransport::from_config(config);
    Ok(().serve_with_lifecycle(transport, lifecycle).await?)
}

/// What the user is told whose client gets no answer.
async fn told(client: &Client) -> String {
    let called = client.call_tool(CallToolRequestParams::new("echo"));
    let called = tokio::time::timeout(LONG, called).await.expect("it is told");
    called.expect_err("there is no room").to_string()
}

#[tokio::test]
async fn readable_refusal() {
    let (_, gate) = at_most(1);
    let calls = Gate::<String>::builder().limit(Limit::at_most(2)).subject_limit(Limit::at_most(1));
    let calls: CallGate = calls.build().expect("it is right");
    let (sessions, counts) = (Arc::new(Sessions::local(gate)), calls.clone());
    let config = StreamableHttpServerConfig::default();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions).subjects(x_client()).calls(counts);
        axum::Router::new().nest_service("/mcp", guard.service(handler, config))
    })
    .await;
    let new = || {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        ClientLifecycleMode::Discover { preferred_versions }
    };
    let alice = connect(&server, "alice").await.expect("there is room");
    let refused = connect(&server, "bob").await.expect_err("there is none").to_string();
    assert!(refused.contains("Maximum concurrent sessions exceeded."), "{refused}");

    let bob = connect_by(&server, "bob", new()).await.expect("there is room");
    let carol = connect_by(&server, "carol", new()).await.expect("there is room");
    eventually("nothing is left of it", || calls.in_use() == 0).await;
    let others = [calls.admit(Some("dave"), ()), calls.admit(Some("bob"), ())];
    let refused = told(&carol).await;
    assert!(refused.contains("Maximum concurrent calls exceeded."), "{refused}");
    drop(others);
    let another = calls.admit(Some("bob"), ());
    // Of this status rmcp's client reads no body.
    let refused = told(&bob).await;
    assert!(refused.contains("429"), "{refused}");
    drop(another);
    for client in [alice, bob, carol] {
        let answer = client.call_tool(CallToolRequestParams::new("echo")).await.expect("an answer");
        assert_eq!(answer.is_error, Some(false));
        client.cancel().await.expect("it leaves");
    }
    server.shut_down().await;
}

#[tokio::test]
async fn a_real_client_comes_calls_and_leaves() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let alice = connect(&server, "alice").await.expect("there is room");
    let bob = connect(&server, "bob").await.expect("there is room");
    assert_eq!(server.in_use(), 2);
    assert_eq!(server.sessions.gate().in_use_by("alice"), 1);
    for client in [&alice, &bob] {
        let answer = client.call_tool(CallToolRequestParams::new("echo")).await.expect("an answer");
        assert_eq!(answer.is_error, Some(false));
    }
    let refused = connect(&server, "carol").await.expect_err("there is none").to_string();
    // What its user gets to read.
    assert!(refused.contains("Maximum concurrent sessions exceeded."), "{refused}");
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);

    alice.cancel().await.expect("it leaves");
    eventually("her slot is free", || server.in_use() == 1).await;
    let carol = connect(&server, "carol").await.expect("there is room now");
    bob.cancel().await.expect("it leaves");
    carol.cancel().await.expect("it leaves");
    eventually("all have left", || server.in_use() == 0).await;
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Closed), 3);
    server.shut_down().await;
}
