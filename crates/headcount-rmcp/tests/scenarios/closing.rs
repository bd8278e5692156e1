//! A session or the server is closed, and what is seen of it meanwhile.

use futures::future::join_all;
use headcount::{Cause, CloseReason, Limit};
use reqwest::StatusCode;

use crate::support::{Calls, Server, Time, at_most, eventually, gate};

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
