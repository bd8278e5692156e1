//! The names of mcp-session 0.2 mean what they meant there, and the cap holds.

use std::time::Duration;

use crate::support::{Calls, Server, events, eventually};
use futures::future::join_all;
use headcount_rmcp::{
    BoundedSessionError, BoundedSessionManager, BoundedSessionManagerBuilder, CloseReason,
    SessionConfig,
};
use reqwest::StatusCode;
use rmcp::transport::streamable_http_server::SessionManager;

fn keeps_alive(keep_alive: Duration) -> SessionConfig {
    let mut config = SessionConfig::default();
    config.keep_alive = Some(keep_alive);
    config
}

#[tokio::test]
async fn the_oldest_makes_room() {
    let manager = BoundedSessionManager::new(keeps_alive(Duration::from_secs(300)), 2);
    let server: Server<BoundedSessionManager> = Server::serve(manager).await;
    let ids = [server.open(None).await, server.open(None).await, server.open(None).await];
    assert_eq!(server.echo(&ids[0]).await, StatusCode::NOT_FOUND);
    assert_eq!(server.echo(&ids[1]).await, StatusCode::OK);
    assert_eq!(server.echo(&ids[2]).await, StatusCode::OK);
    assert_eq!(server.sessions.active_session_count().await, 2);
}

#[tokio::test]
async fn sessions_that_were_never_initialized_make_room_too() {
    let server: Server<BoundedSessionManager> =
        Server::serve(BoundedSessionManagerBuilder::new(2).build()).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(server.ask(None).await.session.expect("there is room"));
    }
    assert_eq!(server.echo(&ids[1]).await, StatusCode::NOT_FOUND);
    assert_eq!(server.echo(&ids[2]).await, StatusCode::OK);
    assert_eq!(server.sessions.active_session_count().await, 2);
}

#[tokio::test]
async fn who_only_listens_makes_room_and_who_calls_does_not() {
    let server: Server<BoundedSessionManager> =
        Server::serve(BoundedSessionManagerBuilder::new(2).build()).await;
    let (listens, calls) = (server.open(None).await, server.open(None).await);
    let _stream = server.listen(&listens).await;
    let call = server.call(&calls, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    let newcomer = server.open(None).await;
    assert_eq!(server.echo(&listens).await, StatusCode::NOT_FOUND);
    let listens = server.listen(&newcomer).await;
    let another = server.open(None).await;
    drop(listens);
    let call_too = server.call(&another, 2, "wait").await;
    Calls::one(&server.calls.begun).await;
    server.ask(None).await.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    let error = server.sessions.create_session().await.map(drop).unwrap_err();
    assert!(matches!(error, BoundedSessionError::AtCapacity), "{error}");
    server.calls.may_end.add_permits(2);
    for call in [call, call_too] {
        assert!(call.text().await.unwrap().contains("done"), "it was not cut off");
    }
}

#[tokio::test]
async fn ratchet() {
    let server: Server<BoundedSessionManager> =
        Server::serve(BoundedSessionManager::new(SessionConfig::default(), 10)).await;
    for _ in 0..20 {
        let asked = join_all((0..32).map(|_| server.ask(None))).await;
        assert!(server.sessions.active_session_count().await <= 10);
        assert!(server.sessions.sessions().gate().in_use() <= 10);
        assert!(asked.iter().any(|answer| answer.status == StatusCode::OK));
    }
    assert_eq!(server.sessions.active_session_count().await, 10);
}

#[tokio::test]
async fn a_session_that_was_closed_counts_no_longer() {
    let server: Server<BoundedSessionManager> =
        Server::serve(BoundedSessionManagerBuilder::new(10).build()).await;
    let ids = join_all((0..5).map(|_| server.open(None))).await;
    assert_eq!(server.sessions.active_session_count().await, 5);
    for (left, id) in ids.iter().enumerate().map(|(closed, id)| (4 - closed, id)) {
        assert_eq!(server.delete(id).await, StatusCode::ACCEPTED);
        assert_eq!(server.sessions.active_session_count().await, left);
        assert_eq!(server.echo(id).await, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_rate_is_limited_and_evicts_nobody() {
    let manager = BoundedSessionManager::new(SessionConfig::default(), 2)
        .with_rate_limit(2, Duration::from_secs(60));
    let server: Server<BoundedSessionManager> = Server::serve(manager).await;
    let ids = [server.open(None).await, server.open(None).await];
    let refused = server.ask(None).await;
    refused.is_refused_for(StatusCode::TOO_MANY_REQUESTS);
    for id in &ids {
        assert_eq!(server.echo(id).await, StatusCode::OK);
    }
    let error = server.sessions.create_session().await.map(drop).unwrap_err();
    assert!(matches!(error, BoundedSessionError::RateLimited));
    assert_eq!(error.to_string(), "session creation rate limit exceeded");
}

#[tokio::test]
async fn without_a_layer_a_refusal_is_rmcps_500() {
    let manager = BoundedSessionManagerBuilder::new(2).rate_limit(1, Duration::from_secs(60));
    let server: Server<BoundedSessionManager> =
        Server::serve_in(manager.build(), Default::default(), None).await;
    server.open(None).await;
    let refused = server.ask(None).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(refused.body.contains("session creation rate limit exceeded"), "{}", refused.body);
}

#[tokio::test]
async fn idle_and_old_sessions_end() {
    let config = keeps_alive(Duration::from_secs(300));
    let idle = BoundedSessionManagerBuilder::new(10)
        .session_config(config)
        .idle_timeout(Duration::from_millis(300))
        .build();
    let old =
        BoundedSessionManagerBuilder::new(10).max_lifetime(Duration::from_millis(300)).build();
    for (manager, reason) in [(idle, "Closed"), (old, "MaxLifetime")] {
        let server: Server<BoundedSessionManager> = Server::serve(manager).await;
        let id = server.open(None).await;
        let ends = async {
            while server.sessions.active_session_count().await > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ends).await.expect("it ends");
        eventually("it is told", || !events::of("session closed", &id).is_empty()).await;
        let told = events::of("session closed", &id);
        assert!(told[0].contains(&format!("reason={reason}")), "{told:?}");
        assert_eq!(server.echo(&id).await, StatusCode::NOT_FOUND);
    }
}

#[test]
fn reasons_have_their_texts() {
    for (reason, text) in [
        (CloseReason::Evicted, "Evicted"),
        (CloseReason::MaxLifetime, "MaxLifetime"),
        (CloseReason::Closed, "Closed"),
    ] {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn nothing_is_not_a_limit() {
    let zero = |make: fn()| std::panic::catch_unwind(make).expect_err("it panics");
    let text = |panic: Box<dyn std::any::Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(other) => other.downcast::<&str>().expect("a text").to_string(),
    };
    let sessions = "max_sessions must be at least 1, got 0";
    let creates = "max_creates must be at least 1; pass no rate limit instead of 0";
    let makes: [(&str, fn()); 4] = [
        (sessions, || drop(BoundedSessionManager::new(SessionConfig::default(), 0))),
        (sessions, || _ = BoundedSessionManagerBuilder::new(0)),
        (creates, || _ = BoundedSessionManagerBuilder::new(1).rate_limit(0, Duration::MAX)),
        (creates, || {
            let manager = BoundedSessionManager::new(SessionConfig::default(), 1);
            drop(manager.with_rate_limit(0, Duration::MAX));
        }),
    ];
    for (says, make) in makes {
        assert_eq!(text(zero(make)), says);
    }
}

#[test]
fn the_longest_and_the_shortest_are_fine() {
    for duration in [Duration::ZERO, Duration::MAX] {
        drop(
            BoundedSessionManagerBuilder::new(usize::MAX)
                .idle_timeout(duration)
                .max_lifetime(duration)
                .rate_limit(1, duration)
                .build(),
        );
    }
}

#[tokio::test]
async fn events_say_what_happened_once() {
    let manager = BoundedSessionManagerBuilder::new(1).build();
    let server: Server<BoundedSessionManager> = Server::serve(manager).await;
    let (evicted, closed) = (server.open(Some("alice")).await, server.open(None).await);
    server.delete(&closed).await;
    for (id, reason) in [(&evicted, "Evicted"), (&closed, "Closed")] {
        let told = |message: &str| events::of(message, id);
        eventually("its end is told of", || !told("session closed").is_empty()).await;
        let (created, closed) = (told("session created"), told("session closed"));
        assert_eq!((created.len(), closed.len()), (1, 1), "{created:?} {closed:?}");
        assert!(closed[0].contains(&format!("reason={reason}")), "{closed:?}");
        assert!(closed[0].contains("duration_secs="), "{closed:?}");
        assert!(!created[0].contains("alice") && !closed[0].contains("alice"));
    }
}

#[test]
fn a_warning_of_unbounded_calls_names_what_this_manager_takes() {
    events::record();
    assert!(BoundedSessionManagerBuilder::new(1).build().event_store().is_none());
    let text = "calls of clients without sessions are served and not bounded: bound them by a \
                GateLayer with carries_no_session; \
                BoundedSessionManagerBuilder::calls_bounded_elsewhere says that they are";
    // Other tests are told it too.
    assert!(!events::of(text, "").is_empty());
}
