//! Requests that run, stop or panic, and the timeouts of their session.

use headcount::CloseReason;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Calls, LONG, SECOND, Server, at_most, eventually};

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
