//! The handler, asked directly: what it answers to whom, and what it counts.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::*;
use crate::subject::HEADER;
use crate::ways::{AddThenUndo, CheckThenAdd, Exact, Limits};

/// Three in all, one of each subject; nothing is awaited.
fn app<W: Way>() -> Arc<App<W>> {
    let way = W::with_limits(Limits { global: 3, per_subject: 1 });
    Arc::new(App { way, registry: Registry::new(), setup: Duration::ZERO })
}

/// An answer keeps its session open until it is dropped.
async fn ask<W: Way>(app: &Arc<App<W>>, client: Option<&[u8]>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(client) = client {
        headers.insert(HEADER, HeaderValue::from_bytes(client).expect("a legal header"));
    }
    open_session(State(Arc::clone(app)), RawQuery(Some("1000".to_owned())), headers).await
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
