//! rmcp's own client against a guarded server.

use std::collections::HashMap;

use crate::support::{Server, at_most, eventually};
use headcount::CloseReason;
use http::{HeaderName, HeaderValue};
use reqwest::StatusCode;
use rmcp::model::CallToolRequestParams;
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};

async fn connect(
    server: &Server<crate::support::Sessions>,
    subject: &'static str,
) -> Result<RunningService<RoleClient, ()>, Box<dyn std::error::Error>> {
    let header = (HeaderName::from_static("x-client"), HeaderValue::from_static(subject));
    let config = StreamableHttpClientTransportConfig::with_uri(server.url())
        .custom_headers(HashMap::from([header]));
    let transport = StreamableHttpClientTransport::from_config(config);
    Ok(().serve(transport).await?)
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
