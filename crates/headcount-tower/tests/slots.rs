//! Slots that go with what outlives its request: work, and connections that
//! become another protocol's.

mod support;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use headcount_tower::{GateLayer, Slot};
use http::{Method, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use support::http::{GET, Server, status};
use support::log::Log;
use support::{Body, Request, Response, assert_empty, bounded, empty, gate, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, service_fn};

/// Ten clients that hang up, whose work does not end with them: one after the
/// other, whether the work is a thread's or a task's.
#[tokio::test]
async fn work_outlives_request() {
    bounded(async {
        for is_blocking in [true, false] {
            let gate = gate(1);
            let (inside, begun) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (release, released) = mpsc::channel::<()>();
            let released = Arc::new(Mutex::new(released));
            let seen = Arc::clone(&begun);
            let service = service_fn(move |request: Request<Incoming>| {
                let slot = request.extensions().get::<Slot>().cloned();
                let (inside, begun) = (Arc::clone(&inside), Arc::clone(&begun));
                let released = Arc::clone(&released);
                async move {
                    let enter = move || {
                        assert_eq!(inside.fetch_add(1, Relaxed), 0, "one at a time");
                        begun.fetch_add(1, Relaxed);
                        inside
                    };
                    let work = if is_blocking {
                        tokio::task::spawn_blocking(move || {
                            let inside = enter();
                            released.lock().unwrap().recv().unwrap();
                            inside.fetch_sub(1, Relaxed);
                            drop(slot);
                        })
                    } else {
                        tokio::spawn(async move {
                            let inside = enter();
                            until(|| released.lock().unwrap().try_recv().is_ok()).await;
                            inside.fetch_sub(1, Relaxed);
                            drop(slot);
                        })
                    };
                    work.await.unwrap();
                    Ok::<_, Infallible>(Response::new(empty()))
                }
            });
            let server = Server::start(GateLayer::requests(gate.clone()).layer(service)).await;
            for client in 0..10 {
                let aborts = server.send_raw(GET).await;
                until(|| seen.load(Relaxed) == client + 1).await;
                drop(aborts);
                assert_eq!(server.status_of(GET).await, 503, "the work goes on");
                assert_eq!(gate.in_use(), 1);
                release.send(()).unwrap();
                until(|| gate.in_use() == 0).await;
            }
            server.stop().await;
            assert_empty(&gate);
        }
    })
    .await;
}

const UPGRADE: &str =
    "GET / HTTP/1.1\r\nhost: loopback\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// Echoes what comes over a connection that was upgraded.
async fn echo(upgrade: hyper::upgrade::OnUpgrade, slot: Option<Slot>) {
    let mut connection = TokioIo::new(upgrade.await.unwrap());
    let mut byte = [0];
    while connection.read_exact(&mut byte).await.is_ok() {
        connection.write_all(&byte).await.unwrap();
    }
    drop(slot);
}

fn switching() -> Response<Body> {
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    response.header("connection", "upgrade").header("upgrade", "echo").body(empty()).unwrap()
}

#[tokio::test]
async fn upgraded_with_a_clone_of_the_slot() {
    bounded(async {
        let gate = gate(1);
        let service = service_fn(|mut request: Request<Incoming>| {
            let slot = request.extensions().get().cloned();
            tokio::spawn(echo(hyper::upgrade::on(&mut request), slot));
            std::future::ready(Ok::<_, Infallible>(switching()))
        });
        let server = Server::start(GateLayer::requests(gate.clone()).layer(service)).await;
        for _ in 0..3 {
            let mut socket = server.send_raw(UPGRADE).await;
            assert_eq!(status(&mut socket).await, 101);
            assert_eq!((server.status_of(UPGRADE).await, gate.in_use()), (503, 1));
            drop(socket);
            until(|| gate.in_use() == 0).await;
        }
        server.stop().await;
        assert_empty(&gate);
    })
    .await;
}

#[tokio::test]
async fn upgraded_without_a_clone_is_not_served() {
    bounded(async {
        for moves_the_request in [false, true] {
            let log = Log::start();
            let gate = gate(1);
            let service = service_fn(move |request: Request<Incoming>| {
                if moves_the_request {
                    // As a task that is about to give it to `hyper::upgrade::on`.
                    tokio::spawn(async { drop(request) });
                }
                std::future::ready(Ok::<_, Infallible>(switching()))
            });
            let server = Server::start(GateLayer::requests(gate.clone()).layer(service)).await;
            assert_eq!(server.status_of(UPGRADE).await, 500);
            assert_eq!(log.count("ERROR", &["answered 500", "`Slot`", "slots.rs:"]), 1);
            server.stop().await;
            until(|| gate.in_use() == 0).await;
            assert_empty(&gate);
        }
    })
    .await;
}

/// A `CONNECT` of HTTP/2 for another protocol, as WebSockets are begun there, is
/// answered 200.
#[tokio::test]
async fn upgraded_by_an_extended_connect() {
    bounded(async {
        let gate = gate(1);
        let service = service_fn(|mut request: Request<Incoming>| async move {
            let slot = match request.uri().path() {
                "/counted" => request.extensions().get::<Slot>().cloned(),
                _ => None,
            };
            if slot.is_some() {
                tokio::spawn(echo(hyper::upgrade::on(&mut request), slot));
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let service = GateLayer::requests(gate.clone()).layer(service);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.enable_connect_protocol();
            let service = TowerToHyperService::new(service);
            _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let connection = tokio::spawn(connection);
        // The server's settings say whether it knows such a `CONNECT`.
        let plain = Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(client.send_request(plain).await.unwrap().status(), 200);

        let mut connect = async |path: &str| {
            let request = Request::builder().method(Method::CONNECT);
            let request = request.uri(format!("http://{address}{path}"));
            let request = request.extension(Protocol::from_static("websocket"));
            client.send_request(request.body(Empty::new()).unwrap()).await.unwrap()
        };
        assert_eq!(connect("/uncounted").await.status(), 500);
        until(|| gate.in_use() == 0).await;
        let counted = connect("/counted").await;
        assert_eq!(counted.status(), 200);
        let mut socket = TokioIo::new(hyper::upgrade::on(counted).await.unwrap());
        socket.write_all(b"x").await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'x');
        assert_eq!((connect("/counted").await.status().as_u16(), gate.in_use()), (503, 1));
        drop(socket);
        until(|| gate.in_use() == 0).await;
        assert_empty(&gate);
        connection.abort();
        serving.abort();
    })
    .await;
}

/// What is no upgrade needs no clone: a success of another method, an error of a
/// `CONNECT`.
#[tokio::test]
async fn a_response_that_upgrades_nothing_passes() {
    let gate = gate(1);
    for (method, status) in [(Method::GET, 200), (Method::CONNECT, 403), (Method::POST, 204)] {
        let service = service_fn(move |_: Request| {
            let response = Response::builder().status(status).body(empty()).unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let service = GateLayer::requests(gate.clone()).layer(service);
        let request = Request::builder().method(method).body(empty()).unwrap();
        let response = tower::ServiceExt::oneshot(service, request).await.unwrap();
        assert_eq!(response.status(), status);
    }
    assert_empty(&gate);
}
