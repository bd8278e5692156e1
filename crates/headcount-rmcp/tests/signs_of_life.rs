//! What tells that a client is there: what it sends, and nothing that the server
//! does. Time is a clock that the tests set.

use std::time::Duration;

use crate::support::{LONG, Server, Sessions, Time, at_most, eventually, gate};
use headcount::{CapacityPolicy, CloseReason, Limit};
use headcount_rmcp::{Pings, Rules};
use reqwest::StatusCode;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::{Value, json};

const IDLE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn pushing_server() {
    let floor = Duration::from_secs(1);
    for policy in [CapacityPolicy::Reject, CapacityPolicy::EvictIdle { floor }] {
        let time = Time::default();
        let gate = gate(&time)
            .limit(Limit::at_most(3))
            .idle_timeout(Duration::from_secs(2))
            .at_capacity(policy);
        let server = Server::start(gate.build().unwrap()).await;
        for _ in 0..3 {
            server.open(None).await;
        }
        // Their clients have vanished, and the server goes on telling them things.
        for _ in 0..5 {
            server.calls.push().await;
            server.pass(Duration::from_millis(500));
        }
        assert_eq!(server.sessions.active(), 0);
        assert_eq!(server.sessions.gate().stats().ended(CloseReason::Idle), 3);
        eventually("their slots are free", || server.in_use() == 0).await;
        server.open(None).await;
        server.shut_down().await;
    }
}

#[tokio::test]
async fn who_listened_and_has_gone_is_idle_however_much_it_is_sent() {
    let (_, gate) = at_most(1);
    let server = Server::start(gate).await;
    let id = server.open(None).await;
    let stream = server.listen(&id).await;
    for _ in 0..5 {
        server.calls.push().await;
        server.pass(IDLE);
    }
    assert_eq!(server.sessions.active(), 1, "it listens");
    drop(stream);
    // The server has to find out that nobody reads any more.
    let finds_out = async {
        while server.sessions.active() == 1 {
            server.calls.push().await;
            server.pass(IDLE / 4);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, finds_out).await.expect("it is idle in the end");
    assert_eq!(server.sessions.gate().stats().ended(CloseReason::Idle), 1);
    server.shut_down().await;
}

/// Does a client stay that sends this every half minute?
async fn stays(pings: Pings, message: Value) -> bool {
    let (_, gate) = at_most(1);
    let mut inner = LocalSessionManager::default();
    inner.session_config.keep_alive = None;
    let sessions = Sessions::with_rules(inner, gate, Rules::default().pings(pings));
    let server: Server<Sessions> = Server::serve(sessions).await;
    let id = server.open(None).await;
    for _ in 0..2 {
        server.pass(IDLE / 2 - Duration::from_secs(1));
        assert!(server.send(&id, &message).await.is_success());
    }
    server.pass(IDLE / 2 - Duration::from_secs(1));
    let stays = server.sessions.active() == 1;
    let answer = if stays { StatusCode::OK } else { StatusCode::NOT_FOUND };
    assert_eq!(server.echo(&id).await, answer);
    server.shut_down().await;
    stays
}

#[tokio::test]
async fn pings_are_a_sign_of_life_unless_they_are_not_to_be() {
    let ping = json!({"jsonrpc": "2.0", "id": 7, "method": "ping"});
    // The answer to a ping of the server's.
    let pong = json!({"jsonrpc": "2.0", "id": 0, "result": {}});
    for message in [ping, pong] {
        assert!(stays(Pings::Counted, message.clone()).await, "{message}");
        assert!(!stays(Pings::Ignored, message.clone()).await, "{message}");
    }
    let request = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let answer = json!({"jsonrpc": "2.0", "id": 0, "result": {"roots": []}});
    for message in [request, answer] {
        assert!(stays(Pings::Ignored, message.clone()).await, "{message}");
    }
}
