//! Read after `refusal.rs`. What a client is told that was refused.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use headcount::Cause;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::response::Response;

use crate::refusal::Refusal;

/// What a client is answered that was refused: problem details by default.
///
/// Every answer has the status and, where coming back is of use, the
/// `Retry-After` of its [`Refusal`], a `Content-Type`, and is not to be cached.
/// The bodies name no count, no limit and no subject.
#[derive(Clone, Default)]
pub struct Answers(Form);

type Answer = dyn Fn(&Refusal) -> Response<Bytes> + Send + Sync;

#[derive(Clone, Default)]
enum Form {
    #[default]
    ProblemJson,
    JsonRpc,
    With(Arc<Answer>),
}

impl Answers {
    /// `application/problem+json`, the problem details of RFC 9457.
    pub fn problem_json() -> Self {
        Self(Form::ProblemJson)
    }

    /// The error object that servers of the Model Context Protocol answer with,
    /// which is not tied to a request: it has no `jsonrpc` and no `id`.
    ///
    /// ```
    /// # use headcount_tower::{Answers, Refusal};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gate: headcount::Gate<String> =
    /// #     headcount::Gate::builder().limit(headcount::Limit::at_most(1)).build()?;
    /// let only = gate.admit(None::<&str>, ())?;
    /// let refusal = Refusal::from(gate.admit(None::<&str>, ()).unwrap_err());
    /// let answer = Answers::json_rpc().answer(&refusal);
    /// assert_eq!(answer.status(), 503);
    /// assert_eq!(
    ///     answer.body(),
    ///     r#"{"error":{"code":-32000,"message":"Maximum concurrent sessions exceeded. Please try again later or contact administrator."}}"#
    /// );
    /// # drop(only);
    /// # Ok(())
    /// # }
    /// ```
    pub fn json_rpc() -> Self {
        Self(Form::JsonRpc)
    }

    /// What this function answers. `Retry-After`, `Content-Type` (plain text)
    /// and `Cache-Control` are added where it set none itself.
    pub fn with(answer: impl Fn(&Refusal) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self(Form::With(Arc::new(answer)))
    }

    /// The answer to who was refused so.
    ///
    /// # Panics
    ///
    /// Whatever the function panics with that was given.
    pub fn answer(&self, refusal: &Refusal) -> Response<Bytes> {
        let (mut response, content_type) = match &self.0 {
            Form::ProblemJson => (problem(refusal), "application/problem+json"),
            Form::JsonRpc => (json_rpc(refusal), "application/json"),
            Form::With(answer) => (answer(refusal), "text/plain; charset=utf-8"),
        };
        let headers = response.headers_mut();
        if let Some(secs) = refusal.retry_after_secs() {
            headers.entry(RETRY_AFTER).or_insert_with(|| HeaderValue::from(secs));
        }
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

fn problem(refusal: &Refusal) -> Response<Bytes> {
    let status = refusal.status();
    let title = status.canonical_reason().unwrap_or_default();
    let (code, detail) = (status.as_u16(), texts(refusal).detail);
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#
    );
    answer_of(refusal, body)
}

fn json_rpc(refusal: &Refusal) -> Response<Bytes> {
    let message = texts(refusal).message;
    answer_of(refusal, format!(r#"{{"error":{{"code":-32000,"message":"{message}"}}}}"#))
}

fn answer_of(refusal: &Refusal, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = refusal.status();
    response
}

/// What a person reads, with nothing that JSON must escape.
struct Texts {
    /// Of a problem: true of requests and of sessions.
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

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Form::ProblemJson => "Answers::problem_json()",
            Form::JsonRpc => "Answers::json_rpc()",
            Form::With(_) => "Answers::with(..)",
        })
    }
}
