//! Clients that speak gRPC beside others, refused by one setting.

mod support;

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf, BufMut, Bytes};
use headcount::{Cause, Gate, Limit};
use headcount_tower::{Answers, GateLayer, Subjects};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use support::{Request, Response, bounded, empty, poll_once, until};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{self, Endpoint};
use tonic::{Code, Status};
use tower::{Layer, ServiceExt, service_fn};

/// Messages are bytes as they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// A server of HTTP/2 that never ends what it has begun to answer.
async fn serve(layer: GateLayer<String>) -> (JoinHandle<()>, transport::Channel) {
    let service = layer.layer(service_fn(async |_: Request<Incoming>| {
        let (sender, body) = Channel::<Bytes, Infallible>::new(1);
        std::mem::forget(sender);
        let response = Response::builder().header("content-type", "application/grpc");
        Ok::<_, Infallible>(response.body(body).unwrap())
    }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        _ = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await;
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (serving, endpoint.connect().await.unwrap())
}

async fn call(channel: &transport::Channel, client: &'static str) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = tonic::Request::new(Bytes::from_static(b"hello"));
    request.metadata_mut().insert("x-client", client.parse().unwrap());
    let path = http::uri::PathAndQuery::from_static("/service/method");
    grpc.server_streaming(request, path, Raw).await.map(std::mem::forget)
}

#[tokio::test]
async fn readable_refusal() {
    bounded(async {
        for answers in [Answers::problem_json(), Answers::json_rpc()] {
            let gate: Gate<String> = Gate::builder()
                .limit(Limit::at_most(2))
                .subject_limit(Limit::at_most(1))
                .build()
                .unwrap();
            let clients = Subjects::header(HeaderName::from_static("x-client"));
            let layer = GateLayer::requests(gate.clone()).subjects(clients).answers(answers);
            let (serving, channel) = serve(layer).await;
            call(&channel, "alice").await.unwrap();
            let own = call(&channel, "alice").await.unwrap_err();
            assert_eq!(own.code(), Code::ResourceExhausted);
            assert!(own.message().starts_with("This client has as much open"), "{own}");
            assert_eq!(own.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
            call(&channel, "bob").await.unwrap();
            let full = call(&channel, "carol").await.unwrap_err();
            assert_eq!(full.code(), Code::Unavailable);
            assert!(full.message().starts_with("The server is at capacity"), "{full}");
            let after = full.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
            assert!((800..=60_000).contains(&after.parse::<u32>().unwrap()), "{after}");
            drop(channel);
            serving.abort();
            until(|| gate.in_use() == 0).await;
        }
    })
    .await;
}

/// What is answered to a request of this content type by a gate that is full.
fn refused(
    layer: impl Fn(Gate<String>) -> GateLayer<String>,
    content_type: &str,
) -> Response<Bytes> {
    let gate: Gate<String> = Gate::builder().limit(Limit::at_most(1)).build().unwrap();
    let _only = gate.admit_anonymous(()).unwrap();
    answered(layer(gate), content_type, |request| {
        if let Some(admission) = request.extensions().get::<headcount_tower::Admission<String>>() {
            assert!(admission.take().is_none());
        }
        Response::new(empty())
    })
}

/// What is answered to it where this handles it.
fn answered(
    layer: GateLayer<String>,
    content_type: &str,
    handler: impl Fn(Request) -> Response,
) -> Response<Bytes> {
    let service = layer
        .layer(service_fn(|request| std::future::ready(Ok::<_, Infallible>(handler(request)))));
    let request = Request::post("/").header("content-type", content_type).body(empty()).unwrap();
    let Poll::Ready(Ok(response)) = poll_once(pin!(service.oneshot(request))) else {
        panic!("pending")
    };
    let (parts, body) = response.into_parts();
    let mut body = pin!(http_body_util::BodyExt::collect(body));
    let Poll::Ready(Ok(body)) = poll_once(body.as_mut()) else { panic!("pending") };
    Response::from_parts(parts, body.to_bytes())
}

type Scope = fn(Gate<String>) -> GateLayer<String>;

const SCOPES: [Scope; 3] = [
    |gate| GateLayer::requests(gate),
    |gate| GateLayer::sessions(gate, |_| true),
    |gate| GateLayer::deferred(gate, |_| true),
];

#[test]
fn the_content_type_chooses_the_form() {
    for scope in SCOPES {
        for (asked, answered) in [
            ("application/grpc", "application/grpc"),
            ("application/grpc+proto", "application/grpc"),
            ("Application/GRPC; x", "application/grpc"),
            ("application/grpc-web+proto", "application/grpc-web"),
            ("application/grpc-web-text", "application/grpc-web-text"),
        ] {
            let response = refused(scope, asked);
            assert_eq!(
                (response.status(), &response.headers()["grpc-status"]),
                (StatusCode::OK, &HeaderValue::from(14)),
                "{asked}"
            );
            assert_eq!(response.headers()["content-type"], answered);
            assert!(response.body().is_empty() && !response.headers().contains_key("retry-after"));
        }
        for other in ["application/grpcx", "application/json", "application/grp", "\u{7f}"] {
            let Ok(other) = HeaderValue::from_str(other) else { continue };
            let response = refused(scope, other.to_str().unwrap());
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert!(!response.headers().contains_key("grpc-status"));
        }
    }
}

/// A rule changes the status, and with it the code of gRPC.
#[test]
fn a_status_is_a_rule_of_one_line() {
    for scope in SCOPES {
        for answers in
            [Answers::problem_json(), Answers::json_rpc(), Answers::with(|_| Response::default())]
        {
            let answers = answers.status(Cause::AtCapacity, StatusCode::TOO_MANY_REQUESTS);
            let layer = |gate| scope(gate).answers(answers.clone());
            let response = refused(layer, "text/plain");
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert!(response.headers().contains_key("retry-after"));
            if response.headers()["content-type"] == "application/problem+json" {
                let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
                assert_eq!(
                    (&body["status"], &body["title"]),
                    (&429.into(), &"Too Many Requests".into())
                );
            }
            if !format!("{answers:?}").contains("with(") {
                let response = refused(layer, "application/grpc");
                assert_eq!(
                    (response.status(), &response.headers()["grpc-status"]),
                    (StatusCode::OK, &HeaderValue::from(8))
                );
            }
        }
        let other = Answers::problem_json().status(Cause::RateLimited, StatusCode::BAD_GATEWAY);
        let response = refused(|gate| scope(gate).answers(other.clone()), "text/plain");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

/// A function sees the request's head, wherever it was refused.
#[test]
fn a_function_sees_who_asks() {
    let answers = Answers::with_head(|refusal, head: &Parts| {
        assert!(head.extensions.is_empty());
        let text = format!("{refusal}: {} {}", head.method, head.uri);
        Response::builder().status(418).body(text.into()).unwrap()
    });
    for scope in SCOPES {
        let response = refused(|gate| scope(gate).answers(answers.clone()), "application/grpc");
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (418, b"at capacity: POST /".as_ref())
        );
    }
}

/// A response that would go on uncounted.
#[test]
fn a_fault_of_the_server_is_told_in_grpc_too() {
    let switching =
        |_: Request| Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).body(empty());
    for scope in &SCOPES[1..] {
        for (answers, asked, answered_in) in [
            (Answers::problem_json(), "application/grpc-web", Some("application/grpc-web")),
            (Answers::grpc(), "text/plain", Some("application/grpc")),
            (Answers::problem_json(), "text/plain", None),
        ] {
            let layer = scope(Gate::builder().build().unwrap()).answers(answers);
            let response = answered(layer, asked, |request| switching(request).unwrap());
            let headers = response.headers();
            let (status, code, content_type) = match answered_in {
                Some(grpc) => (200, Some(HeaderValue::from(13)), grpc),
                None => (500, None, "text/plain; charset=utf-8"),
            };
            assert_eq!(
                (response.status().as_u16(), headers.get("grpc-status")),
                (status, code.as_ref())
            );
            assert_eq!(headers["content-type"], content_type);
            assert_eq!(headers["cache-control"], "no-store");
            assert_eq!(response.body().is_empty(), answered_in.is_some());
        }
    }
}
