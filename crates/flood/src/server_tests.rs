//! The handler, asked directly: what it answers to whom, and what it counts.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use http_body_util::BodyExt;

use super::*;
use crate::subject::HEADER;
use crate::ways::{AddThenUndo, CheckThenAdd, End, Exact, Limits, Policy, Rules};

/// Three in all, one of each subject; nothing is awaited.
fn app<W: Way>() -> Arc<App<W>> {
    app_under(Policy::Reject)
}

/// The same, under a policy; quiet sessions are not ended for an hour.
fn app_under<W: Way>(policy: Policy) -> Arc<App<W>> {
    let limits = Limits { global: 3, per_subject: 1 };
    let rules = Rules { limits, policy, idle_timeout: Duration::from_secs(3_600) };
    let way = W::under(rules).expect("legal rules");
    Arc::new(App { way, registry: Registry::new(), setup: Duration::ZERO })
}

/// An answer keeps its session open until it is dropped.
async fn ask<W: Way>(app: &Arc<App<W>>, client: Option<&[u8]>) -> Response {
    ask_to(app, client, "1000").await
}

async fn ask_to<W: Way>(app: &Arc<App<W>>, client: Option<&[u8]>, stay: &str) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(client) = client {
        headers.insert(HEADER, HeaderValue::from_bytes(client).expect("a legal header"));
    }
    open_session(State(Arc::clone(app)), RawQuery(Some(stay.to_owned())), headers).await
}

async fn a_client_without_a_subject_is_counted_globally_alone<W: Way>() {
    let app = app::<W>();
    let first = ask(&app, None).await;
    let second = ask(&app, None).await;
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!((app.way.in_use(), app.way.subjects()), (2, 0));
    let named = ask(&app, Some(b"alice")).await;
    assert_eq!(named.status(), StatusCode::OK);
    assert_eq!((app.way.in_use(), app.way.subjects()), (3, 1));
    assert_eq!(ask(&app, None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop((first, second, named));
    assert_eq!((app.way.in_use(), app.registry.open()), (0, 0));
}

#[tokio::test]
async fn an_anonymous_client_is_exempt_from_the_subjects_limit_in_every_way() {
    a_client_without_a_subject_is_counted_globally_alone::<Exact>().await;
    a_client_without_a_subject_is_counted_globally_alone::<CheckThenAdd>().await;
    a_client_without_a_subject_is_counted_globally_alone::<AddThenUndo>().await;
}

async fn each_limit_has_its_own_answer<W: Way>() {
    let app = app::<W>();
    let mut open = vec![ask(&app, Some(b"alice")).await];
    let refused = ask(&app, Some(b"alice")).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], RETRY_AFTER);
    open.push(ask(&app, Some(b"bob")).await);
    open.push(ask(&app, Some(b"carol")).await);
    let refused = ask(&app, Some(b"dave")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], RETRY_AFTER);
    assert_eq!(ask(&app, Some(b"alice")).await.status(), StatusCode::TOO_MANY_REQUESTS);
    open.clear();
    assert_eq!(ask(&app, Some(b"alice")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_subject_at_its_limit_is_told_429_and_a_full_server_503_in_every_way() {
    each_limit_has_its_own_answer::<Exact>().await;
    each_limit_has_its_own_answer::<CheckThenAdd>().await;
    each_limit_has_its_own_answer::<AddThenUndo>().await;
}

#[tokio::test]
async fn a_malformed_name_is_told_400_and_counted_nowhere() {
    let app = app::<Exact>();
    let too_long = [b'x'; Subject::LONGEST as usize + 1];
    for name in [&too_long[..], b"tenant-\xff", "tenant-\u{e9}".as_bytes(), b"", b"a b"] {
        let answer = ask(&app, Some(name)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{name:?}");
        assert_eq!((app.way.in_use(), app.way.subjects(), app.registry.open()), (0, 0, 0));
    }
    let history = app.registry.take_history();
    assert!(history.stays.is_empty() && history.refusals.is_empty(), "{history:?}");
}

#[tokio::test]
async fn the_longest_name_is_one_that_the_exact_map_stores() {
    let app = app::<Exact>();
    let longest = [b'x'; Subject::LONGEST as usize];
    let open = ask(&app, Some(&longest)).await;
    assert_eq!((open.status(), app.way.subjects()), (StatusCode::OK, 1));
    drop(open);
    assert_eq!(app.way.subjects(), 0);
}

#[tokio::test]
async fn a_hand_written_map_keeps_the_entries_of_subjects_that_left() {
    let app = app::<AddThenUndo>();
    for name in [b"alice", b"bobby"] {
        drop(ask(&app, Some(name)).await);
    }
    assert_eq!((app.registry.open(), app.way.subjects()), (0, 2));
}

/// Opens a session that is quiet when this returns.
async fn quiet<W: Way>(app: &Arc<App<W>>, client: &[u8]) -> Body {
    let mut body = ask_to(app, Some(client), "quiet").await.into_body();
    let greeting = body.frame().await.expect("a greeting").expect("no error");
    assert_eq!(greeting.into_data().expect("it is data"), "open\n");
    assert!(!has_ended(&mut body).await);
    body
}

/// Whether a body has come to its end by now.
async fn has_ended(body: &mut Body) -> bool {
    tokio::select! {
        biased;
        frame = body.frame() => { assert!(frame.is_none(), "it says no more"); true }
        () = std::future::ready(()) => false,
    }
}

/// Three quiet sessions; then a fourth is let in when `dave` may evict.
async fn one_of_three_quiet_sessions_makes_room(policy: Policy) {
    let app = app_under::<Exact>(policy);
    let mut bodies = Vec::new();
    for client in [b"alice", b"bobby", b"carol"] {
        bodies.push(quiet(&app, client).await);
    }
    let dave = loop {
        let answer = ask(&app, Some(b"dave")).await;
        match answer.status() {
            StatusCode::OK => break answer,
            // The floor of the policy; it passes by itself.
            status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
        }
        tokio::task::yield_now().await;
    };
    assert!(bodies[0].frame().await.is_none(), "the body of the evicted session ends");
    assert!(!has_ended(&mut bodies[1]).await && !has_ended(&mut bodies[2]).await);
    assert_eq!((app.way.in_use(), app.way.subjects(), app.registry.open()), (3, 3, 3));
    drop((dave, bodies));
    assert_eq!((app.way.in_use(), app.way.subjects(), app.registry.open()), (0, 0, 0));
    let history = app.registry.take_history();
    assert_eq!((history.ended_by(End::Evicted), history.ended_while_busy()), (1, 0));
    let verdict = history.judge(Limits { global: 3, per_subject: 1 });
    assert_eq!((verdict.peak(), app.registry.peak(), verdict.spurious.len()), (3, 1, 0));
}

#[tokio::test]
async fn the_oldest_or_the_longest_idle_of_the_quiet_makes_room_for_a_newcomer() {
    one_of_three_quiet_sessions_makes_room(Policy::EvictOldest).await;
    one_of_three_quiet_sessions_makes_room(Policy::EvictIdle).await;
}

#[tokio::test]
async fn nobody_who_is_busy_makes_room() {
    for policy in [Policy::Reject, Policy::EvictIdle, Policy::EvictOldest] {
        let app = app_under::<Exact>(policy);
        let mut open = Vec::new();
        for client in [b"alice", b"bobby", b"carol"] {
            open.push(ask(&app, Some(client)).await);
        }
        let refused = ask(&app, Some(b"dave")).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE, "{policy:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_quiet_for_its_timeout_ends_and_its_slots_are_free() {
    let limits = Limits { global: 1, per_subject: 1 };
    let idle_timeout = Duration::from_millis(1);
    let way = Exact::under(Rules { limits, policy: Policy::Reject, idle_timeout });
    let way = way.expect("legal rules");
    let app = Arc::new(App { way, registry: Registry::new(), setup: Duration::ZERO });
    let answer = ask_to(&app, Some(b"alice"), "quiet").await;
    let body = answer.into_body().collect().await.expect("no error").to_bytes();
    assert_eq!(body, "open\n");
    assert_eq!((app.way.in_use(), app.way.subjects(), app.registry.open()), (0, 0, 0));
    assert_eq!(app.registry.take_history().ended_by(End::Idle), 1);
}

#[tokio::test]
async fn a_hand_written_way_keeps_a_quiet_session_until_its_client_leaves() {
    let app = app_under::<AddThenUndo>(Policy::EvictOldest);
    let mut bodies = Vec::new();
    for client in [b"alice", b"bobby", b"carol"] {
        bodies.push(quiet(&app, client).await);
    }
    assert_eq!(ask(&app, Some(b"dave")).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!has_ended(&mut bodies[0]).await);
    bodies.clear();
    assert_eq!((app.way.in_use(), app.registry.open()), (0, 0));
}
