//! Clients of the protocol that has no sessions, beside those of the one that has.

use crate::support::both::{Both, NEW, is_refused, stateless};
use crate::support::{Answer, Calls, Server, Sessions, at_most, events, eventually, initialize};
use headcount::Cause;
use headcount_rmcp::Rules;
use reqwest::{RequestBuilder, StatusCode};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::json;

#[tokio::test]
async fn sessionless_cap() {
    let both = Both::start(2, 1).await;
    let alice = both.waiting(&["alice"]).await;
    let refused = both.echo("alice").await;
    is_refused(&refused, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.body.contains("calls of this client"), "{}", refused.body);
    let bob = both.waiting(&["bob"]).await;
    is_refused(&both.echo("carol").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(both.in_use(), [0, 2, 0]);
    both.done(alice).await;
    both.done(bob).await;
    eventually("their places are free", || both.in_use() == [0, 0, 0]).await;
    assert_eq!(both.echo("carol").await.status, StatusCode::OK);
    let stats = both.calls.stats();
    assert_eq!(stats.rejected(Cause::SubjectAtLimit), 1);
    assert_eq!(stats.rejected(Cause::AtCapacity), 1);
    both.shut_down().await;
}

#[tokio::test]
async fn each_kind_is_counted_by_itself() {
    let both = Both::start(1, 1).await;
    let session = both.server.open(Some("alice")).await;
    let waiting = both.waiting(&["alice"]).await;
    let stream = both.listen("alice").await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(both.in_use(), [1, 1, 1]);
    // All are full, and refuse their own.
    both.server.ask(Some("bob")).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    is_refused(&both.echo("bob").await, StatusCode::SERVICE_UNAVAILABLE);
    let refused = Answer::of(both.listen("bob").await).await;
    is_refused(&refused, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.body.contains("concurrent streams"), "{}", refused.body);
    // A session goes on though no call can be made, and one is opened.
    assert_eq!(both.server.echo(&session).await, StatusCode::OK);
    assert_eq!(both.server.delete(&session).await, StatusCode::ACCEPTED);
    let session = both.server.open(Some("alice")).await;
    assert_eq!(both.in_use(), [1, 1, 1]);
    // And a call is made though no session can be opened.
    both.done(waiting).await;
    eventually("its place is free", || both.in_use() == [1, 0, 1]).await;
    assert_eq!(both.echo("bob").await.status, StatusCode::OK);
    // A stream stays until it closes.
    drop(stream);
    eventually("its place is free", || both.in_use() == [1, 0, 0]).await;
    assert_eq!(both.server.delete(&session).await, StatusCode::ACCEPTED);
    both.shut_down().await;
}

#[tokio::test]
async fn a_body_decides_nothing_that_a_client_could_lie_about() {
    let both = Both::start(1, 1).await;
    let session = both.server.open(Some("alice")).await;
    let waiting = both.waiting(&["bob"]).await;
    let old = "2025-06-18";
    let echo = json!({"name": "echo", "arguments": {"text": "initialize"}});
    let call = stateless(old, "tools/call", echo.clone());
    let as_call = |request: RequestBuilder| async {
        Answer::of(request.header("x-client", "alice").send().await.expect("an answer")).await
    };
    // The head names a session, and the body has none: a call.
    let named = || both.server.post(&call).header("mcp-session-id", &session);
    let lies = as_call(named().header("mcp-protocol-version", old)).await;
    assert_eq!(lies.status, StatusCode::SERVICE_UNAVAILABLE, "{}", lies.body);
    let request = both.request("echo", "alice").header("mcp-session-id", &session);
    let lies = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(lies.status, StatusCode::SERVICE_UNAVAILABLE, "{}", lies.body);
    // No session at all, and an old version: a call.
    let lies = as_call(both.server.post(&call).header("mcp-protocol-version", old)).await;
    is_refused(&lies, StatusCode::SERVICE_UNAVAILABLE);
    // The head says that it is a stream, and the body that it is a call: neither.
    let wait = json!({"name": "wait", "arguments": {}});
    let request = both.server.post(&stateless(NEW, "tools/call", wait));
    let request = request.header("mcp-protocol-version", NEW).header("mcp-name", "wait");
    let lies = as_call(request.header("mcp-method", "subscriptions/listen")).await;
    assert_eq!(lies.status, StatusCode::BAD_REQUEST, "{}", lies.body);
    assert_eq!(both.in_use(), [1, 1, 0]);
    both.done(waiting).await;
    eventually("its place is free", || both.in_use() == [1, 0, 0]).await;
    // With room for a call they are served, and counted.
    let admitted = both.calls.stats().admitted;
    let served = as_call(named().header("mcp-protocol-version", old)).await;
    assert!(served.body.contains("done"), "{}", served.body);
    assert_eq!(both.calls.stats().admitted, admitted + 1);
    assert_eq!(both.server.delete(&session).await, StatusCode::ACCEPTED);
    both.shut_down().await;
}

#[tokio::test]
async fn half_a_body_and_a_bad_request_take_no_place() {
    use tokio::io::AsyncWriteExt;
    let both = Both::start(1, 1).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\naccept: application/json, text/event-stream\r\n\
         content-type: application/json\r\nmcp-protocol-version: {NEW}\r\n\
         mcp-method: tools/call\r\ncontent-length: 4096\r\n\r\n{{\"jsonrpc\":",
        both.server.address
    );
    let mut sockets = Vec::new();
    for _ in 0..10 {
        let mut socket = tokio::net::TcpStream::connect(both.server.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    let bad = both.server.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(bad.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(both.echo("alice").await.status, StatusCode::OK);
    assert_eq!(both.calls.stats().admitted, 1);
    drop(sockets);
    both.shut_down().await;
}

#[tokio::test]
async fn a_handshake_that_comes_in_pieces_opens_a_session_though_no_call_can_be_made() {
    let both = Both::start(1, 1).await;
    let waiting = both.waiting(&["bob"]).await;
    let message = initialize().to_string().into_bytes();
    let bytes = message.into_iter().map(|byte| Ok::<_, std::io::Error>(vec![byte]));
    let request = both.server.post(&json!(null)).header("x-client", "alice");
    let request = request.body(reqwest::Body::wrap_stream(futures::stream::iter(bytes)));
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(both.in_use(), [1, 1, 0]);
    both.done(waiting).await;
    eventually("its place is free", || both.in_use() == [1, 0, 0]).await;
    both.server.sessions.gate().close_all(headcount::CloseReason::Closed);
    both.server.sessions.reap();
    both.shut_down().await;
}

#[tokio::test]
async fn without_session_mode_old_clients_make_calls() {
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let both = Both::start_with(1, 1, config).await;
    let old = |method: &str| {
        let params = json!({"name": "wait", "arguments": {}});
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        both.server.post(&message).header("x-client", "alice")
    };
    let call = old("tools/call").send().await.expect("an answer");
    Calls::one(&both.server.calls.begun).await;
    assert_eq!(both.in_use(), [0, 1, 0]);
    let refused = Answer::of(old("tools/call").send().await.expect("an answer")).await;
    is_refused(&refused, StatusCode::TOO_MANY_REQUESTS);
    // So is a handshake, which opens nothing.
    both.server.ask(Some("bob")).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    both.server.calls.may_end.add_permits(1);
    assert!(call.text().await.unwrap().contains("done"));
    eventually("its place is free", || both.in_use() == [0, 0, 0]).await;
    let shaken = both.server.ask(Some("bob")).await;
    assert_eq!((shaken.status, shaken.session), (StatusCode::OK, None));
    both.shut_down().await;
}

#[tokio::test]
async fn a_call_is_counted_while_its_handler_runs_though_its_client_has_gone() {
    let both = Both::start(1, 1).await;
    let waiting = both.waiting(&["alice"]).await;
    for call in &waiting {
        call.abort();
    }
    for _ in 0..3 {
        is_refused(&both.echo("bob").await, StatusCode::SERVICE_UNAVAILABLE);
    }
    both.server.calls.may_end.add_permits(1);
    eventually("its place is free", || both.in_use() == [0, 0, 0]).await;
    assert_eq!(both.echo("bob").await.status, StatusCode::OK);
    both.shut_down().await;
}

#[tokio::test]
async fn a_call_is_counted_until_its_response_has_ended() {
    let both = Both::start(1, 1).await;
    let unread = both.call("large", "alice").await;
    assert_eq!(unread.status(), StatusCode::OK);
    Calls::one(&both.server.calls.ended).await;
    is_refused(&both.echo("bob").await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(unread.text().await.expect("it ends").contains("done"));
    assert_eq!(both.echo("bob").await.status, StatusCode::OK);
    both.shut_down().await;
}

#[tokio::test]
async fn a_bad_subject_makes_no_call() {
    let both = Both::start(1, 1).await;
    let answer = both.echo("b o b").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert_eq!(both.calls.stats().admitted, 0);
    both.shut_down().await;
}

#[tokio::test]
async fn a_manager_whose_calls_nobody_counts_says_so_once() {
    let says = || events::of("calls of clients without sessions are", "").len();
    let (time, gate) = at_most(1);
    let unbounded: Server<Sessions> = Server::serve(Sessions::local(gate)).await;
    for _ in 0..3 {
        unbounded.open(None).await;
        unbounded.pass(std::time::Duration::from_secs(61));
        eventually("it has left", || unbounded.in_use() == 0).await;
    }
    unbounded.shut_down().await;
    let after = says();
    assert!(after >= 1, "other tests do too");
    drop(time);

    let (_, gate) = at_most(1);
    let rules = Rules::default().calls_bounded_elsewhere();
    let elsewhere = Sessions::with_rules(LocalSessionManager::default(), gate, rules);
    assert!(
        rmcp::transport::streamable_http_server::SessionManager::event_store(&elsewhere).is_none()
    );
}
