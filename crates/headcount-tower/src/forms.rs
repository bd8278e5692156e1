//! Read after `asker.rs`. The forms of a refusal that clients understand, and
//! what a person reads in them.

use std::time::Duration;

use bytes::Bytes;
use headcount::Cause;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::refusal::Refusal;

/// RFC 9457.
pub(crate) fn problem_json(refusal: &Refusal, status: StatusCode) -> Response<Bytes> {
    let title = status.canonical_reason().unwrap_or_default();
    let (code, detail) = (status.as_u16(), texts(refusal).detail);
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#
    );
    answer_of(status, "application/problem+json", body)
}

/// Clients show the message of what is a whole response: with a `jsonrpc`, and an
/// `id`, which is null since the request was not read.
pub(crate) fn json_rpc(refusal: &Refusal, status: StatusCode) -> Response<Bytes> {
    let message = texts(refusal).message;
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":-32000,"message":"{message}"}}}}"#);
    answer_of(status, "application/json", body)
}

fn answer_of(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Trailers only: the status of gRPC in the headers of a response without a
/// body, which is 200.
pub(crate) fn grpc(
    refusal: &Refusal,
    status: StatusCode,
    retry_after: Option<Duration>,
    content_type: &'static str,
) -> Response<Bytes> {
    // `RESOURCE_EXHAUSTED`, `INVALID_ARGUMENT`, `UNAVAILABLE`.
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::BAD_REQUEST => 3,
        _ => 14,
    };
    let mut response = trailers_only(code, texts(refusal).detail, content_type);
    if let Some(after) = retry_after {
        // Clients take it for an `int32`.
        let millis = after.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
        response.headers_mut().insert(GRPC_RETRY_PUSHBACK_MS, HeaderValue::from(millis as u32));
    }
    response
}

fn trailers_only(code: u16, message: &'static str, content_type: &'static str) -> Response<Bytes> {
    let mut response = answer_of(StatusCode::OK, content_type, String::new());
    let headers = response.headers_mut();
    headers.insert(GRPC_STATUS, HeaderValue::from(code));
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    response
}

/// The fault is the server's, and the client need not know which. For who speaks
/// gRPC, with this content type.
pub(crate) fn broken(grpc: Option<&'static str>) -> Response<Bytes> {
    const TEXT: &str = "Internal Server Error";
    let mut response = match grpc {
        // `INTERNAL`.
        Some(content_type) => trailers_only(13, TEXT, content_type),
        None => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            answer_of(status, "text/plain; charset=utf-8", TEXT.to_owned())
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a person reads, with nothing that JSON or gRPC must escape.
struct Texts {
    /// True of requests and of sessions.
    detail: &'static str,
    /// Of a JSON-RPC error.
    message: &'static str,
}

fn texts(refusal: &Refusal) -> Texts {
    let cause = match refusal {
        Refusal::BadSubject(_) => Cause::SubjectTooLong,
        Refusal::Rejected(rejected) => rejected.cause(),
        Refusal::Ended => Cause::OutOfTimers,
    };
    let (detail, message) = match cause {
        Cause::AtCapacity => (
            "The server is at capacity. Please try again later.",
            "Maximum concurrent sessions exceeded. Please try again later or contact administrator.",
        ),
        Cause::SubjectAtLimit => (
            "This client has as much open as it may. Please close something or try again later.",
            "Maximum concurrent sessions of this client exceeded. Please close one or try again later.",
        ),
        Cause::RateLimited => (
            "Too much came in a short time. Please try again later.",
            "Too many new sessions in a short time. Please try again later.",
        ),
        Cause::SubjectTooLong => (
            "The request does not say in a valid way which client it comes from.",
            "The request does not say in a valid way which client it comes from.",
        ),
        Cause::ShutDown => (
            "The server is shutting down. Please try again later.",
            "Server is shutting down. Please try again later.",
        ),
        _ => (
            "The server is out of resources. Please try again later.",
            "Server is out of resources. Please try again later.",
        ),
    };
    Texts { detail, message }
}
