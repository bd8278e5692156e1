//! What happened to others, where no HTTP is needed for it: the manager as
//! rmcp uses it, over a manager that a test can stop at each step.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use crate::support::inner::{Deaf, Slow};
use crate::support::{Sessions, Time, at_most, eventually, gate};
use headcount::{CapacityPolicy, Cause, CloseReason, Limit};
use headcount_rmcp::{GuardError, GuardedSessions, McpLayer, Rules, Unidentified};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::{
    EventStore, EventStoreError, EventStream, RestoreOutcome, ServerSseMessage, SessionId,
    SessionManager,
};
use tokio::task::yield_now;
use tower_layer::Layer;
use tower_service::Service;

#[tokio::test]
async fn who_hears_nothing_any_more_ends_all_the_same() {
    let (_, gate) = at_most(2);
    let sessions = GuardedSessions::new(Deaf::default(), gate);
    let mut served = Vec::new();
    for _ in 0..2 {
        let (id, mut transport) = sessions.create_session().await.unwrap();
        let serves = tokio::spawn(async move {
            assert!(transport.receive().await.is_none(), "there is nothing to receive");
            transport.close().await.expect("it is given up");
        });
        served.push((id, serves));
    }
    let (id, serves) = served.pop().unwrap();
    sessions.close_session(&id).await.expect("it is given up");
    serves.await.expect("it ends");
    assert_eq!(sessions.gate().in_use(), 1);
    // The other by its init timeout, then everything.
    sessions.gate().clock().advance(10_001);
    assert_eq!(sessions.reap(), 1);
    served.pop().unwrap().1.await.expect("it ends");
    tokio::time::timeout(crate::support::LONG, sessions.shutdown()).await.expect("all leave");
    is_empty(&sessions).await;
}

/// Opens a session that is closed before its `initialize` gets to it, and answers
/// as rmcp does.
struct Interrupted(Arc<Sessions>);

impl Service<http::Request<()>> for Interrupted {
    type Response = http::Response<String>;
    type Error = std::convert::Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<()>) -> Self::Future {
        let sessions = Arc::clone(&self.0);
        Box::pin(async move {
            let (id, transport) = sessions.create_session().await.expect("there is room");
            sessions.close_session(&id).await.expect("it is there");
            let message = serde_json::from_value(crate::support::initialize()).expect("a message");
            let error = sessions.initialize_session(&id, message).await.unwrap_err();
            drop(transport);
            let answer = http::Response::builder().status(500).body(error.to_string());
            Ok(answer.expect("an answer"))
        })
    }
}

#[tokio::test]
async fn who_loses_a_session_while_opening_it_is_told_to_come_back() {
    let (_, gate) = at_most(1);
    let sessions = Arc::new(Sessions::local(gate));
    let mut service = McpLayer::new().layer(Interrupted(Arc::clone(&sessions)));
    let answer = service.call(http::Request::new(())).await.expect("an answer");
    // Not 404, by which clients would take this for a server of another kind.
    assert_eq!(answer.status(), http::StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()[http::header::RETRY_AFTER], "1");
    is_empty(&sessions).await;
}

/// Stores nothing, and knows nothing.
struct NoEvents;

#[async_trait::async_trait]
impl EventStore for NoEvents {
    async fn store_event(&self, _: &str, _: &ServerSseMessage) -> Result<String, EventStoreError> {
        Err("there is no room".into())
    }

    async fn replay_events_after(&self, _: &str) -> Result<EventStream, EventStoreError> {
        Ok(Box::pin(futures::stream::empty()))
    }
}

#[test]
fn the_inner_event_store_is_the_one_that_rmcp_gets() {
    let (_, gate) = at_most(1);
    let store: Arc<dyn EventStore> = Arc::new(NoEvents);
    let inner = LocalSessionManager::default().with_event_store(Arc::clone(&store));
    let sessions = GuardedSessions::new(inner, gate.clone());
    assert!(sessions.event_store().is_some_and(|given| Arc::ptr_eq(&given, &store)));
    assert!(Sessions::local(gate).event_store().is_none());
}

#[tokio::test]
async fn two_managers_may_share_a_gate() {
    let (_, gate) = at_most(2);
    let (one, other) = (Sessions::local(gate.clone()), Sessions::local(gate.clone()));
    let (_, kept) = one.create_session().await.unwrap();
    let (id, mut transport) = other.create_session().await.unwrap();
    assert!(one.create_session().await.is_err(), "there is one cap");
    let serves = tokio::spawn(async move { transport.receive().await.is_none() });
    // One manager is told of the end of the other's session.
    gate.clock().advance(10_001);
    assert_eq!(one.reap(), 2);
    assert!(serves.await.expect("it ends"));
    assert!(!other.has_session(&id).await.unwrap());
    drop(kept);
    is_empty(&one).await;
    for sessions in [one, other] {
        tokio::time::timeout(crate::support::LONG, sessions.shutdown()).await.expect("all left");
        assert!(sessions.inner().sessions.read().await.is_empty());
    }
}

#[tokio::test]
async fn a_gate_may_be_driven_from_any_thread() {
    let (_, gate) = at_most(1);
    let sessions = Arc::new(Sessions::local(gate));
    let (_, mut transport) = sessions.create_session().await.unwrap();
    let serves = tokio::spawn(async move { transport.receive().await.is_none() });
    sessions.gate().clock().advance(10_001);
    let reaps = Arc::clone(&sessions);
    let reaped = std::thread::spawn(move || reaps.reap()).join().expect("it does not panic");
    assert_eq!(reaped, 1);
    assert!(serves.await.expect("it ends"));
    tokio::time::timeout(crate::support::LONG, sessions.shutdown()).await.expect("it has left");
    assert!(sessions.inner().sessions.read().await.is_empty());
}

#[tokio::test]
async fn shutdown_waits_for_sessions_that_are_being_made() {
    let (_, gate) = at_most(1);
    let sessions = GuardedSessions::new(Slow { before: 2, ..Slow::default() }, gate);
    let mut creates = Box::pin(sessions.create_session());
    assert!(futures::poll!(&mut creates).is_pending());
    let mut shuts = Box::pin(sessions.shutdown());
    for _ in 0..5 {
        assert!(futures::poll!(&mut shuts).is_pending());
        yield_now().await;
    }
    let error = creates.await.map(drop).unwrap_err();
    assert!(matches!(error, GuardError::Refused(refused) if refused.cause() == Cause::ShutDown));
    tokio::time::timeout(crate::support::LONG, shuts).await.expect("none is being made");
    is_empty(&sessions).await;
}

#[test]
fn timeouts_hold_on_the_next_runtime_too() {
    let (_, gate) = at_most(1);
    let sessions = Sessions::local(gate);
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_, mut transport) = sessions.create_session().await.unwrap();
            let serves = tokio::spawn(async move { transport.receive().await.is_none() });
            sessions.gate().clock().advance(10_001);
            // Not by hand: by the task, which looks when a setting changes.
            let timeout = std::time::Duration::from_secs(10);
            sessions.gate().set_init_timeout(Some(timeout)).expect("it is what it was");
            assert!(serves.await.expect("it ends"));
        });
        drop(runtime);
        assert_eq!(sessions.gate().in_use(), 0);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(crate::support::LONG, sessions.shutdown())
            .await
            .expect("none is left");
    });
}

/// All is back.
async fn is_empty<M: SessionManager>(sessions: &GuardedSessions<M, Time>) {
    let gate = sessions.gate();
    let counts = || (gate.in_use(), gate.stats().draining, gate.subjects(), gate.candidates());
    eventually("all counts are 0", || counts() == (0, 0, 0, 0)).await;
}

#[tokio::test]
async fn cancel_everywhere() {
    for polls in 0..8 {
        let time = Time::default();
        let gate = gate(&time).limit(Limit::at_most(1)).rate(1, std::time::Duration::from_secs(60));
        let slow = Slow { before: 3, after: 3, ..Slow::default() };
        let sessions = GuardedSessions::new(slow, gate.build().unwrap());
        let mut creates = Box::pin(sessions.create_session());
        let mut made = false;
        for _ in 0..polls {
            made = made || futures::poll!(&mut creates).is_ready();
        }
        drop(creates);
        assert_eq!(made, polls > 6, "it awaits six times");
        is_empty(&sessions).await;
        eventually("nothing is left inside", || {
            sessions.inner().inner.sessions.try_read().is_ok_and(|inner| inner.is_empty())
        })
        .await;
        // The place in the rate window came back too, unless there was a session.
        let again = sessions.create_session().await;
        assert_eq!(again.is_ok(), !made);
    }
}

#[tokio::test]
async fn what_fails_inside_takes_nothing() {
    let (_, gate) = at_most(1);
    let sessions = GuardedSessions::new(Slow { fails: true, ..Slow::default() }, gate);
    for _ in 0..3 {
        let error = sessions.create_session().await.unwrap_err();
        assert!(matches!(error, GuardError::Inner(_)), "{error}");
    }
    assert_eq!(sessions.gate().stats().rejected(Cause::AtCapacity), 0);
    is_empty(&sessions).await;
}

#[tokio::test]
async fn panic_everywhere() {
    let (_, gate) = at_most(1);
    let slow = Slow { panics: true, before: 1, ..Slow::default() };
    let sessions = Arc::new(GuardedSessions::new(slow, gate));
    let creates = Arc::clone(&sessions);
    let panicked = tokio::spawn(async move { _ = creates.create_session().await }).await;
    assert!(panicked.unwrap_err().is_panic());
    is_empty(&sessions).await;
}

#[tokio::test]
async fn a_transport_that_nobody_serves_leaves_nothing() {
    let (_, gate) = at_most(1);
    let sessions = Sessions::local(gate);
    let (id, transport) = sessions.create_session().await.unwrap();
    assert!(sessions.has_session(&id).await.unwrap());
    drop(transport);
    assert_eq!(sessions.gate().in_use(), 0);
    assert!(!sessions.has_session(&id).await.unwrap());
    eventually("the inner entry is gone", || {
        sessions.inner().sessions.try_read().is_ok_and(|inner| inner.is_empty())
    })
    .await;
    assert_eq!(sessions.gate().stats().ended(CloseReason::Released), 1);
}

#[tokio::test]
async fn double_close() {
    let (_, gate) = at_most(2);
    let sessions = Sessions::local(gate);
    let (id, transport) = sessions.create_session().await.unwrap();
    let (_other, _kept) = sessions.create_session().await.unwrap();
    for _ in 0..3 {
        sessions.close_session(&id).await.unwrap();
    }
    // Its transport has its slot, not who closes it.
    assert_eq!(sessions.gate().in_use(), 2);
    drop(transport);
    sessions.close_session(&id).await.unwrap();
    assert_eq!(sessions.gate().in_use(), 1);
    sessions.close_session(&"unknown".into()).await.unwrap();
    assert_eq!(sessions.gate().in_use(), 1);
}

#[tokio::test]
async fn a_close_is_done_when_the_slot_is_free_or_after_a_second() {
    let (_, gate) = at_most(1);
    let sessions = Sessions::local(gate);
    let (id, transport) = sessions.create_session().await.unwrap();
    let mut closes = Box::pin(sessions.close_session(&id));
    for _ in 0..100 {
        assert!(futures::poll!(&mut closes).is_pending(), "its transport lives");
        yield_now().await;
    }
    drop(transport);
    closes.await.unwrap();
    assert_eq!(sessions.gate().in_use(), 0);

    let (id, _kept) = sessions.create_session().await.unwrap();
    let closes = sessions.close_session(&id);
    tokio::time::timeout(crate::support::LONG, closes).await.expect("it gives up").unwrap();
    assert_eq!(sessions.gate().in_use(), 1);
}

#[tokio::test]
async fn resurrect() {
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(1)).at_capacity(CapacityPolicy::EvictOldest);
    let slow = Slow { before: 2, ..Slow::default() };
    let sessions = GuardedSessions::new(slow, gate.build().unwrap());
    let id: SessionId = "restored".into();
    let restored = |outcome| match outcome {
        RestoreOutcome::Restored(transport) => transport,
        other => panic!("{other:?}"),
    };

    // Two restores at once: one session.
    let (one, other) =
        tokio::join!(sessions.restore_session(id.clone()), sessions.restore_session(id.clone()));
    let transport = match (one, other) {
        (Ok(RestoreOutcome::Restored(transport)), Err(GuardError::Refused(_))) => transport,
        other => panic!("{other:?}"),
    };
    assert_eq!((sessions.gate().in_use(), sessions.active()), (1, 1));
    assert!(matches!(
        sessions.restore_session(id.clone()).await,
        Ok(RestoreOutcome::AlreadyPresent)
    ));

    // Closed, and its transport lives: not restored beside it.
    sessions.close_session(&id).await.unwrap();
    assert!(!sessions.has_session(&id).await.unwrap());
    assert!(matches!(sessions.restore_session(id.clone()).await, Ok(RestoreOutcome::NotSupported)));
    assert_eq!(sessions.gate().in_use(), 1);
    drop(transport);
    is_empty(&sessions).await;

    // Gone, so restored, and counted like any other.
    let mut outcome = RestoreOutcome::NotSupported;
    while matches!(outcome, RestoreOutcome::NotSupported) {
        yield_now().await;
        outcome = sessions.restore_session(id.clone()).await.unwrap();
    }
    let transport = restored(outcome);
    assert!(sessions.has_session(&id).await.unwrap());
    assert_eq!(sessions.gate().in_use(), 1);
    let full = sessions.create_session().await.unwrap_err();
    assert!(matches!(full, GuardError::Refused(_)), "it is pending: {full}");
    drop(transport);
    is_empty(&sessions).await;
}

#[tokio::test]
async fn server_shutdown() {
    let (_, gate) = at_most(4);
    let sessions = Sessions::local(gate);
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(sessions.create_session().await.unwrap());
    }
    let mut waits = Box::pin(sessions.shutdown());
    for _ in 0..5 {
        assert!(futures::poll!(&mut waits).is_pending(), "their transports live");
        yield_now().await;
    }
    kept.clear();
    tokio::time::timeout(crate::support::LONG, waits).await.expect("all have left");
    is_empty(&sessions).await;
    let error = sessions.create_session().await.unwrap_err();
    assert!(matches!(error, GuardError::Refused(refused) if refused.cause() == Cause::ShutDown));
    assert_eq!(sessions.gate().stats().ended(CloseReason::Shutdown), 4);
}

#[tokio::test]
async fn who_is_not_known_is_refused_if_so_wanted() {
    let (_, gate) = at_most(4);
    let rules = Rules::default().unidentified(Unidentified::Refuse);
    let sessions = GuardedSessions::with_rules(Slow::default(), gate, rules);
    let error = sessions.create_session().await.unwrap_err();
    assert!(matches!(error, GuardError::Unidentified), "{error}");
    assert_eq!(sessions.inner().created.load(Relaxed), 0);
    is_empty(&sessions).await;
}
