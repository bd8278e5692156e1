//! Who makes room at capacity, and who never does.

use std::time::Duration;

use futures::future::join_all;
use headcount::{CapacityPolicy, Limit};
use reqwest::StatusCode;

use crate::support::{Calls, SECOND, Server, Time, eventually, gate};

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
