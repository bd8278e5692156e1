//! Read after `retry_after.rs`. Who is refused, as far as the answer depends on
//! it.

use std::fmt;

use http::Request;
use http::header::CONTENT_TYPE;
use http::request::Parts;

/// Who is refused, as far as an answer depends on it; made by
/// [`Answers::asker`](crate::Answers::asker). Holds nothing of the request's
/// extensions.
#[derive(Clone, Default)]
pub struct Asker {
    /// The content type of the answer, for who speaks gRPC.
    pub(crate) grpc: Option<&'static str>,
    /// The subject's share of what is spread.
    pub(crate) share: Option<u64>,
    /// Only if the answers want it.
    pub(crate) head: Option<Box<Parts>>,
}

/// What gRPC and its form for browsers are asked with, and answered.
const GRPC: [&str; 3] = ["application/grpc-web-text", "application/grpc-web", "application/grpc"];

/// How a client of gRPC is answered, if the request is of one.
pub(crate) fn grpc(parts: &Parts) -> Option<&'static str> {
    let asked = parts.headers.get(CONTENT_TYPE)?.as_bytes();
    GRPC.into_iter().find(|kind| {
        let rest = asked.split_at_checked(kind.len());
        rest.is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(kind.as_bytes())
                && matches!(rest, [] | [b'+' | b';' | b' ', ..])
        })
    })
}

/// The same head, without its extensions, which stand for what they hold.
pub(crate) fn head_of(parts: &Parts) -> Box<Parts> {
    let mut head = Request::new(()).into_parts().0;
    head.method = parts.method.clone();
    head.uri = parts.uri.clone();
    head.version = parts.version;
    head.headers = parts.headers.clone();
    Box::new(head)
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("grpc", &self.grpc).finish_non_exhaustive()
    }
}
