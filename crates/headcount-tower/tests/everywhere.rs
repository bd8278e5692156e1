//! What is dropped or panics, wherever it is, holds nothing afterwards.

mod support;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use headcount::{CapacityPolicy, Limit};
use headcount_tower::{Answers, GateLayer, OpenError, Subjects};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use support::http::Server;
use support::{Admission, BoxError, Clock, Request, Response, Session, TestGate};
use support::{MS, assert_empty, await_times, bounded, builder, empty, gate, poll_once};
use tower::{Layer, Service, ServiceExt, service_fn};

type TestLayer = GateLayer<String, u32, Clock>;

/// A layer of each scope, with a subject and a tag.
fn layers(gate: &TestGate) -> [TestLayer; 3] {
    [
        GateLayer::requests(gate.clone()),
        GateLayer::sessions(gate.clone(), |_| true),
        GateLayer::deferred(gate.clone(), |_| true),
    ]
    .map(|layer| layer.subjects(Subjects::by(|_| Ok(Some("alice".into())))).tag(|_| 7))
}

/// A handler that awaits twice before each of its steps and after the last.
async fn handle(request: Request, kept: &Mutex<Vec<Session>>) -> Result<Response, BoxError> {
    await_times(2).await;
    let admission = request.extensions().get::<Admission>();
    let room = admission.map(|admission| admission.take().unwrap());
    await_times(2).await;
    let session = room.map(|room| room.commit().unwrap());
    await_times(2).await;
    kept.lock().unwrap().extend(session);
    await_times(2).await;
    Ok(Response::new(support::channel().1))
}

#[test]
fn cancel_everywhere() {
    let (builder, _clock) = builder(3);
    // Two in a window that does not end here: a place in it comes back too.
    let gate = builder.rate(2, 1_000_000 * MS).build().unwrap();
    let _other = gate.admit(Some("other"), 0).unwrap();
    let [_, sessions, deferred] = layers(&gate);
    for layer in [sessions, deferred] {
        // Until it is committed; what follows is a session like any other.
        for polls in 0..=4 {
            let kept = Mutex::default();
            let service = layer.layer(service_fn(|request| handle(request, &kept)));
            let mut future = Box::pin(service.oneshot(Request::new(empty())));
            for _ in 0..polls {
                assert!(poll_once(future.as_mut()).is_pending());
            }
            drop(future);
            assert_eq!((gate.in_use(), gate.subjects(), gate.stats().admitted), (1, 1, 1));
            drop(gate.reserve(Some("bob"), 0).expect("a place in the rate window"));
        }
    }
}

#[test]
fn cancel_everywhere_while_it_is_a_session() {
    let gate = gate(3);
    let _other = gate.admit(Some("other"), 0).unwrap();
    for (scope, layer) in layers(&gate).into_iter().enumerate() {
        for polls in 0..9 {
            let kept = Mutex::default();
            let service = layer.layer(service_fn(|request| handle(request, &kept)));
            let mut future = Box::pin(service.oneshot(Request::new(empty())));
            for _ in 0..polls {
                assert!(poll_once(future.as_mut()).is_pending());
            }
            if scope == 0 && polls > 0 {
                assert_eq!(gate.in_use_by("alice"), 1);
            }
            drop(future);
            let open = kept.into_inner().unwrap();
            assert_eq!(open.len(), usize::from(scope > 0 && polls > 6));
            assert_eq!(gate.in_use() as usize, 1 + open.len());
        }
        assert_eq!((gate.in_use(), gate.subjects()), (1, 1));
    }
}

/// The service is called, but what it returned is never polled.
#[test]
fn cancel_everywhere_before_the_first_poll() {
    let gate = gate(1);
    for layer in layers(&gate) {
        let kept = Mutex::default();
        let mut service = layer.layer(service_fn(|request| handle(request, &kept)));
        drop(service.call(Request::new(empty())));
        assert_empty(&gate);
    }
}

/// Somebody else still has the admission when the request is dropped.
#[test]
fn cancel_everywhere_with_an_admission_left_behind() {
    let gate = gate(1);
    let [_, sessions, deferred] = layers(&gate);
    for layer in [sessions, deferred] {
        let left_behind = Mutex::default();
        let service = layer.layer(service_fn(|request: Request| async {
            *left_behind.lock().unwrap() = request.extensions().get::<Admission>().cloned();
            std::future::pending::<()>().await;
            Ok::<_, BoxError>(Response::new(request.into_body()))
        }));
        let mut future = Box::pin(service.oneshot(Request::new(empty())));
        assert!(poll_once(future.as_mut()).is_pending());
        drop(future);
        assert_empty(&gate);
        let left_behind = left_behind.into_inner().unwrap().unwrap();
        assert_eq!(left_behind.open().unwrap_err(), OpenError::Spent);
    }
}

/// Looks at the gate where it is dropped.
struct Resource<'a>(&'a TestGate, &'a AtomicU32);

impl Drop for Resource<'_> {
    fn drop(&mut self) {
        self.1.store(self.0.in_use(), Relaxed);
    }
}

#[test]
fn what_a_handler_uses_goes_before_its_slot() {
    let (gate, in_use) = (gate(1), AtomicU32::new(9));
    let [requests, ..] = layers(&gate);
    let service = requests.layer(service_fn(|_: Request| async {
        let _used = Resource(&gate, &in_use);
        std::future::pending::<()>().await;
        Ok::<_, BoxError>(Response::new(empty()))
    }));
    let mut future = Box::pin(service.oneshot(Request::new(empty())));
    assert!(poll_once(future.as_mut()).is_pending());
    drop(future);
    assert_eq!(in_use.load(Relaxed), 1);
    assert_empty(&gate);
}

/// Where a user's code is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Opens,
    Subject,
    Tag,
    Call,
    Poll,
    PollWithRoom,
    PollWithSession,
    BodyPoll,
    BodyDrop,
    Answer,
}

impl Place {
    const ALL: [Self; 10] = [
        Self::Opens,
        Self::Subject,
        Self::Tag,
        Self::Call,
        Self::Poll,
        Self::PollWithRoom,
        Self::PollWithSession,
        Self::BodyPoll,
        Self::BodyDrop,
        Self::Answer,
    ];

    /// Panics if this is the place to.
    fn is(self, here: Self) {
        assert!(self != here, "in {here:?}, on purpose");
    }
}

/// A body that panics where it is told.
struct PanicBody(Place);

impl http_body::Body for PanicBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.is(Place::BodyPoll);
        Poll::Ready(None)
    }
}

impl Drop for PanicBody {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.is(Place::BodyDrop);
        }
    }
}

/// The layers of all scopes, whose functions and handler panic there.
fn panicking(gate: &TestGate, place: Place) -> [TestLayer; 3] {
    let opens = move |_: &http::request::Parts| {
        place.is(Place::Opens);
        true
    };
    let subject = move |_: &http::request::Parts| {
        place.is(Place::Subject);
        Ok(Some("alice".to_owned()))
    };
    let tag = move |_: &http::request::Parts| {
        place.is(Place::Tag);
        7
    };
    let answers = Answers::with(move |_| {
        place.is(Place::Answer);
        Response::new(Bytes::new())
    });
    [
        GateLayer::requests(gate.clone()),
        GateLayer::sessions(gate.clone(), opens),
        GateLayer::deferred(gate.clone(), opens),
    ]
    .map(|layer| layer.subjects(Subjects::by(subject)).tag(tag).answers(answers.clone()))
}

fn served(layer: &TestLayer, place: Place) {
    let service = layer.layer(service_fn(move |request: Request| {
        place.is(Place::Call);
        async move {
            place.is(Place::Poll);
            let room = request.extensions().get::<Admission>().and_then(Admission::take);
            place.is(Place::PollWithRoom);
            let _session = room.map(|room| room.commit().unwrap());
            place.is(Place::PollWithSession);
            Ok::<_, Infallible>(Response::new(PanicBody(place)))
        }
    }));
    let Poll::Ready(Ok(response)) =
        poll_once(Box::pin(service.oneshot(Request::new(empty()))).as_mut())
    else {
        panic!("pending")
    };
    assert!(poll_once(Box::pin(response.into_body().collect()).as_mut()).is_ready());
}

#[test]
fn panic_everywhere() {
    let gate = gate(3);
    let other = gate.admit(Some("other"), 0).unwrap();
    for place in Place::ALL {
        for (scope, layer) in panicking(&gate, place).into_iter().enumerate() {
            let is_refused = place == Place::Answer;
            if is_refused {
                gate.set_subject_limit(Limit::at_most(0));
            }
            let panics = catch_unwind(AssertUnwindSafe(|| served(&layer, place))).is_err();
            assert_eq!(panics, !(place == Place::Opens && scope == 0), "{place:?} {scope}");
            assert_eq!((gate.in_use(), gate.subjects()), (1, 1), "{place:?} {scope}");
            gate.set_subject_limit(Limit::at_most(2));
            // The layer goes on, and so does who was there.
            let unharmed = &panicking(&gate, Place::Answer)[scope];
            served(unharmed, Place::Answer);
            assert!(other.touch().is_ok());
        }
    }
}

#[tokio::test]
async fn panic_everywhere_over_http() {
    bounded(async {
        let (builder, _clock) = builder(1);
        let gate = builder.at_capacity(CapacityPolicy::Reject).build().unwrap();
        let service = service_fn(|request: Request<Incoming>| async move {
            assert!(request.uri().path() != "/panic", "on purpose");
            Ok::<_, Infallible>(Response::new(empty()))
        });
        let server = Server::start(GateLayer::requests(gate.clone()).layer(service)).await;
        for _ in 0..10 {
            let broken = server.send_raw("GET /panic HTTP/1.1\r\nhost: loopback\r\n\r\n").await;
            let read = tokio::io::AsyncReadExt::read_to_end(&mut { broken }, &mut Vec::new()).await;
            assert!(
                read.is_err() || read.unwrap() == 0,
                "the connection is gone, without an answer"
            );
            assert_eq!(server.connect().await.ask("GET", &[]).await.status(), 200);
        }
        server.stop().await;
        assert_empty(&gate);
    })
    .await;
}
