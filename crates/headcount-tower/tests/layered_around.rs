//! Whatever layers tower-http has, they go around the gate's and inside of it:
//! in plain tower, and in one `layer` of an axum router.

mod support;

use std::convert::Infallible;

use axum::body::Body;
use axum::{Router, routing};
use headcount_tower::GateLayer;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use support::{TestGate, bounded, gate};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const X_ID: HeaderName = HeaderName::from_static("x-id");
const TEXT: HeaderValue = HeaderValue::from_static("text");

/// An axum router under this layer serves one request, and refuses one.
async fn routed<L, S>(layer: L, gate: &TestGate)
where
    L: Layer<axum::routing::Route, Service = S> + Clone + Send + Sync + 'static,
    S: Service<Request<Body>> + Clone + Send + Sync + 'static,
    S::Response: axum::response::IntoResponse + 'static,
    S::Error: Into<Infallible> + 'static,
    S::Future: Send + 'static,
{
    let router = Router::new().route("/", routing::get(async || "hello")).layer(layer);
    let request = || Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(request()).await.unwrap().status(), StatusCode::OK);
    let only = gate.admit_anonymous(0).unwrap();
    let refused = router.oneshot(request()).await.unwrap();
    assert!(is_refused(refused.status()));
    drop(only);
}

/// One of the layers makes all of it 200.
fn is_refused(status: StatusCode) -> bool {
    [StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK].contains(&status)
}

async fn hello<B>(_: Request<B>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

/// Lets everybody pass; whom it would not, it would answer without a body.
async fn authorize<B: Default>(request: Request<Body>) -> Result<Request<Body>, Response<B>> {
    if request.headers().is_empty() { Ok(request) } else { Err(Response::default()) }
}

/// The same of a plain service.
async fn served<S, B>(mut service: S, gate: &TestGate)
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: std::fmt::Debug,
{
    let request = || Request::get("/").body(Body::empty()).unwrap();
    let response = service.ready().await.unwrap().call(request()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    drop(response);
    let only = gate.admit_anonymous(0).unwrap();
    let refused = service.ready().await.unwrap().call(request()).await.unwrap();
    assert!(is_refused(refused.status()));
    let refusals = gate.stats().rejected(headcount::Cause::AtCapacity);
    assert_eq!(refusals, gate.stats().admitted / 2, "one is served, then one refused");
    drop(only);
}

/// Each of these directly around the gate's layer, and directly inside of it.
macro_rules! around_and_inside {
    ($gate:ident, $($layer:expr),+ $(,)?) => {$(
        served(
            ServiceBuilder::new()
                .layer($layer)
                .layer(GateLayer::requests($gate.clone()))
                .service(service_fn(hello)),
            &$gate,
        )
        .await;
        served(
            ServiceBuilder::new()
                .layer(GateLayer::requests($gate.clone()))
                .layer($layer)
                .service(service_fn(hello)),
            &$gate,
        )
        .await;
    )+};
}

macro_rules! routed_around {
    ($gate:ident, $($layer:expr),+ $(,)?) => {$(
        routed(
            ServiceBuilder::new().layer($layer).layer(GateLayer::requests($gate.clone())),
            &$gate,
        )
        .await;
    )+};
}

/// The layers that both versions have.
macro_rules! layers_of {
    ($run:ident, $gate:ident, $tower_http:ident) => {{
        use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
        use tower_http::sensitive_headers::{
            SetSensitiveHeadersLayer, SetSensitiveRequestHeadersLayer,
            SetSensitiveResponseHeadersLayer,
        };
        use tower_http::set_header::{SetRequestHeaderLayer, SetResponseHeaderLayer};
        use tower_http::timeout::{
            RequestBodyTimeoutLayer, ResponseBodyTimeoutLayer, TimeoutLayer,
        };
        use $tower_http as tower_http;
        $run!(
            $gate,
            tower_http::add_extension::AddExtensionLayer::new(7),
            tower_http::auth::AddAuthorizationLayer::bearer("token"),
            tower_http::catch_panic::CatchPanicLayer::new(),
            tower_http::on_early_drop::OnEarlyDropLayer::builder(),
            tower_http::compression::CompressionLayer::new(),
            tower_http::cors::CorsLayer::permissive(),
            tower_http::limit::RequestBodyLimitLayer::new(9),
            tower_http::map_request_body::MapRequestBodyLayer::new(Body::new),
            tower_http::map_response_body::MapResponseBodyLayer::new(Body::new),
            tower_http::metrics::InFlightRequestsLayer::new(Default::default()),
            tower_http::normalize_path::NormalizePathLayer::trim_trailing_slash(),
            tower_http::propagate_header::PropagateHeaderLayer::new(X_ID),
            PropagateRequestIdLayer::new(X_ID),
            SetRequestIdLayer::new(X_ID, MakeRequestUuid),
            SetSensitiveHeadersLayer::new([X_ID]),
            SetSensitiveRequestHeadersLayer::new([X_ID]),
            SetSensitiveResponseHeadersLayer::new([X_ID]),
            SetRequestHeaderLayer::overriding(X_ID, TEXT),
            SetResponseHeaderLayer::overriding(X_ID, TEXT),
            RequestBodyTimeoutLayer::new(support::LONGEST),
            ResponseBodyTimeoutLayer::new(support::LONGEST),
            TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, support::LONGEST),
            tower_http::set_status::SetStatusLayer::new(StatusCode::OK),
            tower_http::trace::TraceLayer::new_for_http(),
            tower_http::validate_request::ValidateRequestHeaderLayer::accept("text/plain"),
        );
    }};
}

#[tokio::test]
async fn layered_around() {
    bounded(async {
        let gate = gate(1);
        layers_of!(around_and_inside, gate, tower_http_06);
        layers_of!(around_and_inside, gate, tower_http_07);
        around_and_inside!(
            gate,
            tower_http_06::decompression::DecompressionLayer::new(),
            tower_http_07::decompression::DecompressionLayer::new(),
            tower_http_06::follow_redirect::FollowRedirectLayer::new(),
            tower_http_07::follow_redirect::FollowRedirectLayer::new(),
            tower_http_06::auth::AsyncRequireAuthorizationLayer::new(authorize),
            tower_http_07::auth::AsyncRequireAuthorizationLayer::new(authorize),
            tower_http_07::timeout::RequestBodyDeadlineLayer::new(support::LONGEST),
            tower_http_07::timeout::ResponseBodyDeadlineLayer::new(support::LONGEST),
        );
    })
    .await;
}

/// What is around the gate's layer changes the body, so these are apart.
#[tokio::test]
async fn layered_around_in_a_router() {
    bounded(async {
        let gate = gate(1);
        layers_of!(routed_around, gate, tower_http_06);
        layers_of!(routed_around, gate, tower_http_07);
        routed_around!(
            gate,
            tower_http_07::csrf::CsrfLayer::new(),
            tower_http_07::decompression::RequestDecompressionLayer::new(),
            tower_http_06::decompression::RequestDecompressionLayer::new(),
        );
    })
    .await;
}
