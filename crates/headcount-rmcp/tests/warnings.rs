//! Settings that do nothing, and what nobody counts, are told of.

use std::sync::Arc;

use crate::support::both::Both;
use crate::support::{Answer, Server, Sessions, Time, at_most, events, x_client};
use headcount::{Gate, Limit};
use headcount_rmcp::{CallGate, McpGuard};
use reqwest::{RequestBuilder, StatusCode};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{
    SessionManager, StreamableHttpServerConfig, StreamableHttpService,
};
use serde_json::json;
use tower_layer::Layer;

#[tokio::test]
async fn a_limit_of_subjects_that_are_all_anonymous_is_told_of_once() {
    let told = || events::of("the first hundred sessions were all", "the gate's").len();
    let (_, gate) = at_most(1);
    gate.set_subject_limit(Limit::at_most(2));
    let sessions = Sessions::local(gate);
    for opened in 0..250 {
        let told_so = told();
        drop(sessions.create_session().await.expect("there is room"));
        assert_eq!(told() - told_so, usize::from(opened == 99));
    }
    // Where none was asked for, there is nothing to tell.
    let (_, gate) = at_most(1);
    let (sessions, told_so) = (Sessions::local(gate), told());
    for _ in 0..150 {
        drop(sessions.create_session().await.expect("there is room"));
    }
    assert_eq!(told(), told_so);
}

/// A request of the protocol without sessions.
fn discover(server: &Server<Sessions>) -> RequestBuilder {
    let request = server.post(&json!({
        "jsonrpc": "2.0", "id": 7, "method": "server/discover", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1.0.0"},
            "io.modelcontextprotocol/clientCapabilities": {}
        }}
    }));
    let request = request.header("mcp-protocol-version", "2026-07-28");
    request.header("mcp-method", "server/discover")
}

fn calls() -> CallGate<Time> {
    Gate::<String>::builder().clock(Time::default()).build().expect("it is right")
}

/// What a guard counts.
#[derive(Clone, Copy)]
enum Counts {
    Calls,
    Streams,
}

impl Counts {
    fn by(self, guard: Guard, gate: CallGate<Time>) -> Guard {
        match self {
            Self::Calls => guard.calls(gate),
            Self::Streams => guard.streams(gate),
        }
    }
}

type Guard = McpGuard<LocalSessionManager, Time>;

#[tokio::test]
async fn half_a_guard_is_told_of() {
    for counts in [Counts::Calls, Counts::Streams] {
        // The inner half alone: nobody could give the place of a call back.
        let past = || events::of("a request came past McpGuard::layer", "").len();
        let (told, gate) = (past(), calls());
        let config = StreamableHttpServerConfig::default();
        let sessions = Arc::new(Sessions::local(at_most(1).1));
        let inner = Server::mount(sessions, config.clone(), |sessions, handler, config| {
            let guard = counts.by(McpGuard::new(sessions), gate.clone());
            axum::Router::new().nest_service("/mcp", guard.inner(handler, config))
        })
        .await;
        let answer = discover(&inner).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!((past() - told, gate.stats().admitted), (1, 0));
        inner.shut_down().await;

        // The outer half around something else: it is served, and nobody counts it.
        let uncounted = || events::of("a call was served that no gate counts", "").len();
        let told = uncounted();
        let sessions = Arc::new(Sessions::local(at_most(1).1));
        let outer = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = counts.by(McpGuard::new(sessions.clone()), gate.clone());
            let rmcp = StreamableHttpService::new(handler, sessions, config);
            axum::Router::new().nest_service("/mcp", guard.layer().layer(rmcp))
        })
        .await;
        for _ in 0..3 {
            let answer = discover(&outer).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::OK);
        }
        // A session is counted, whoever makes the handler.
        let id = outer.open(None).await;
        assert_eq!(outer.echo(&id).await, StatusCode::OK);
        assert_eq!((uncounted() - told, gate.stats().admitted), (1, 0));
        outer.shut_down().await;

        // Another route within the layer is no call.
        let told = uncounted();
        let sessions = Arc::new(Sessions::local(at_most(1).1));
        let config = StreamableHttpServerConfig::default();
        let both = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = counts.by(McpGuard::new(sessions), gate.clone());
            axum::Router::new()
                .nest_service("/mcp", guard.inner(handler, config))
                .route("/login", axum::routing::post(async || "welcome"))
                .layer(guard.layer())
        })
        .await;
        let login = both.client.post(both.url().replace("/mcp", "/login"));
        assert_eq!(login.send().await.expect("an answer").status(), StatusCode::OK);
        assert_eq!(uncounted(), told);
        both.shut_down().await;
    }
}

#[tokio::test]
async fn subjects_that_find_nobody_are_told_of_once() {
    let told = || events::of("the first hundred calls were all", "`subjects`").len();
    for names in [true, false] {
        let calls = calls();
        let sessions = Arc::new(Sessions::local(at_most(1).1));
        let config = StreamableHttpServerConfig::default();
        let server = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions).subjects(x_client()).calls(calls);
            axum::Router::new().nest_service("/mcp", guard.service(handler, config))
        })
        .await;
        let told_so = told();
        for call in 0..120 {
            let request = discover(&server);
            let request = match names && call == 50 {
                true => request.header("x-client", "alice"),
                false => request,
            };
            let answer = Answer::of(request.send().await.expect("an answer")).await;
            assert!(answer.status.is_success(), "{answer:?}");
        }
        assert_eq!(told() - told_so, usize::from(!names));
        server.shut_down().await;
    }
}

#[tokio::test]
async fn streams_that_are_all_anonymous_are_told_of_though_calls_are_too() {
    let told = || events::of("the first hundred streams were all", "the gate's").len();
    let sessions = Arc::new(Sessions::local(at_most(1).1));
    let config = StreamableHttpServerConfig::default();
    let (counts, stays) = (calls(), calls());
    stays.set_subject_limit(Limit::at_most(2));
    let both = Both {
        server: Server::mount(sessions, config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions).calls(counts.clone()).streams(stays.clone());
            axum::Router::new().nest_service("/mcp", guard.service(handler, config))
        })
        .await,
        calls: counts,
        streams: stays,
    };
    for _ in 0..110 {
        assert_eq!(both.echo("alice").await.status, StatusCode::OK);
    }
    let told_so = told();
    for stream in 0..110 {
        assert_eq!(both.listen("alice").await.status(), StatusCode::OK);
        assert_eq!(told() - told_so, usize::from(stream >= 99));
    }
    both.shut_down().await;
}
