//! The decision, and what the layer does around an inner service.

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use headcount::{CapacityPolicy, CloseReason, Limit};
use headcount_tower::{Answers, BadSubject, GateBody, GateLayer, OpenError, Refusal, Subjects};
use http::{HeaderName, Method, StatusCode};
use support::{Admission, BoxError, Request, Response, TestGate, assert_empty, builder, gate};
use support::{empty, poll_once};
use tower::{Layer, Service, ServiceExt, service_fn};

const X_CLIENT: HeaderName = HeaderName::from_static("x-client");

fn post(client: &str) -> Request {
    Request::post("/").header(X_CLIENT, client).body(empty()).unwrap()
}

fn get(client: &str) -> Request {
    Request::get("/").header(X_CLIENT, client).body(empty()).unwrap()
}

fn opens(parts: &http::request::Parts) -> bool {
    parts.method == Method::POST
}

fn named(layer: GateLayer<String, u32, support::Clock>) -> GateLayer<String, u32, support::Clock> {
    layer.subjects(Subjects::header(X_CLIENT))
}

/// One answer of a handler that is always ready.
fn ask(
    layer: &GateLayer<String, u32, support::Clock>,
    request: Request,
    mut handler: impl FnMut(Request) -> Result<Response, BoxError>,
) -> Result<Response<GateBody<support::Body>>, BoxError> {
    let service = layer.layer(service_fn(|request| ready(handler(request))));
    match poll_once(pin!(service.oneshot(request))) {
        Poll::Ready(response) => response,
        Poll::Pending => panic!("pending"),
    }
}

fn ok(_: Request) -> Result<Response, BoxError> {
    Ok(Response::new(empty()))
}

fn admission(request: &Request) -> Option<Admission> {
    request.extensions().get().cloned()
}

/// Ready when it is told, and called never before.
#[derive(Clone, Default)]
struct Picky {
    is_ready: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
    saw_itself_ready: bool,
}

impl Service<Request> for Picky {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.saw_itself_ready = self.is_ready.load(Relaxed);
        if self.saw_itself_ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request) -> Self::Future {
        assert!(std::mem::take(&mut self.saw_itself_ready), "called before it was ready");
        self.calls.fetch_add(1, Relaxed);
        ready(Ok(Response::new(support::channel().1)))
    }
}

#[test]
fn the_layer_is_ready_when_the_inner_service_is_and_calls_the_one_that_was() {
    let (gate, picky) = (gate(1), Picky::default());
    let mut service = GateLayer::requests(gate.clone()).layer(picky.clone());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Service::<Request>::poll_ready(&mut service, &mut cx).is_pending());
    picky.is_ready.store(true, Relaxed);
    assert!(Service::<Request>::poll_ready(&mut service, &mut cx).is_ready());
    let Poll::Ready(Ok(open)) = poll_once(pin!(service.call(get("a")))) else { panic!() };
    assert_eq!((open.status(), gate.in_use()), (StatusCode::OK, 1));

    assert!(Service::<Request>::poll_ready(&mut service, &mut cx).is_ready());
    let Poll::Ready(Ok(refused)) = poll_once(pin!(service.call(get("a")))) else { panic!() };
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(picky.calls.load(Relaxed), 1, "who is refused does not reach the service");
    // The one that was ready for who was refused is so for the next.
    drop(open);
    let Poll::Ready(Ok(next)) = poll_once(pin!(service.call(get("a")))) else { panic!() };
    assert_eq!(next.status(), StatusCode::OK);
}

#[test]
fn each_limit_has_its_own_status() {
    let gate = gate(3);
    let layer = named(GateLayer::requests(gate.clone()));
    let stream = |_| Ok(Response::new(support::channel().1));
    let open: Vec<_> = ["a", "a", "b"].map(|client| ask(&layer, get(client), stream)).into();
    assert!(open.iter().all(|open| open.as_ref().unwrap().status() == StatusCode::OK));
    assert_eq!((gate.in_use_by("a"), gate.in_use_by("b")), (2, 1));
    let status = |client| ask(&layer, get(client), stream).unwrap().status();
    assert_eq!(status("a"), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(status("b"), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(""), StatusCode::BAD_REQUEST);
    drop(open);
    assert_empty(&gate);
}

#[test]
fn an_error_of_the_inner_service_passes_and_holds_nothing() {
    let gate = gate(1);
    let took = |request: Request| {
        drop(admission(&request).map(|admission| admission.take().unwrap()));
        Err("broken".into())
    };
    for layer in [
        GateLayer::requests(gate.clone()),
        GateLayer::sessions(gate.clone(), opens),
        deferred(&gate),
    ] {
        assert_eq!(ask(&layer, post("a"), took).unwrap_err().to_string(), "broken");
        assert_empty(&gate);
    }
}

fn deferred(gate: &TestGate) -> GateLayer<String, u32, support::Clock> {
    GateLayer::deferred(gate.clone(), opens)
}

#[test]
fn a_tag_is_what_the_gate_knows_a_session_by() {
    let (builder, clock) = builder(1);
    let gate = builder.build().unwrap();
    let layer = GateLayer::sessions(gate.clone(), opens).tag(|parts| parts.headers.len() as u32);
    let mut kept = None;
    ask(&layer, post("a"), |request| {
        kept = admission(&request).and_then(|admission| admission.take()?.commit().ok());
        ok(request)
    })
    .unwrap();
    assert_eq!(kept.as_ref().map(|session| *session.tag()), Some(1));
    clock.advance(10);
    let ended = gate.expired().pop().unwrap();
    assert_eq!((ended.tag, ended.reason), (1, CloseReason::InitTimeout));
}

#[test]
fn what_is_not_concerned_passes_untouched_at_the_limit() {
    let gate = gate(1);
    let _only = gate.admit_anonymous(0).unwrap();
    let requests = GateLayer::requests_where(gate.clone(), opens);
    let counted = ask(&requests, post("a"), ok).unwrap();
    assert_eq!(counted.status(), StatusCode::SERVICE_UNAVAILABLE);
    for layer in [requests, GateLayer::sessions(gate.clone(), opens), deferred(&gate)] {
        let response = ask(&named(layer), get("not counted, so not read: \t"), |request| {
            assert!(admission(&request).is_none());
            ok(request)
        });
        assert_eq!(response.unwrap().status(), StatusCode::OK);
    }
    assert_eq!((gate.in_use(), gate.stats().admitted), (1, 1));
}

#[test]
fn room_is_taken_once_and_not_after_the_response() {
    let gate = gate(9);
    for layer in [GateLayer::sessions(gate.clone(), opens), deferred(&gate)] {
        let (mut kept, mut late) = (None, None);
        ask(&named(layer.clone()), post("a"), |request| {
            let admission = admission(&request).unwrap();
            kept = admission.clone().take();
            assert_eq!(admission.open().unwrap_err(), OpenError::Spent);
            assert!(admission.take().is_none());
            ok(request)
        })
        .unwrap();
        assert_eq!((gate.in_use(), gate.in_use_by("a")), (1, 1));
        drop(kept);

        ask(&layer, post("a"), |request| {
            late = admission(&request);
            ok(request)
        })
        .unwrap();
        assert_eq!(late.unwrap().open().unwrap_err(), OpenError::Spent);
        assert_empty(&gate);
    }
}

#[test]
fn a_deferred_refusal_is_answered_whatever_the_handler_returns() {
    let gate = gate(1);
    let _only = gate.admit_anonymous(0).unwrap();
    let layer = deferred(&gate).answers(Answers::json_rpc());
    for fails in [false, true] {
        let response = ask(&layer, post("a"), |request| {
            let admission = admission(&request).unwrap();
            let first = admission.open().unwrap_err();
            assert!(matches!(first, OpenError::Refused(Refusal::Rejected(_))));
            assert_eq!(admission.open().unwrap_err(), first, "it is decided once");
            if fails { Err("no session".into()) } else { ok(request) }
        });
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(response.headers()["content-type"], "application/json");
    }
    let mut stats = gate.stats();
    assert_eq!((stats.in_use, stats.admitted), (1, 1));
    ask(&layer, post("a"), ok).unwrap();
    stats = gate.stats();
    assert_eq!(stats.rejected(headcount::Cause::AtCapacity), 2, "who does not ask is not refused");
}

/// A refusal is final for all who ask at once.
#[test]
fn a_refusal_is_not_lost_between_two_who_ask() {
    let gate = gate(1);
    let response = ask(&deferred(&gate), post("a"), |request| {
        let admission = admission(&request).unwrap();
        let refusal = Refusal::from(BadSubject::Malformed);
        admission.refuse(refusal);
        let both = Barrier::new(2);
        let ask_often = || {
            both.wait();
            for _ in 0..200_000 {
                assert_eq!(admission.open().unwrap_err(), OpenError::Refused(refusal));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(ask_often);
            ask_often();
        });
        ok(request)
    });
    assert_eq!(response.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn a_commit_that_came_too_late_is_answered_as_a_refusal() {
    let gate = gate(1);
    let closed = gate.clone();
    let response = ask(&GateLayer::sessions(gate.clone(), opens), post("a"), |request| {
        let admission = admission(&request).unwrap();
        let room = admission.take().unwrap();
        closed.close_all(CloseReason::Shutdown);
        admission.refuse(room.commit().unwrap_err());
        ok(request)
    });
    assert!(["5", "6"].contains(&response.unwrap().headers()["retry-after"].to_str().unwrap()));
    assert_empty(&gate);
}

#[test]
fn a_refusal_by_the_handler_gives_room_back_that_it_did_not_take() {
    let gate = gate(1);
    let response = ask(&GateLayer::sessions(gate.clone(), opens), post("a"), |request| {
        admission(&request).unwrap().refuse(BadSubject::Malformed);
        assert_eq!(gate.in_use(), 0);
        ok(request)
    });
    assert_eq!(response.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn a_gate_that_was_closed_refuses_and_disturbs_nothing_that_is_under_way() {
    let gate = gate(2);
    let layer = GateLayer::requests(gate.clone());
    let stream = |_| Ok(Response::new(support::channel().1));
    let open = ask(&layer, get("a"), stream).unwrap();
    gate.close_all(CloseReason::Shutdown);
    let refused = ask(&layer, get("a"), stream).unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(["5", "6"].contains(&refused.headers()["retry-after"].to_str().unwrap()));
    assert_eq!(gate.in_use(), 1);
    drop(open);
    assert_empty(&gate);
}

/// A request in flight is neither idle nor evicted.
#[test]
fn a_request_is_in_flight_until_its_body_ends() {
    let (builder, clock) = builder(1);
    let gate = builder.at_capacity(CapacityPolicy::EvictOldest).build().unwrap();
    let layer = GateLayer::requests(gate.clone());
    let stream = |_| Ok(Response::new(support::channel().1));
    let open = ask(&layer, get("a"), stream).unwrap();
    clock.advance(500);
    assert_eq!(gate.expired().len(), 0);
    assert_eq!(ask(&layer, get("b"), stream).unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(open);
    assert_empty(&gate);
}

/// A request that has just been admitted, or is just about to end, is no more
/// evicted than one that is long under way.
#[test]
fn no_request_is_served_without_a_slot_where_the_gate_evicts() {
    let (builder, _clock) = builder(2);
    let gate = builder
        .subject_limit(Limit::UNLIMITED)
        .at_capacity(CapacityPolicy::EvictOldest)
        .build()
        .unwrap();
    let layer = GateLayer::requests(gate.clone());
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50_000 {
                    let served = ask(&layer, get("a"), |_| {
                        assert!(inside.fetch_add(1, Relaxed) < 2, "inside, the limit is 2");
                        std::hint::spin_loop();
                        inside.fetch_sub(1, Relaxed);
                        Ok(Response::new(empty()))
                    });
                    drop(served.unwrap());
                }
            });
        }
    });
    assert_empty(&gate);
    assert_eq!(gate.stats().ended(CloseReason::Evicted), 0);
}

#[test]
fn what_is_shown_names_what_it_is() {
    let layer = deferred(&gate(1));
    let shown = format!("{layer:?} {:?}", layer.layer(()));
    for part in ["GateLayer", "GateService", "deferred", "Answers::problem_json()"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert_eq!(
        format!("{:?}", GateBody::<Bytes>::full(Bytes::new())),
        "GateBody { holds: false, .. }"
    );
}
