//! In which order a response, the future that made it and their slot go.

mod support;

use std::future::ready;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use headcount_tower::{GateLayer, Slot};
use http::StatusCode;
use http_body_util::BodyExt;
use support::{BoxError, Request, Response, TestGate, assert_empty, empty, gate, poll_once};
use tower::{Layer, ServiceExt, service_fn};

/// Has something until it is dropped, although it is done: a clone of the
/// request, as retries have one, or what tells of its drop.
struct Keeping<T>(Option<Result<Response, BoxError>>, T);

impl<T: Unpin> Future for Keeping<T> {
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(self.0.take().unwrap())
    }
}

/// Fails where its slot is free before it is dropped.
struct InSlot(TestGate);

impl Drop for InSlot {
    fn drop(&mut self) {
        assert_eq!(self.0.in_use(), 1);
    }
}

impl http_body::Body for InSlot {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }
}

fn switching(body: support::Body) -> Response {
    Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).body(body).unwrap()
}

fn served<F>(gate: &TestGate, inner: impl Fn(Request) -> F) -> Result<StatusCode, BoxError>
where
    F: Future<Output = Result<Response, BoxError>>,
{
    let service = GateLayer::requests(gate.clone()).layer(service_fn(inner));
    match poll_once(pin!(service.oneshot(Request::new(empty())))) {
        Poll::Ready(response) => response.map(|response| response.status()),
        Poll::Pending => panic!("pending"),
    }
}

#[test]
fn a_clone_in_the_future_that_is_done_is_nobodys() {
    let gate = gate(1);
    let kept = |request: &Request| request.extensions().get::<Slot>().cloned();
    let status =
        served(&gate, |request| Keeping(Some(Ok(switching(empty()))), kept(&request))).unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_empty(&gate);
}

#[test]
fn the_slot_goes_after_all_that_it_stands_for() {
    let gate = gate(1);
    let inside = |response: fn() -> Result<Response, BoxError>| {
        served(&gate, |_| Keeping(Some(response()), InSlot(gate.clone())))
    };
    assert!(inside(|| Err("broken".into())).is_err());
    assert_eq!(inside(|| Ok(Response::new(empty()))).unwrap(), StatusCode::OK);
    let replaced = || Ok(switching(InSlot(gate.clone()).boxed()));
    let status = served(&gate, |_| ready(replaced())).unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_empty(&gate);
}
