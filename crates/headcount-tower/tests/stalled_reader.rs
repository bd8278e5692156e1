//! Clients that do not read: the slot of their request is given up at its maximum
//! lifetime, by the driver of the gate.

mod support;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use headcount::{CloseReason, Ended};
use headcount_tower::{Answers, BodyError, GateLayer, Slot};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use support::http::{GET, Server, read};
use support::log::Log;
use support::{BoxError, Clock, MS, Request, Response, TestGate};
use support::{assert_empty, bounded, builder, channel, empty, poll_once, until};
use tokio::io::AsyncReadExt;
use tower::{Layer, Service, ServiceExt, service_fn};

const LIFETIME: u64 = 50;
const FRAME: usize = 64 << 10;
const FRAMES: u64 = (100 << 20) / FRAME as u64;

/// A gate whose requests live 50 ms, and the layer of it.
fn gate(limit: u32) -> (TestGate, Clock, GateLayer<String, u32, Clock>) {
    let (builder, clock) = builder(limit);
    let gate = builder.max_lifetime(LIFETIME as u32 * MS).build().unwrap();
    (gate.clone(), clock, GateLayer::requests(gate))
}

/// What a driver does at this time; how many sessions it was told of.
fn drive(gate: &TestGate, clock: &Clock, mut on_end: impl FnMut(Ended<u32>)) -> usize {
    gate.advance(headcount::Clock::now(clock), |ended| {
        assert_eq!(ended.reason, CloseReason::MaxLifetime);
        on_end(ended);
    })
}

/// 100 MiB, and how much of it was taken.
struct Large(Arc<AtomicU64>);

impl Body for Large {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let is_left = self.0.fetch_add(1, Relaxed) < FRAMES;
        Poll::Ready(is_left.then(|| Ok(Frame::data(Bytes::from_static(&[0; FRAME])))))
    }
}

#[tokio::test]
async fn stalled_reader() {
    bounded(async {
        let (gate, clock, layer) = gate(1);
        let taken = Arc::new(AtomicU64::new(0));
        let frames = Arc::clone(&taken);
        let service = service_fn(move |_: Request<Incoming>| {
            let body = Large(Arc::clone(&frames));
            std::future::ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let server = Server::start(layer.layer(service)).await;
        let mut stalled = server.send_raw(GET).await;
        // As much as the kernel takes, and then the body is not polled any more.
        let mut seen = 0;
        until(|| taken.load(Relaxed) > 0).await;
        while seen != taken.load(Relaxed) {
            seen = taken.load(Relaxed);
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
        assert!(seen < FRAMES);
        let mut on_end = layer.on_end();
        clock.advance(LIFETIME - 1);
        assert_eq!(drive(&gate, &clock, &mut on_end), 0);
        assert_eq!((gate.in_use(), server.status_of(GET).await), (1, 503));
        clock.advance(1);
        assert_eq!(drive(&gate, &clock, &mut on_end), 1);
        assert_eq!((gate.in_use(), gate.stats().draining), (0, 0), "before anybody polls");
        assert_eq!(server.status_of(GET).await, 200);

        // When it reads again, the body has failed.
        let mut all = Vec::new();
        _ = stalled.read_to_end(&mut all).await;
        assert!(all.len() < FRAME * FRAMES as usize, "{}", all.len());
        server.stop().await;
        assert_empty(&gate);
    })
    .await;
}

/// A body that waits for more fails at once, though nothing wakes it but the end.
#[tokio::test]
async fn stalled_reader_of_a_quiet_stream() {
    bounded(async {
        let (gate, clock, layer) = gate(1);
        let service = service_fn(|_: Request<Incoming>| {
            let (sender, body) = channel();
            std::mem::forget(sender); // nothing more is ever sent
            std::future::ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let server = Server::start(layer.layer(service)).await;
        let mut client = server.connect().await;
        let response = client.ask("GET", &[]).await;
        let mut body = pin!(response.into_body());
        assert!(poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx).is_pending())).await);
        clock.advance(LIFETIME);
        assert_eq!(drive(&gate, &clock, layer.on_end()), 1);
        assert_eq!(gate.in_use(), 0);
        assert!(body.frame().await.unwrap().is_err());
        server.stop().await;
        assert_empty(&gate);
    })
    .await;
}

/// A service that answers with a body of its own.
fn serving<S, F>(layer: &GateLayer<String, u32, Clock>, handler: S) -> impl Served
where
    S: FnMut(Request) -> F,
    F: Future<Output = Result<Response, BoxError>>,
{
    layer.layer(service_fn(handler))
}

trait Served:
    Service<Request, Response = Response<headcount_tower::GateBody<support::Body>>, Error = BoxError>
{
}

impl<S> Served for S where
    S: Service<
            Request,
            Response = Response<headcount_tower::GateBody<support::Body>>,
            Error = BoxError,
        >
{
}

#[test]
fn a_body_that_fails_says_why() {
    let (gate, clock, layer) = gate(1);
    let service = serving(&layer, async |_: Request| Ok(Response::new(channel().1)));
    let Poll::Ready(Ok(response)) = poll_once(pin!(service.oneshot(Request::new(empty())))) else {
        panic!("pending")
    };
    clock.advance(LIFETIME);
    assert_eq!(drive(&gate, &clock, layer.on_end()), 1);
    let mut body = pin!(response.into_body());
    let Poll::Ready(Some(Err(error))) = poll_once(pin!(body.frame())) else { panic!("no error") };
    assert!(matches!(error, BodyError::LifetimeOver), "{error}");
    assert!(matches!(poll_once(pin!(body.frame())), Poll::Ready(None)));
    assert_empty(&gate);
}

/// What works in a slot keeps it; when it is done, no body keeps it any longer.
#[test]
fn work_is_not_given_up() {
    let (gate, clock, layer) = gate(1);
    let mut kept = None;
    let service = serving(&layer, |request: Request| {
        kept = request.extensions().get::<Slot>().cloned();
        std::future::ready(Ok(Response::new(channel().1)))
    });
    let Poll::Ready(Ok(response)) = poll_once(pin!(service.oneshot(Request::new(empty())))) else {
        panic!("pending")
    };
    clock.advance(LIFETIME);
    assert_eq!(drive(&gate, &clock, layer.on_end()), 1);
    assert_eq!(gate.in_use(), 1, "the work goes on");
    drop(kept);
    assert_eq!(gate.in_use(), 0, "though the body is still there");
    drop(response);
    assert_empty(&gate);
}

#[test]
fn a_handler_is_not_cut_off_and_its_late_answer_is_a_refusal() {
    let (gate, clock, layer) = gate(1);
    let layer = layer.answers(Answers::with_head(|refusal, head| {
        let text = format!("{refusal}: {} {}", head.method, head.uri);
        Response::builder().status(refusal.status()).body(text.into()).unwrap()
    }));
    let service = serving(&layer, async |_: Request| {
        support::await_times(1).await;
        Ok(Response::new(channel().1))
    });
    let request = Request::post("/late").body(empty()).unwrap();
    let mut future = Box::pin(service.oneshot(request));
    assert!(poll_once(future.as_mut()).is_pending());
    clock.advance(LIFETIME);
    assert_eq!(drive(&gate, &clock, layer.on_end()), 1);
    assert_eq!((gate.in_use(), gate.stats().draining), (1, 1), "it works");
    let Poll::Ready(Ok(late)) = poll_once(future.as_mut()) else { panic!("pending") };
    assert_eq!(
        (late.status().as_u16(), &late.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    let Poll::Ready(Ok(text)) = poll_once(pin!(late.into_body().collect())) else { panic!() };
    let text = text.to_bytes();
    assert!(text.ends_with(b": POST /late"), "{text:?}");
    assert_empty(&gate);
}

/// Many at once, some of which have ended by themselves: each that is left is
/// given up, and no other.
#[test]
fn each_is_given_up_for_itself() {
    let (gate, clock, layer) = gate(1000);
    gate.set_subject_limit(headcount::Limit::UNLIMITED);
    let open = || {
        let service = serving(&layer, async |_: Request| Ok(Response::new(channel().1)));
        match poll_once(pin!(service.oneshot(Request::new(empty())))) {
            Poll::Ready(Ok(response)) => response,
            _ => panic!("not served"),
        }
    };
    let mut on_end = layer.on_end();
    let mut old: Vec<_> = (0..100).map(|_| open()).collect();
    clock.advance(LIFETIME / 2);
    // A shorter lifetime ends some of the younger ones before the old ones.
    gate.set_max_lifetime(Some(5 * MS)).unwrap();
    let short: Vec<_> = (0..50).map(|_| open()).collect();
    old.truncate(70);
    clock.advance(5);
    assert_eq!(drive(&gate, &clock, &mut on_end), 50);
    assert_eq!(gate.in_use(), 70);
    clock.advance(LIFETIME);
    assert_eq!(drive(&gate, &clock, &mut on_end), 70);
    assert_empty(&gate);
    drop((old, short));
}

/// As the documentation says: by the reason, no body ends by its lifetime any more,
/// or each does at once.
#[test]
fn a_gate_that_was_closed_ends_no_lifetime_or_all() {
    for (reason, is_left) in [(CloseReason::Shutdown, 1), (CloseReason::MaxLifetime, 0)] {
        let (gate, clock, layer) = gate(1);
        let service = serving(&layer, async |_: Request| Ok(Response::new(channel().1)));
        let served = poll_once(pin!(service.oneshot(Request::new(empty()))));
        let mut on_end = layer.on_end();
        gate.close_all(reason);
        gate.advance(headcount::Clock::now(&clock), &mut on_end);
        assert_eq!(gate.in_use(), is_left, "{reason:?}");
        clock.advance(2 * LIFETIME);
        gate.advance(headcount::Clock::now(&clock), &mut on_end);
        assert_eq!(gate.in_use(), is_left, "{reason:?}");
        drop(served);
        assert_empty(&gate);
    }
}

#[test]
fn a_lifetime_that_nobody_drives_is_told_of_once() {
    let serve = |layer: &GateLayer<String, u32, Clock>| {
        let service = serving(layer, async |_: Request| Ok(Response::new(empty())));
        assert!(poll_once(pin!(service.oneshot(Request::new(empty())))).is_ready());
    };
    let log = Log::start();
    let (_, _, layer) = gate(9);
    let on_end = layer.on_end();
    serve(&layer);
    assert_eq!(log.text(), "", "somebody drives");
    drop(on_end);
    for _ in 0..3 {
        serve(&layer.clone());
    }
    let told = ["maximum lifetime", "reap_on_tokio", "on_end", "stalled_reader.rs:"];
    assert_eq!(log.count("WARN", &told), 1, "{}", log.text());

    let log = Log::start();
    let (plain, _) = builder(9);
    serve(&GateLayer::requests(plain.build().unwrap()));
    assert_eq!(log.text(), "", "no lifetime");
}

/// What is read in time is not disturbed.
#[tokio::test]
async fn a_body_that_is_read_in_time_is_whole() {
    bounded(async {
        let (gate, clock, layer) = gate(1);
        let service = service_fn(|_: Request<Incoming>| {
            let body = http_body_util::Full::new(Bytes::from_static(b"hello"));
            std::future::ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let server = Server::start(layer.layer(service)).await;
        let mut client = server.connect().await;
        for _ in 0..3 {
            assert_eq!(read(client.ask("GET", &[]).await).await, "hello");
            until(|| gate.in_use() == 0).await;
            clock.advance(LIFETIME);
            assert_eq!(drive(&gate, &clock, layer.on_end()), 0);
        }
        server.stop().await;
        assert_empty(&gate);
    })
    .await;
}
