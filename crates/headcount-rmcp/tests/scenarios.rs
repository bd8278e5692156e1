//! What happened to others, over HTTP: one test for each, by its name.

use std::time::Duration;

use crate::support::{Calls, LONG, Server, Time, at_most, eventually, gate, initialize};
use futures::future::join_all;
use headcount::{CapacityPolicy, Cause, CloseReason, Limit};
use reqwest::StatusCode;
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);

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
async fn double_close() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let (one, other) = (server.open(None).await, server.open(None).await);
    assert_eq!(server.delete(&one).await, StatusCode::ACCEPTED);
    assert_eq!(server.delete(&one).await, StatusCode::ACCEPTED);
    // The worker's end closes it a third time.
    eventually("its slot is free", || server.in_use() == 1).await;
    eventually("nothing drains", || server.draining() == 0).await;
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Closed), 1);
    assert_eq!(server.echo(&other).await, StatusCode::OK);
    server.open(None).await;
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    server.shut_down().await;
}

#[tokio::test]
async fn evict_pending() {
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(2)).at_capacity(CapacityPolicy::EvictOldest);
    let server = Server::start(gate.build().unwrap()).await;
    let busy = server.open(None).await;
    let call = server.call(&busy, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    let pending = server.ask(None).await.session.expect("there is room");
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.initialized(&pending).await, StatusCode::ACCEPTED);
    assert_eq!(server.echo(&pending).await, StatusCode::OK);
    server.calls.may_end.add_permits(1);
    assert!(call.text().await.unwrap().contains("done"));
    server.shut_down().await;
}

#[tokio::test]
async fn evict_inflight() {
    let time = Time::default();
    let floor = 5 * SECOND;
    let gate =
        gate(&time).limit(Limit::at_most(2)).at_capacity(CapacityPolicy::EvictIdle { floor });
    let server = Server::start(gate.build().unwrap()).await;
    // The oldest has a call, the other an open stream.
    let calling = server.open(None).await;
    let call = server.call(&calling, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    let listening = server.open(None).await;
    let stream = server.listen(&listening).await;
    assert_eq!(stream.status(), StatusCode::OK);
    server.pass(20 * SECOND);
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);

    server.calls.may_end.add_permits(1);
    assert!(call.text().await.unwrap().contains("done"));
    let refused = server.ask(None).await;
    refused.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.retry_after() <= Some(5), "{refused:?}");
    server.pass(6 * SECOND);
    let newcomer = server.open(None).await;
    assert_eq!(server.echo(&calling).await, StatusCode::NOT_FOUND);
    assert_eq!(server.echo(&listening).await, StatusCode::OK);

    drop(stream);
    eventually("its client has gone", || {
        server.sessions.gate().clock().advance(10_000);
        server.sessions.gate().candidates() == 2
            && server.sessions.gate().stats().in_use == 2
            && server.draining() == 0
    })
    .await;
    assert_eq!(server.echo(&newcomer).await, StatusCode::OK);
    server.shut_down().await;
}

#[tokio::test]
async fn evict_vs_request() {
    // Requests for the victim while newcomers take its place: each is served
    // to its end, or told that the session is gone.
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(1)).at_capacity(CapacityPolicy::EvictOldest);
    let server = Server::start(gate.build().unwrap()).await;
    let (mut served, mut gone) = (0, 0);
    for _ in 0..30 {
        let victim = server.open(None).await;
        let requests = join_all((0..4).map(|_| server.echo(&victim)));
        let (statuses, newcomer) = tokio::join!(requests, async {
            loop {
                let answer = server.ask(None).await;
                match answer.status {
                    StatusCode::OK => return answer.session.expect("it has an id"),
                    StatusCode::SERVICE_UNAVAILABLE => {}
                    other => panic!("{other}: {answer:?}"),
                }
            }
        });
        for status in statuses {
            match status {
                StatusCode::OK => served += 1,
                StatusCode::NOT_FOUND => gone += 1,
                other => panic!("{other}"),
            }
        }
        assert_eq!(server.in_use(), 1);
        assert_eq!(server.delete(&newcomer).await, StatusCode::ACCEPTED);
        eventually("it has left", || server.in_use() == 0).await;
    }
    assert_eq!(served + gone, 120);
    server.shut_down().await;
}

#[tokio::test]
async fn idle_from_end() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let id = server.open(None).await;
    let call = server.call(&id, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    server.pass(200 * SECOND);
    server.calls.may_end.add_permits(1);
    assert!(call.text().await.unwrap().contains("done"));
    server.pass(59 * SECOND);
    assert_eq!(server.echo(&id).await, StatusCode::OK);
    server.pass(61 * SECOND);
    assert_eq!(server.echo(&id).await, StatusCode::NOT_FOUND);
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Idle), 1);
    server.shut_down().await;
}

#[tokio::test]
async fn disconnect_running() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let id = server.open(None).await;
    let call = server.call(&id, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    drop(call);
    server.pass(200 * SECOND);
    assert_eq!(server.in_use(), 1);
    assert_eq!(server.sessions.active(), 1, "its handler runs");
    server.calls.may_end.add_permits(1);
    Calls::one(&server.calls.ended).await;
    eventually("it is idle in the end", || {
        server.pass(61 * SECOND);
        server.sessions.active() == 0
    })
    .await;
    server.shut_down().await;
}

#[tokio::test]
async fn cancelled_request() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let id = server.open(None).await;
    // Two of one id, and one that is cancelled.
    let calls = [
        server.call(&id, 2, "wait").await,
        server.call(&id, 2, "wait").await,
        server.call(&id, 3, "wait").await,
    ];
    for _ in 0..2 {
        Calls::one(&server.calls.begun).await;
    }
    drop(calls);
    server.pass(61 * SECOND);
    assert_eq!(server.sessions.active(), 1);
    for request in [3, 2] {
        let cancelled = json!({"requestId": request});
        let status = server.notify(&id, "notifications/cancelled", cancelled).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    eventually("nothing is in flight", || {
        server.pass(61 * SECOND);
        server.sessions.active() == 0
    })
    .await;
    server.calls.may_end.add_permits(3);
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Idle), 1);
    server.shut_down().await;
}

#[tokio::test]
async fn zombie_window() {
    // A session that was ended, whose handler runs on: 404, not 500.
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let id = server.open(None).await;
    let call = server.call(&id, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    server.sessions.gate().close_all(CloseReason::Shutdown);
    server.sessions.reap();
    for _ in 0..20 {
        assert_eq!(server.echo(&id).await, StatusCode::NOT_FOUND);
    }
    assert_eq!(server.listen(&id).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.initialized(&id).await, StatusCode::NOT_FOUND);
    assert_eq!(server.draining(), 1);
    server.calls.may_end.add_permits(1);
    drop(call);
    server.shut_down().await;
}

#[tokio::test]
async fn initialized_never_sent() {
    let (_, gate) = at_most(1);
    let server = Server::start(gate).await;
    let id = server.ask(None).await.session.expect("there is room");
    server.pass(9 * SECOND);
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    server.pass(2 * SECOND);
    assert_eq!(server.initialized(&id).await, StatusCode::NOT_FOUND);
    eventually("its slot is free", || server.in_use() == 0).await;
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::InitTimeout), 1);
    server.open(None).await;
    server.shut_down().await;
}

#[tokio::test]
async fn a_client_that_works_without_saying_that_it_is_initialized_is_not_cut_off() {
    let (_, gate) = at_most(1);
    let server = Server::start(gate).await;
    let id = server.ask(None).await.session.expect("there is room");
    assert_eq!(server.echo(&id).await, StatusCode::OK);
    server.pass(30 * SECOND);
    assert_eq!(server.echo(&id).await, StatusCode::OK);
    server.pass(61 * SECOND);
    assert_eq!(server.echo(&id).await, StatusCode::NOT_FOUND);
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Idle), 1);
    server.shut_down().await;
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
async fn dead_lockout() {
    // The cap is full of clients that are gone: the first that comes after the
    // floor has a place; before, it is told when.
    let time = Time::default();
    let floor = 30 * SECOND;
    let gate =
        gate(&time).limit(Limit::at_most(2)).at_capacity(CapacityPolicy::EvictIdle { floor });
    let server = Server::start(gate.build().unwrap()).await;
    for _ in 0..2 {
        server.open(None).await;
    }
    let mut waited = 0;
    loop {
        let answer = server.ask(None).await;
        if answer.status == StatusCode::OK {
            break;
        }
        answer.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
        let after = answer.retry_after().unwrap();
        waited += after;
        server.pass(Duration::from_secs(after));
    }
    assert!((30..=31).contains(&waited), "{waited} s");
    assert_eq!(server.in_use(), 2);
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
async fn drain_overlap() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let id = server.open(None).await;
    let call = server.call(&id, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    assert_eq!(server.delete(&id).await, StatusCode::ACCEPTED);
    // Ended, and its handler runs on: its slot is taken, and it drains.
    assert_eq!((server.sessions.active(), server.draining(), server.in_use()), (0, 1, 1));
    server.open(None).await;
    assert_eq!((server.sessions.active(), server.draining(), server.in_use()), (1, 1, 2));
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    server.calls.may_end.add_permits(1);
    eventually("it has left", || server.in_use() == 1 && server.draining() == 0).await;
    drop(call);
    server.shut_down().await;
}

// So that a client may be faster than the end of its session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reopen_after_delete() {
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(2)).subject_limit(Limit::at_most(1));
    let server = Server::start(gate.build().unwrap()).await;
    for _ in 0..300 {
        let id = server.open(Some("alice")).await;
        assert_eq!(server.delete(&id).await, StatusCode::ACCEPTED);
    }
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.rejected(Cause::SubjectAtLimit)), (300, 0));
    // One that was never initialized, and one whose client still listens.
    let id = server.ask(Some("alice")).await.session.expect("there is room");
    assert_eq!(server.delete(&id).await, StatusCode::ACCEPTED);
    let id = server.open(Some("alice")).await;
    let _stream = server.listen(&id).await;
    assert_eq!(server.delete(&id).await, StatusCode::ACCEPTED);
    server.open(Some("alice")).await;
    server.shut_down().await;
}

#[tokio::test]
async fn server_shutdown() {
    let (_, gate) = at_most(10);
    let server = Server::start(gate).await;
    let ids = join_all((0..10).map(|_| server.open(Some("alice")))).await;
    let stream = server.listen(&ids[0]).await;
    let call = server.call(&ids[1], 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    // The server's token alone.
    server.stop.cancel();
    eventually("all have left", || {
        let gate = server.sessions.gate();
        gate.in_use() == 0 && gate.subjects() == 0 && gate.stats().draining == 0
    })
    .await;
    drop((stream, call));
    // And then the gate's: it waits for nothing.
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

#[tokio::test]
async fn panic_everywhere() {
    let (_, gate) = at_most(2);
    let server = Server::start(gate).await;
    let other = server.open(None).await;
    let id = server.open(None).await;
    let call = server.call(&id, 2, "panic").await;
    Calls::one(&server.calls.ended).await;
    drop(call);
    assert_eq!(server.echo(&other).await, StatusCode::OK);
    // rmcp answers nothing for a handler that panicked, so the request stays in
    // flight until the client gives it up, or the session is closed.
    let cancelled = json!({"requestId": 2});
    server.notify(&id, "notifications/cancelled", cancelled).await;
    eventually("it is idle in the end", || {
        server.pass(61 * SECOND);
        server.sessions.active() == 0
    })
    .await;
    assert!(tokio::time::timeout(LONG, server.shut_down()).await.is_ok());
}
