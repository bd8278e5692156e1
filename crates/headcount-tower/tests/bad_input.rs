//! Requests that are wrong, as bytes on a socket: the answer is right, and
//! nothing is counted.

mod support;

use std::convert::Infallible;
use std::pin::pin;
use std::task::Poll;

use headcount::Cause;
use headcount_tower::{GateLayer, Subjects};
use http::{HeaderName, Method, StatusCode};
use hyper::body::Incoming;
use support::http::Server;
use support::log::Log;
use support::{Admission, Clock, Request, Response, TestGate};
use support::{assert_empty, bounded, empty, gate, poll_once};
use tower::{Layer, ServiceExt, service_fn};

type TestLayer = GateLayer<String, u32, Clock>;

fn layers(gate: &TestGate) -> [TestLayer; 3] {
    let opens = |parts: &http::request::Parts| parts.method == Method::POST;
    [
        GateLayer::requests(gate.clone()),
        GateLayer::sessions(gate.clone(), opens),
        GateLayer::deferred(gate.clone(), opens),
    ]
    .map(|layer| layer.subjects(Subjects::header(HeaderName::from_static("x-client"))))
}

/// Takes room where it is offered; knows `POST` only.
fn respond<B>(request: &Request<B>) -> Response {
    let room = request.extensions().get::<Admission>().and_then(Admission::take);
    let mut response = Response::new(empty());
    if request.method() != Method::POST {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    }
    drop(room);
    response
}

fn request(method: &str, headers: &[u8]) -> Vec<u8> {
    let start = format!("{method} / HTTP/1.1\r\nhost: loopback\r\ncontent-length: 0\r\n");
    [start.as_bytes(), headers, b"\r\n"].concat()
}

#[tokio::test]
async fn bad_input() {
    bounded(async {
        let gate = gate(9);
        let long = [b"x-client: ".as_slice(), &[b'a'; 100_000], b"\r\n"].concat();
        let longest = [b"x-client: ".as_slice(), &[b'a'; 1 << 20], b"\r\n"].concat();
        for layer in layers(&gate) {
            let service = service_fn(|request: Request<Incoming>| async move {
                Ok::<_, Infallible>(respond(&request))
            });
            let server = Server::start(layer.layer(service)).await;
            for (bad, status) in [
                (request("POST", b"x-client: zo\xc3\xab\r\n"), 400),
                (request("POST", b"x-client: \xff\r\n"), 400),
                (request("POST", b"x-client: al ice\r\n"), 400),
                (request("POST", b"x-client:\r\n"), 400),
                (request("POST", b"x-client: alice\r\nX-Client: bob\r\n"), 400),
                (request("POST", &long), 400),
                // The server's own answers: they do not reach the layer.
                (request("POST", &longest), 431),
                (request("POST", b"no colon\r\n"), 400),
                (b"POST\r\n\r\n".to_vec(), 400),
                (b"\x16\x03\x01\x00\xa5\r\n\r\n".to_vec(), 400),
            ] {
                let start = String::from_utf8_lossy(&bad[..bad.len().min(90)]).into_owned();
                assert_eq!(server.status_of(&bad).await, status, "{start}");
            }
            server.stop().await;
        }
        assert_eq!(gate.stats().admitted, 0);
        assert_eq!(
            gate.stats().rejected(Cause::SubjectTooLong),
            3,
            "and of the rest it was not asked"
        );
        assert_empty(&gate);
    })
    .await;
}

#[tokio::test]
async fn bad_input_unknown_methods() {
    bounded(async {
        let gate = gate(9);
        let [requests, sessions, deferred] = layers(&gate);
        for (layer, admitted) in [(sessions, 0), (deferred, 0), (requests, 3)] {
            let service = service_fn(|request: Request<Incoming>| async move {
                Ok::<_, Infallible>(respond(&request))
            });
            let server = Server::start(layer.layer(service)).await;
            for method in ["BREW", "post", "DELETE"] {
                assert_eq!(server.status_of(request(method, b"")).await, 405, "{method}");
            }
            server.stop().await;
            assert_eq!(gate.stats().admitted, admitted);
            assert_empty(&gate);
        }
    })
    .await;
}

/// Longer than a server would let through.
#[test]
fn bad_input_a_subject_of_a_mebibyte() {
    let log = Log::start();
    let gate = gate(9);
    for layer in layers(&gate) {
        let service = layer.layer(service_fn(|request: Request| async move {
            Ok::<_, Infallible>(respond(&request))
        }));
        let request = Request::post("/").header("x-client", "a".repeat(1 << 20)).body(empty());
        let Poll::Ready(Ok(response)) = poll_once(pin!(service.oneshot(request.unwrap()))) else {
            panic!("pending")
        };
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(!response.headers().contains_key("retry-after"));
    }
    assert_eq!(gate.stats().rejected(Cause::SubjectTooLong), 3);
    assert_empty(&gate);
    assert_eq!(log.count("WARN", &["answered 400", "`max_subject_len`"]), 3, "once for each layer");
    assert!(!log.text().contains("aaaa"));
}
