//! Streams that clients without sessions keep open.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::support::both::{Both, NEW, calls, is_refused};
use crate::support::{Answer, Calls, Handler, LONG, Server, Sessions, at_most, events, eventually};
use headcount_rmcp::McpGuard;
use reqwest::StatusCode;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{
    EventStore, EventStoreError, EventStream, ServerSseMessage,
};
use serde_json::json;
use tokio::time::timeout;

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
async fn a_guard_of_two_services_knows_which_of_them_has_sessions() {
    let streams = calls(1, 1);
    let inner = LocalSessionManager::default().with_event_store(Arc::new(Endless));
    let sessions = Arc::new(Sessions::new(inner, at_most(2).1));
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let stays = streams.clone();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions).calls(calls(1, 1)).streams(stays);
        let service = guard.service(handler, config.clone());
        let none = || Err::<Handler, _>(std::io::Error::other("nobody asks for it"));
        _ = guard.service(none, config.with_legacy_session_mode(true));
        axum::Router::new().nest_service("/mcp", service)
    })
    .await;
    let resume = || {
        let request = server.client.get(server.url()).header("accept", "text/event-stream");
        request.header("last-event-id", "1").header("mcp-session-id", "any").send()
    };
    let stream = resume().await.expect("an answer");
    assert_eq!((stream.status(), streams.in_use()), (StatusCode::OK, 1));
    assert_eq!(resume().await.expect("an answer").status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(stream);
    eventually("its place is free", || streams.in_use() == 0).await;
    server.shut_down().await;
}

#[tokio::test]
async fn nothing_is_replayed_past_the_layer_of_a_guard_that_counts() {
    let inner = LocalSessionManager::default().with_event_store(Arc::new(Endless));
    let sessions = Arc::new(Sessions::new(inner, at_most(2).1));
    let config = StreamableHttpServerConfig::default();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions).calls(calls(1, 1)).streams(calls(1, 1));
        axum::Router::new().nest_service("/mcp", guard.inner(handler, config))
    })
    .await;
    let request = server.client.get(server.url()).header("accept", "text/event-stream");
    let request = request.header("last-event-id", "1").header("mcp-protocol-version", NEW);
    // rmcp makes an empty one of what is refused.
    let stream = request.send().await.expect("an answer").text();
    assert_eq!(timeout(LONG / 10, stream).await.expect("it ends").expect("it is read"), "");
    let told = events::of("a stream was to be replayed past McpGuard::layer", "");
    assert_eq!(told.len(), 1);
    server.shut_down().await;
}

#[tokio::test]
async fn a_call_whose_events_are_stored_is_counted_until_its_handler_has_ended() {
    let calls = calls(1, 1);
    let inner = LocalSessionManager::default().with_event_store(Arc::new(Endless));
    let sessions = Arc::new(Sessions::new(inner, at_most(2).1));
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let counts = calls.clone();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions).calls(counts);
        axum::Router::new().nest_service("/mcp", guard.service(handler, config))
    })
    .await;
    let call = || {
        server.post(&json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": {"name": "alone", "arguments": {}}
        }))
    };
    let first = call().send().await.expect("an answer");
    Calls::one(&server.calls.begun).await;
    drop(first);
    for _ in 0..3 {
        is_refused(
            &Answer::of(call().send().await.expect("an answer")).await,
            StatusCode::SERVICE_UNAVAILABLE,
        );
        tokio::task::yield_now().await;
    }
    server.calls.may_end.add_permits(1);
    Calls::one(&server.calls.ended).await;
    eventually("its place is free", || calls.in_use() == 0).await;
    assert_eq!(server.calls.most.load(Relaxed), 1);
    server.shut_down().await;
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
    timeout(LONG, shuts).await.expect("it ends").expect("it does not panic");
    for open in [listens, stream] {
        _ = timeout(LONG, open.text()).await.expect("it has ended");
    }
    eventually("nothing is left", || both.in_use() == [0, 0, 0]).await;
}
