//! What happened to other servers over real HTTP, each under the name by which
//! it is known, and does not happen here.

mod support;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use headcount::{CapacityPolicy, CloseReason};
use headcount_tower::{GateLayer, Subjects};
use http::request::Parts;
use http::{HeaderName, Method};
use http_body_util::channel::Sender;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use support::http::{Client, Server, read};
use support::{Admission, BoxError, Clock, Request, Response, Session, TestGate};
use support::{MS, assert_empty, bounded, builder, channel, empty, gate, poll_once, until};
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt, service_fn};

type TestLayer = GateLayer<String, u32, Clock>;
type Stream = Sender<Bytes, BoxError>;
/// Where a handler keeps the sessions that it opened, and whose they are.
type Kept = Arc<Mutex<Vec<(String, Session)>>>;

const X_CLIENT: HeaderName = HeaderName::from_static("x-client");

fn opens(parts: &Parts) -> bool {
    parts.method == Method::POST
}

/// A server that streams what the test sends, for each request that it served.
async fn streaming(gate: &TestGate) -> (Server, mpsc::UnboundedReceiver<Stream>) {
    let (streams, served) = mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<Incoming>| {
        let (stream, body) = channel();
        // An answer that has no body ends at once.
        let (status, body) = match request.uri().path() {
            "/nothing" => (204, empty()),
            _ => (200, body),
        };
        _ = streams.send(stream);
        std::future::ready(Ok::<_, Infallible>(
            Response::builder().status(status).body(body).unwrap(),
        ))
    });
    (Server::start(GateLayer::requests(gate.clone()).layer(service)).await, served)
}

/// A server whose handler reads the whole request, then takes room, commits,
/// and keeps the session. It turns away who asks it to, with that status.
async fn keeping(layer: TestLayer) -> (Server, Kept, Arc<AtomicU32>) {
    let (kept, reading) = (Kept::default(), Arc::new(AtomicU32::new(0)));
    let (sessions, begun) = (Arc::clone(&kept), Arc::clone(&reading));
    let service = service_fn(move |request: Request<Incoming>| {
        let (sessions, begun) = (Arc::clone(&sessions), Arc::clone(&begun));
        async move {
            begun.fetch_add(1, Relaxed);
            let (parts, body) = request.into_parts();
            let is_whole = body.collect().await.is_ok();
            let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap());
            let mut response = Response::new(Full::<Bytes>::default());
            if let Some(status) = header("x-status") {
                *response.status_mut() = status.parse().unwrap();
                return Ok(response);
            }
            let admission = parts.extensions.get::<Admission>().filter(|_| is_whole);
            if let Some(room) = admission.and_then(Admission::take) {
                let session = room.commit().unwrap();
                session.establish().unwrap();
                let who = header("x-client").unwrap_or_default().to_owned();
                sessions.lock().unwrap().push((who, session));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let layer = layer.subjects(Subjects::header(X_CLIENT));
    (Server::start(layer.layer(service)).await, kept, reading)
}

async fn open(client: &mut Client, who: &str) -> u16 {
    client.ask("POST", &[("x-client", who)]).await.status().as_u16()
}

#[tokio::test]
async fn body_scoped() {
    bounded(async {
        let gate = gate(1);
        let (server, mut served) = streaming(&gate).await;
        let mut client = server.connect().await;

        // Held until the body ends, not the headers.
        let mut response = client.ask("GET", &[]).await;
        let mut stream = served.recv().await.unwrap();
        assert_eq!((response.status().as_u16(), gate.in_use()), (200, 1));
        stream.send_data("piece".into()).await.unwrap();
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "piece");
        assert_eq!(gate.in_use(), 1);
        assert_eq!(server.connect().await.ask("GET", &[]).await.status(), 503);
        drop(stream);
        assert_eq!(read(response).await, "");
        until(|| gate.in_use() == 0).await;

        // The server fails in the middle of it.
        let response = client.ask("GET", &[]).await;
        let mut stream = served.recv().await.unwrap();
        stream.send_data("piece".into()).await.unwrap();
        assert_eq!(gate.in_use(), 1);
        stream.abort("broken".into());
        assert!(response.into_body().collect().await.is_err());
        until(|| gate.in_use() == 0).await;

        // The client hangs up in the middle of it.
        let mut client = server.connect().await;
        let response = client.ask("GET", &[]).await;
        let stream = served.recv().await.unwrap();
        assert_eq!(gate.in_use(), 1);
        drop((response, client));
        until(|| gate.in_use() == 0).await;
        drop(stream);

        server.stop().await;
        assert_eq!(gate.stats().admitted, 3);
        assert_empty(&gate);
    })
    .await;
}

/// Bodies that the server never reads to their end, because it sends none.
#[tokio::test]
async fn body_scoped_of_an_answer_without_a_body() {
    bounded(async {
        let gate = gate(1);
        let (server, _served) = streaming(&gate).await;
        let mut client = server.connect().await;
        for _ in 0..10 {
            assert_eq!(client.ask("HEAD", &[]).await.status(), 200);
            until(|| gate.in_use() == 0).await;
        }
        let status = server.status_of("GET /nothing HTTP/1.1\r\nhost: loopback\r\n\r\n").await;
        assert_eq!(status, 204);
        until(|| gate.in_use() == 0).await;
        server.stop().await;
        assert_empty(&gate);
    })
    .await;
}

#[tokio::test]
async fn half_open_body() {
    const HALF: &str = "POST / HTTP/1.1\r\nhost: loopback\r\ncontent-length: 9\r\n\r\n{\"je";
    bounded(async {
        let gate = gate(100);
        for (layer, held) in [
            (GateLayer::deferred(gate.clone(), opens), 0),
            // As documented: these hold something from the headers on.
            (GateLayer::sessions(gate.clone(), opens), 100),
            (GateLayer::requests(gate.clone()), 100),
        ] {
            let (server, kept, reading) = keeping(layer).await;
            let mut halves = Vec::new();
            for _ in 0..100 {
                halves.push(server.send_raw(HALF).await);
            }
            until(|| reading.load(Relaxed) == 100).await;
            assert_eq!((gate.in_use(), kept.lock().unwrap().len()), (held, 0));
            let status = open(&mut server.connect().await, "alice").await;
            assert_eq!(status, if held == 0 { 200 } else { 503 });
            drop(halves); // they hang up
            kept.lock().unwrap().clear();
            until(|| gate.in_use() == 0).await;
            server.stop().await;
            assert_empty(&gate);
        }
    })
    .await;
}

/// As many, each up to where its handler waits for the rest.
#[test]
fn half_open_body_of_ten_thousand() {
    let gate = gate(1);
    let service = service_fn(|request: Request| async {
        let (parts, body) = request.into_parts();
        body.collect().await?;
        let room = parts.extensions.get::<Admission>().and_then(Admission::take);
        assert!(room.is_some());
        Ok::<_, BoxError>(Response::new(empty()))
    });
    let layer = GateLayer::deferred(gate.clone(), opens).layer(service);
    let ask = |body| Box::pin(layer.clone().oneshot(Request::post("/").body(body).unwrap()));
    let mut halves: Vec<_> = (0..10_000)
        .map(|_| {
            let (stream, body) = channel();
            (stream, ask(body))
        })
        .collect();
    assert!(halves.iter_mut().all(|(_, half)| poll_once(half.as_mut()).is_pending()));
    assert_eq!(gate.in_use(), 0);
    let Poll::Ready(Ok(opened)) = poll_once(ask(empty()).as_mut()) else { panic!("pending") };
    assert_eq!(opened.status(), 200);
    drop(halves);
    assert_empty(&gate);
}

#[tokio::test]
async fn rejected_open() {
    bounded(async {
        let (builder, clock) = builder(2);
        let policy = CapacityPolicy::EvictIdle { floor: MS };
        let gate = builder.at_capacity(policy).build().unwrap();
        let quiet = [gate.admit(Some("quiet"), 1).unwrap(), gate.admit(Some("quiet"), 2).unwrap()];
        clock.advance(5);

        let (server, kept, _) = keeping(GateLayer::deferred(gate.clone(), opens)).await;
        let mut client = server.connect().await;
        for status in [400, 405, 406, 415, 421, 422] {
            let headers = [("x-client", "alice"), ("x-status", &status.to_string())];
            assert_eq!(client.ask("POST", &headers).await.status(), status);
            assert_eq!((gate.in_use(), gate.stats().admitted), (2, 2));
        }
        assert_eq!(gate.expired().len(), 0, "nobody was evicted");
        assert!(quiet.iter().all(|session| session.touch().is_ok()));
        server.stop().await;

        // As documented: decided before the handler has looked.
        clock.advance(5);
        let (early, ..) = keeping(GateLayer::sessions(gate.clone(), opens)).await;
        let mut client = early.connect().await;
        assert_eq!(client.ask("POST", &[("x-status", "415")]).await.status(), 415);
        assert_eq!((gate.in_use(), gate.stats().ended(CloseReason::Evicted)), (1, 1));
        early.stop().await;
        drop((quiet, kept));
        assert_empty(&gate);
    })
    .await;
}

/// A client that opens all it can, beside one whose two sessions are idle and
/// one that comes and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_flood() {
    bounded(async {
        let (builder, clock) = builder(5);
        let policy = CapacityPolicy::EvictIdle { floor: MS };
        let gate = builder.at_capacity(policy).build().unwrap();
        let quiet = [gate.admit(Some("quiet"), 1).unwrap(), gate.admit(Some("quiet"), 2).unwrap()];
        clock.advance(5);
        let (server, kept, _) = keeping(GateLayer::deferred(gate.clone(), opens)).await;

        let mut flood = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let mut client = server.connect().await;
            flood.spawn(async move {
                let mut opened = 0;
                for _ in 0..100 {
                    match open(&mut client, "hostile").await {
                        200 => opened += 1,
                        status => assert_eq!(status, 429),
                    }
                }
                opened
            });
        }
        let mut client = server.connect().await;
        for _ in 0..100 {
            assert_eq!(open(&mut client, "polite").await, 200);
            kept.lock().unwrap().retain(|(who, _)| who != "polite");
        }
        let opened: u32 = flood.join_all().await.into_iter().sum();
        assert_eq!(opened, 2);
        assert!(quiet.iter().all(|session| session.touch().is_ok()), "nobody was evicted");
        server.stop().await;
        drop((quiet, kept));
        assert_empty(&gate);
    })
    .await;
}
