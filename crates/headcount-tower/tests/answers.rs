//! What a client is told that was refused.

mod support;

use bytes::Bytes;
use headcount::{CloseReason, Gate, Limit, Rejected};
use headcount_tower::{Answers, BadSubject, Refusal, RetryAfter};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use support::{MS, TestGate, builder};

fn refused(gate: &TestGate, subject: &str) -> Rejected {
    gate.admit(Some(subject), 0).unwrap_err()
}

/// Each refusal that a gate can be brought to, with its status and the seconds.
fn refusals() -> Vec<(Refusal, u16, Option<u64>)> {
    let mut all = Vec::new();
    let mut add = |refusal: Refusal, status, secs| all.push((refusal, status, secs));

    let (full, _clock) = builder(1);
    let full = full.idle_timeout(2500 * MS).max_subject_len(9).build().unwrap();
    let only = full.admit(Some("alice"), 0).unwrap();
    add(refused(&full, "bob").into(), 503, Some(3));
    full.set_limit(Limit::at_most(9)).unwrap();
    full.set_subject_limit(Limit::at_most(1));
    add(refused(&full, "alice").into(), 429, Some(1));
    add(refused(&full, "alice and bob").into(), 400, None);
    full.close_all(CloseReason::Shutdown);
    add(refused(&full, "bob").into(), 503, Some(5));
    drop(only);

    let (rated, _clock) = builder(9);
    let rated = rated.rate(1, 61_000 * MS).build().unwrap();
    drop(rated.admit(Some("alice"), 0).unwrap());
    add(refused(&rated, "bob").into(), 429, Some(61));

    for bad in [BadSubject::Missing, BadSubject::Repeated, BadSubject::Empty, BadSubject::Malformed]
    {
        add(bad.into(), 400, None);
    }
    all
}

fn header(headers: &HeaderMap, name: http::HeaderName) -> &str {
    headers[name].to_str().unwrap()
}

#[test]
fn each_refusal_has_its_status_and_says_when_to_come_back() {
    for (refusal, status, secs) in refusals() {
        assert_eq!((refusal.status().as_u16(), refusal.retry_after_secs()), (status, secs));
        for answers in [Answers::problem_json(), Answers::json_rpc()] {
            let answer = answers.retry_after(RetryAfter::exact()).answer(&refusal);
            let told = answer.headers().get(RETRY_AFTER).map(|secs| secs.to_str().unwrap());
            assert_eq!(answer.status(), status, "{refusal:?}");
            assert_eq!(told, secs.map(|secs| secs.to_string()).as_deref(), "{refusal:?}");
            assert_eq!(header(answer.headers(), CACHE_CONTROL), "no-store");
        }
    }
}

#[test]
fn problems_are_problem_details() {
    for (refusal, status, _) in refusals() {
        let answer = Answers::default().answer(&refusal);
        assert_eq!(header(answer.headers(), CONTENT_TYPE), "application/problem+json");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        let title = refusal.status().canonical_reason();
        assert_eq!(body["type"], "about:blank");
        assert_eq!((&body["title"], &body["status"]), (&json!(title), &json!(status)));
        assert!(body["detail"].as_str().unwrap().ends_with('.'));
        assert_eq!(body.as_object().unwrap().len(), 4);
    }
}

#[test]
fn the_json_rpc_form_of_a_full_server_is_that_of_the_protocol() {
    let answer = Answers::json_rpc().answer(&refusals()[0].0);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.body(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Maximum concurrent sessions exceeded. Please try again later or contact administrator."}}"#
    );
}

#[test]
fn all_json_rpc_errors_have_one_shape() {
    let mut messages = Vec::new();
    for (refusal, ..) in refusals() {
        let answer = Answers::json_rpc().answer(&refusal);
        assert_eq!(header(answer.headers(), CONTENT_TYPE), "application/json");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        let message = body["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(
            body,
            json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32000, "message": message } })
        );
        messages.push(message);
    }
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), 5, "one for all 400, and one for each other cause");
}

/// Nothing that a client could learn of others, or of itself.
#[test]
fn bodies_name_no_count_no_limit_and_no_subject() {
    for (refusal, status, _) in refusals() {
        for answers in [Answers::problem_json(), Answers::json_rpc()] {
            let body = String::from_utf8(answers.answer(&refusal).body().to_vec()).unwrap();
            let rest = body.replace(&status.to_string(), "").replace("-32000", "");
            let rest = rest.replace(r#""jsonrpc":"2.0""#, "");
            assert!(!rest.contains(|c: char| c.is_ascii_digit()), "{body}");
            assert!(!rest.contains("alice") && !rest.contains("bob"), "{body}");
        }
        let shown = format!("{refusal}");
        assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
    }
}

#[test]
fn a_function_answers_as_it_likes_and_the_rest_is_added() {
    let plain = Answers::with(|refusal| {
        Response::builder().status(418).body(Bytes::from(refusal.to_string())).unwrap()
    });
    let plain = plain.retry_after(RetryAfter::exact());
    let answer = plain.answer(&refusals()[0].0);
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (418, b"at capacity".as_ref()));
    assert_eq!(header(answer.headers(), RETRY_AFTER), "3");
    assert_eq!(header(answer.headers(), CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(header(answer.headers(), CACHE_CONTROL), "no-store");

    let of_its_own = Answers::with(|_| {
        Response::builder()
            .header(RETRY_AFTER, "77")
            .header(CONTENT_TYPE, "text/html")
            .header(CACHE_CONTROL, "private")
            .body(Bytes::new())
            .unwrap()
    });
    let answer = of_its_own.answer(&refusals()[0].0);
    for (name, value) in
        [(RETRY_AFTER, "77"), (CONTENT_TYPE, "text/html"), (CACHE_CONTROL, "private")]
    {
        let all: Vec<_> = answer.headers().get_all(name).iter().collect();
        assert_eq!(all, [value]);
    }
    let malformed = of_its_own.answer(&BadSubject::Missing.into());
    assert_eq!(header(malformed.headers(), RETRY_AFTER), "77");
    assert!(!plain.answer(&BadSubject::Missing.into()).headers().contains_key(RETRY_AFTER));
}

#[test]
fn a_refusal_is_an_error_with_its_own_text() {
    let gate: Gate<u64> = Gate::builder().limit(Limit::at_most(1)).build().unwrap();
    let _only = gate.admit(Some(&1), ()).unwrap();
    let refusal = Refusal::from(gate.admit(Some(&2), ()).unwrap_err());
    let error: Box<dyn std::error::Error> = refusal.into();
    assert_eq!(error.to_string(), "at capacity");
}
