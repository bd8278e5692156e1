//! Limits under storms and floods, and requests that are no session.

use futures::future::join_all;
use headcount::{CapacityPolicy, Cause, CloseReason, Limit};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{SECOND, Server, Time, at_most, eventually, gate, initialize};

#[tokio::test]
async fn ratchet() {
    for policy in [CapacityPolicy::Reject, CapacityPolicy::EvictOldest] {
        let time = Time::default();
        let gate = gate(&time).limit(Limit::at_most(10)).at_capacity(policy).build().unwrap();
        let server = Server::start(gate).await;
        for _ in 0..20 {
            let asked = join_all((0..32).map(|_| server.ask(None))).await;
            assert!(server.in_use() <= 10);
            assert!(asked.iter().any(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE));
            // So that the next round finds some to evict.
            for id in asked.iter().filter_map(|answer| answer.session.as_ref()) {
                server.initialized(id).await;
            }
        }
        assert_eq!(server.in_use(), 10);
        eventually("only those of the gate live", || server.sessions.active() == 10).await;
        server.shut_down().await;
    }
}

#[tokio::test]
async fn rejected_open() {
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(1)).at_capacity(CapacityPolicy::EvictOldest);
    let server = Server::start(gate.build().unwrap()).await;
    let id = server.open(None).await;
    let client = &server.client;
    let (url, body) = (server.url(), initialize().to_string());
    let post = || client.post(&url).header("content-type", "application/json");
    let both = "application/json, text/event-stream";
    let cases = [
        (405, client.put(&url).body(body.clone())),
        (406, post().header("accept", "text/html").body(body.clone())),
        (415, client.post(&url).header("accept", both).body(body.clone())),
        (415, post().header("accept", both).body("{")),
        (400, server.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))),
        (400, server.post(&initialize()).header("mcp-protocol-version", "2024-11-05")),
        (400, server.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))),
        (404, server.post(&initialize()).header("mcp-session-id", "unknown")),
        (403, server.post(&initialize()).header("host", "elsewhere.example")),
    ];
    for (status, request) in cases {
        let answer = request.send().await.expect("an answer");
        // What rmcp says of it is rmcp's business; that it is no session, ours.
        assert!(answer.status().is_client_error(), "{} for {status}", answer.status());
        assert_eq!(answer.headers().get("mcp-session-id"), None);
    }
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.in_use), (1, 1));
    assert_eq!(stats.ended(CloseReason::Evicted), 0);
    assert_eq!(server.echo(&id).await, StatusCode::OK);
    server.shut_down().await;
}

#[tokio::test]
async fn one_client_flood() {
    let time = Time::default();
    let gate = gate(&time)
        .limit(Limit::at_most(20))
        .subject_limit(Limit::at_most(5))
        .at_capacity(CapacityPolicy::EvictOldest);
    let server = Server::start(gate.build().unwrap()).await;
    let mut good = Vec::new();
    for client in ["alice", "bob", "carol"] {
        good.push(server.open(Some(client)).await);
    }
    for _ in 0..5 {
        let asked = join_all((0..32).map(|_| server.ask(Some("mallory")))).await;
        for answer in asked.iter().filter(|answer| answer.status != StatusCode::OK) {
            answer.is_refused_for(StatusCode::TOO_MANY_REQUESTS);
        }
        assert!(server.sessions.gate().in_use_by("mallory") <= 5);
    }
    assert_eq!(server.sessions.gate().in_use_by("mallory"), 5);
    for id in &good {
        assert_eq!(server.echo(id).await, StatusCode::OK);
    }
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Evicted), 0);
    server.shut_down().await;
}

#[tokio::test]
async fn rate_then_cap() {
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(2)).rate(3, 100 * SECOND).build().unwrap();
    let server = Server::start(gate).await;
    let first = server.open(None).await;
    server.open(None).await;
    for _ in 0..5 {
        server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    }
    server.delete(&first).await;
    eventually("its slot is free", || server.in_use() == 1).await;
    // The third of three: those refused by the cap took none.
    let third = server.open(None).await;
    server.delete(&third).await;
    eventually("its slot is free", || server.in_use() == 1).await;
    let refused = server.ask(None).await;
    refused.is_refused_for(StatusCode::TOO_MANY_REQUESTS);
    // Never before the window has room, and not all at once then.
    assert!(refused.retry_after().is_some_and(|secs| (100..=120).contains(&secs)), "{refused:?}");
    server.shut_down().await;
}

#[tokio::test]
async fn stateless_request() {
    let (_, gate) = at_most(1);
    let server = Server::start(gate).await;
    server.open(None).await;
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    let body = json!({
        "jsonrpc": "2.0", "id": 5, "method": "tools/call",
        "params": {
            "name": "echo", "arguments": {},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1.0.0"},
                "io.modelcontextprotocol/clientCapabilities": {}
            }
        }
    });
    let request = server.post(&body).header("mcp-protocol-version", "2026-07-28");
    let request = request.header("mcp-method", "tools/call").header("mcp-name", "echo");
    let answer = crate::support::Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.body.contains("done"), "{}", answer.body);
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.in_use), (1, 1));
    assert_eq!(stats.rejected(Cause::AtCapacity), 1);
    server.shut_down().await;
}

#[tokio::test]
async fn half_open_body() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (_, gate) = at_most(1);
    let server = Server::start(gate).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\ncontent-length: 4096\r\n\r\n{{\"jsonrpc\":",
        server.address
    );
    // 10,000 in all, as many at a time as a listener has a queue for.
    for _ in 0..100 {
        let sockets = join_all((0..100).map(|_| async {
            let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
            socket.write_all(head.as_bytes()).await.unwrap();
            socket
        }))
        .await;
        // Connections are accepted in their order, so all of these were.
        let mut last = tokio::net::TcpStream::connect(server.address).await.unwrap();
        last.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(last.read_u8().await.unwrap(), b'H');
        assert_eq!(server.in_use(), 0);
        drop(sockets);
    }
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.in_use), (0, 0));
    server.open(None).await;
    server.shut_down().await;
}
