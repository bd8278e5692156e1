//! Whose a session is: who may use it, and how that is known.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::support::{Calls, Server, Sessions, at_most, events, initialize, x_client};
use futures::future::BoxFuture;
use headcount::CloseReason;
use headcount_rmcp::{McpGuard, McpLayer, OtherSubjects, Subjects, Visited};
use reqwest::{RequestBuilder, StatusCode};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tower_layer::Layer;
use tower_service::Service;

/// What somebody can do with a session's id.
fn requests(server: &Server<Sessions>, id: &str) -> Vec<RequestBuilder> {
    let call = json!({
        "jsonrpc": "2.0", "id": 9, "method": "tools/call",
        "params": {"name": "echo", "arguments": {}}
    });
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 2}});
    let listen = || server.client.get(server.url()).header("accept", "text/event-stream");
    let requests = [
        listen(),
        listen().header("last-event-id", "0"),
        server.post(&call),
        server.post(&notification),
        server.post(&initialize()),
        server.client.delete(server.url()),
    ];
    requests.into_iter().map(|request| request.header("mcp-session-id", id)).collect()
}

async fn is_served_to(server: &Server<Sessions>, id: &str, subject: Option<&str>) -> StatusCode {
    let request = requests(server, id).swap_remove(2);
    let request = match subject {
        Some(subject) => request.header("x-client", subject),
        None => request,
    };
    request.send().await.expect("an answer").status()
}

#[tokio::test]
async fn not_your_session() {
    let (_, gate) = at_most(4);
    let server = Server::start(gate).await;
    let id = server.open(Some("alice")).await;
    let call = server.call(&id, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    let idle = server.open(Some("alice")).await;
    for id in [&id, &idle] {
        for subject in [Some("bob"), None, Some("b o b")] {
            for request in requests(&server, id) {
                let request = match subject {
                    Some(subject) => request.header("x-client", subject),
                    None => request,
                };
                let answer = request.send().await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{answer:?}");
                assert_eq!(answer.text().await.unwrap(), "Not Found: Session not found");
            }
        }
    }
    // What the others did kept nobody's session from being idle.
    server.pass(std::time::Duration::from_secs(61));
    assert_eq!(server.echo(&idle).await, StatusCode::NOT_FOUND);
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Idle), 1);
    server.calls.may_end.add_permits(1);
    assert!(call.text().await.unwrap().contains("done"), "nobody cancelled it");
    assert_eq!(server.echo(&id).await, StatusCode::OK);
    // An anonymous session is of whoever has its id.
    let anonymous = server.open(None).await;
    assert_eq!(is_served_to(&server, &anonymous, Some("bob")).await, StatusCode::OK);
    assert_eq!(server.delete(&id).await, StatusCode::ACCEPTED);
    server.shut_down().await;
}

#[tokio::test]
async fn a_session_that_drains_is_deleted_by_its_own_subject_alone() {
    let (_, gate) = at_most(1);
    let server = Server::start(gate).await;
    let id = server.open(Some("alice")).await;
    let call = server.call(&id, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    server.sessions.gate().close_all(CloseReason::Closed);
    server.sessions.reap();
    assert_eq!(server.draining(), 1);
    for subject in ["bob", "b o b"] {
        // rmcp deletes what it has stored where this is answered 202.
        let request = requests(&server, &id).swap_remove(5).header("x-client", subject);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(server.delete(&id).await, StatusCode::ACCEPTED);
    server.calls.may_end.add_permits(1);
    drop(call);
    server.shut_down().await;
}

/// A server where subjects are addresses, all of them this one.
async fn by_address(layer: McpLayer) -> Server<Sessions> {
    let (_, gate) = at_most(2);
    gate.set_subject_limit(headcount::Limit::at_most(1));
    let address: SocketAddr = "192.0.2.1:4000".parse().expect("an address");
    let layer = layer.subjects(Subjects::peer());
    let sessions = Arc::new(Sessions::local(gate));
    let config = StreamableHttpServerConfig::default();
    Server::mount(sessions, config, |sessions, handler, config| {
        let service = layer.layer(StreamableHttpService::new(handler, sessions, config));
        axum::Router::new().nest_service("/mcp", service).layer(axum::Extension(address))
    })
    .await
}

#[tokio::test]
async fn addresses_are_subjects_by_their_text() {
    let server = by_address(McpLayer::new()).await;
    server.open(None).await;
    server.ask(None).await.is_refused_for(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.sessions.gate().in_use_by("192.0.2.1"), 1);
    server.shut_down().await;
}

/// Subjects that change with every request, as those of a client that moves.
fn that_move<K: From<[u8; 4]> + 'static>() -> Subjects<K> {
    let next = std::sync::atomic::AtomicU8::new(0);
    Subjects::by(move |_| {
        let host = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(Some(K::from([192, 0, 2, host])))
    })
}

#[tokio::test]
async fn a_client_may_move_where_its_address_is_its_subject() {
    use std::net::{IpAddr, Ipv4Addr};
    let addresses = || McpLayer::new().subjects(that_move::<IpAddr>());
    let cases = [
        (addresses(), true),
        (McpLayer::new().subjects(that_move::<Ipv4Addr>()), true),
        (addresses().other_subjects(OtherSubjects::NotFound), false),
        (McpLayer::new().subjects(x_client()), false),
        (McpLayer::new().other_subjects(OtherSubjects::Served).subjects(x_client()), true),
    ];
    for (layer, served) in cases {
        let (_, gate) = at_most(2);
        let config = StreamableHttpServerConfig::default();
        let server = Server::serve_in(Sessions::local(gate), config, Some(layer)).await;
        let id = server.ask(Some("alice")).await.session.expect("there is room");
        let expected = if served { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(is_served_to(&server, &id, Some("bob")).await, expected);
        server.shut_down().await;
    }
}

/// Serves each request in a task of its own, as some middleware does.
#[derive(Clone)]
struct Spawns<S>(S);

impl<S, B> Service<http::Request<B>> for Spawns<S>
where
    S: Service<http::Request<B>>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let served = tokio::spawn(self.0.call(request));
        Box::pin(async move { served.await.expect("it is not aborted") })
    }
}

fn one_each() -> Arc<Sessions> {
    let (_, gate) = at_most(4);
    gate.set_subject_limit(headcount::Limit::at_most(1));
    Arc::new(Sessions::local(gate))
}

#[tokio::test]
async fn spawned_call() {
    // By the guard's two halves, by hand, and by the guard with nothing between.
    for way in 0..3 {
        let config = StreamableHttpServerConfig::default();
        let server = Server::mount(one_each(), config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions.clone()).subjects(x_client());
            let router = axum::Router::new();
            match way {
                0 => {
                    let inner = Spawns(guard.inner(handler, config));
                    router.nest_service("/mcp", guard.layer().layer(inner))
                }
                1 => {
                    let rmcp = StreamableHttpService::new(handler, sessions, config);
                    let layer = McpLayer::new().subjects(x_client());
                    router.nest_service("/mcp", layer.layer(Spawns(Visited::new(rmcp))))
                }
                _ => router.nest_service("/mcp", Spawns(guard.service(handler, config))),
            }
        })
        .await;
        let id = server.open(Some("alice")).await;
        server.ask(Some("alice")).await.is_refused_for(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(server.sessions.gate().in_use_by("alice"), 1);
        assert_eq!(is_served_to(&server, &id, Some("bob")).await, StatusCode::NOT_FOUND);
        assert_eq!(server.echo(&id).await, StatusCode::OK);
        server.shut_down().await;
    }
}

#[tokio::test]
async fn who_comes_past_the_layer_of_a_guard_with_subjects_is_refused_and_logged() {
    let lost = || events::of("a request came past the McpLayer", "").len();
    for has_subjects in [true, false] {
        let before = lost();
        let config = StreamableHttpServerConfig::default();
        let server = Server::mount(one_each(), config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions.clone());
            let guard = if has_subjects { guard.subjects(x_client()) } else { guard };
            let rmcp = StreamableHttpService::new(handler, sessions, config);
            axum::Router::new().nest_service("/mcp", guard.layer().layer(Spawns(rmcp)))
        })
        .await;
        let answer = server.ask(Some("alice")).await;
        if has_subjects {
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", answer.body);
            assert_eq!((server.in_use(), lost()), (0, before + 1));
        } else {
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            assert_eq!((server.in_use(), lost()), (1, before));
        }
        server.shut_down().await;
    }
}

#[tokio::test]
async fn a_request_whose_visit_is_lost_is_one_of_another() {
    let (_, gate) = at_most(4);
    let sessions = Arc::new(Sessions::local(gate));
    let config = StreamableHttpServerConfig::default();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let rmcp = StreamableHttpService::new(handler, sessions, config);
        let layer = McpLayer::new().subjects(x_client());
        axum::Router::new()
            .nest_service("/mcp", layer.layer(rmcp.clone()))
            .nest_service("/past", Spawns(rmcp))
    })
    .await;
    let (alices, anyones) = (server.open(Some("alice")).await, server.open(None).await);
    let past = |id: &str| {
        let url = server.url().replace("/mcp", "/past");
        server.client.delete(url).header("mcp-session-id", id).send()
    };
    // rmcp's own answer, since the layer is not there to make it 404.
    assert_eq!(past(&alices).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(past(&anyones).await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(server.echo(&alices).await, StatusCode::OK);
    assert_eq!(server.echo(&anyones).await, StatusCode::NOT_FOUND);
    server.shut_down().await;
}
