//! Clients of the protocol that has no sessions, beside those of the one that has.

use std::sync::Arc;

use crate::support::{
    Answer, Calls, LONG, Server, Sessions, Time, at_most, events, eventually, gate, initialize,
    x_client,
};
use headcount::{Cause, Gate, Limit};
use headcount_rmcp::{CallGate, McpGuard, Rules};
use reqwest::{RequestBuilder, Response, StatusCode};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{
    EventStore, EventStoreError, EventStream, ServerSseMessage,
};
use serde_json::{Value, json};

const NEW: &str = "2026-07-28";

/// A server that guards both, and what counts its calls and streams.
struct Both {
    server: Server<Sessions>,
    calls: CallGate<Time>,
    streams: CallGate<Time>,
}

fn calls(most: u32, each: u32) -> CallGate<Time> {
    let (limit, each) = (Limit::at_most(most), Limit::at_most(each));
    let gate = Gate::<String>::builder().limit(limit).subject_limit(each).clock(Time::default());
    gate.no_init_timeout().no_idle_timeout().may_lock_out_for_ever().build().expect("it is right")
}

impl Both {
    /// Each kind has room for so many, and for so many of each subject.
    async fn start(most: u32, each: u32) -> Self {
        Self::start_with(most, each, StreamableHttpServerConfig::default()).await
    }

    async fn start_with(most: u32, each: u32, config: StreamableHttpServerConfig) -> Self {
        let sessions = gate(&Time::default()).limit(Limit::at_most(most));
        let sessions = sessions.subject_limit(Limit::at_most(each)).build().expect("it is right");
        let (calls, streams) = (calls(most, each), calls(most, each));
        let (counts, stays) = (calls.clone(), streams.clone());
        let sessions = Arc::new(Sessions::local(sessions));
        let server = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions).subjects(x_client()).calls(counts).streams(stays);
            axum::Router::new().nest_service("/mcp", guard.service(handler, config))
        });
        Self { server: server.await, calls, streams }
    }

    fn in_use(&self) -> [u32; 3] {
        [self.server.in_use(), self.calls.in_use(), self.streams.in_use()]
    }

    /// A call of a tool, by the new protocol.
    fn request(&self, tool: &str, subject: &str) -> RequestBuilder {
        let params = json!({"name": tool, "arguments": {}});
        let request = self.new_request("tools/call", params, subject);
        request.header("mcp-name", tool)
    }

    fn new_request(&self, method: &str, params: Value, subject: &str) -> RequestBuilder {
        let request = self.server.post(&stateless(NEW, method, params));
        let request = request.header("mcp-protocol-version", NEW).header("mcp-method", method);
        request.header("x-client", subject)
    }

    async fn call(&self, tool: &str, subject: &str) -> Response {
        self.request(tool, subject).send().await.expect("an answer")
    }

    async fn echo(&self, subject: &str) -> Answer {
        Answer::of(self.call("echo", subject).await).await
    }

    /// Calls that run, one for each of these.
    async fn waiting(&self, subjects: &[&str]) -> Vec<tokio::task::JoinHandle<Answer>> {
        let mut waiting = Vec::new();
        for subject in subjects {
            let request = self.request("wait", subject);
            waiting.push(tokio::spawn(async move {
                Answer::of(request.send().await.expect("an answer")).await
            }));
            Calls::one(&self.server.calls.begun).await;
        }
        waiting
    }

    /// Lets them end.
    async fn done(&self, waiting: Vec<tokio::task::JoinHandle<Answer>>) {
        self.server.calls.may_end.add_permits(waiting.len());
        for call in waiting {
            let answer = call.await.expect("it does not panic");
            assert!(answer.body.contains("done"), "{answer:?}");
        }
    }

    async fn listen(&self, subject: &str) -> Response {
        let params = json!({"notifications": {"toolsListChanged": true}});
        let request = self.new_request("subscriptions/listen", params, subject);
        request.send().await.expect("an answer")
    }

    async fn shut_down(self) {
        eventually("nothing is left", || self.in_use() == [0, 0, 0] || self.server.in_use() > 0)
            .await;
        for gate in [&self.calls, &self.streams] {
            assert_eq!((gate.in_use(), gate.stats().draining, gate.subjects()), (0, 0, 0));
        }
        self.server.shut_down().await;
    }
}

/// A message of a request that is all by itself.
fn stateless(version: &str, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// As its client is told, which waits for the answer to its request.
fn is_refused(answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.retry_after().is_some_and(|secs| secs >= 1), "{:?}", answer.headers);
    let body: Value = serde_json::from_str(&answer.body).expect("it is JSON");
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &json!(7)));
    assert_eq!(body["error"]["code"], json!(-32000));
    let message = body["error"]["message"].as_str().expect("it is text");
    assert!(message.contains("try again later"), "{message}");
}

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

/// Has something to replay to everybody, and never comes to its end.
struct Endless;

#[async_trait::async_trait]
impl EventStore for Endless {
    async fn store_event(&self, _: &str, _: &ServerSseMessage) -> Result<String, EventStoreError> {
        Ok("1".to_owned())
    }

    async fn replay_events_after(&self, _: &str) -> Result<EventStream, EventStoreError> {
        Ok(Box::pin(futures::stream::pending()))
    }
}

#[tokio::test]
async fn a_stream_that_goes_on_after_it_was_cut_off_is_a_stream() {
    for legacy in [true, false] {
        let streams = calls(1, 1);
        let inner = LocalSessionManager::default().with_event_store(Arc::new(Endless));
        let sessions = Arc::new(Sessions::new(inner, at_most(2).1));
        let config = StreamableHttpServerConfig::default().with_legacy_session_mode(legacy);
        let stays = streams.clone();
        let server = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions).calls(calls(1, 1)).streams(stays);
            axum::Router::new().nest_service("/mcp", guard.service(handler, config))
        })
        .await;
        let listen = || server.client.get(server.url()).header("accept", "text/event-stream");
        let resume = || listen().header("last-event-id", "1");
        // Which have none by their head, and in a server without sessions all.
        let request = || match legacy {
            true => resume().header("mcp-protocol-version", NEW),
            false => resume().header("mcp-session-id", "any"),
        };
        let stream = request().send().await.expect("an answer");
        assert_eq!((stream.status(), streams.in_use()), (StatusCode::OK, 1));
        let refused = Answer::of(request().send().await.expect("an answer")).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.body);
        assert!(refused.body.contains("concurrent streams"), "{}", refused.body);
        if legacy {
            // One of a session is that session's.
            let id = server.open(None).await;
            let resumed = server.within(&id, resume()).send().await.expect("an answer");
            assert_eq!((resumed.status(), streams.in_use()), (StatusCode::OK, 1));
        }
        drop(stream);
        eventually("its place is free", || streams.in_use() == 0).await;
        server.shut_down().await;
    }
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

#[tokio::test]
async fn shutdown_ends_calls_and_streams() {
    let sessions = Arc::new(Sessions::local(at_most(4).1));
    let (counts, stays) = (calls(4, 4), calls(4, 4));
    let mut kept = None;
    let config = StreamableHttpServerConfig::default();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions).calls(counts.clone()).streams(stays.clone());
        kept = Some(guard.clone());
        axum::Router::new().nest_service("/mcp", guard.service(handler, config))
    });
    let both = Both { server: server.await, calls: counts, streams: stays };
    let guard = kept.expect("it was made");
    let session = both.server.open(None).await;
    let listens = both.server.listen(&session).await;
    let stream = both.listen("alice").await;
    let waiting = both.waiting(&["alice"]).await;
    assert_eq!(both.in_use(), [1, 1, 1]);
    let shuts = tokio::spawn(async move { guard.shutdown().await });
    while both.echo("bob").await.status == StatusCode::OK {}
    is_refused(&both.echo("bob").await, StatusCode::SERVICE_UNAVAILABLE);
    // A call that ends in time is answered.
    both.done(waiting).await;
    tokio::time::timeout(LONG, shuts).await.expect("it ends").expect("it does not panic");
    for open in [listens, stream] {
        _ = tokio::time::timeout(LONG, open.text()).await.expect("it has ended");
    }
    eventually("nothing is left", || both.in_use() == [0, 0, 0]).await;
}
