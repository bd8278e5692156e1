//! Read after `guard.rs`. Brings in who asks, and brings out what a refusal
//! meant.
//!
//! rmcp tells its session manager nothing of the request, and answers 500
//! whatever the manager's error is. So this layer opens a visit around the
//! request (`visit.rs`), and puts the right answer in the place of that 500.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use headcount_tower::{Answers, GateBody, Subjects};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::visit::{Verdict, Visit};

/// Answers a refused client of a [guarded](crate::GuardedSessions) rmcp service
/// with 503 or 429 and `Retry-After`, and one whose session has ended with 404,
/// where rmcp alone says 500.
///
/// It goes around rmcp's `StreamableHttpService`, and inside of authentication,
/// which says who the subject is. It decides nothing: the gate does, once, when
/// rmcp opens a session. Requests of existing sessions pass, as do those of
/// the protocol 2026-07-28, which have none.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct McpLayer {
    subjects: Subjects<String>,
    answers: Answers,
}

impl McpLayer {
    /// All sessions are anonymous, and refusals are JSON-RPC errors.
    pub fn new() -> Self {
        Self { subjects: Subjects::anonymous(), answers: Answers::json_rpc() }
    }

    /// Who a session counts as.
    pub fn subjects(mut self, subjects: Subjects<String>) -> Self {
        self.subjects = subjects;
        self
    }

    /// What a refused client is answered.
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self
    }
}

impl Default for McpLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for McpLayer {
    type Service = McpService<S>;

    fn layer(&self, inner: S) -> McpService<S> {
        McpService { inner, layer: self.clone() }
    }
}

/// A service with a [`McpLayer`] around it.
#[derive(Debug, Clone)]
pub struct McpService<S> {
    inner: S,
    layer: McpLayer,
}

impl<S, B, R> Service<Request<B>> for McpService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<GateBody<R>>;
    type Error = S::Error;
    type Future = McpFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let visit = Visit::new(self.layer.subjects.of(&parts));
        // Within the visit too: a service may do its work before its future is
        // polled.
        let served = visit.hosts(|| self.inner.call(Request::from_parts(parts, body)));
        let answers = self.layer.answers.clone();
        McpFuture { served: Visit::of(&visit, served), visit, answers }
    }
}

pin_project! {
    /// The answer of a [`McpService`].
    pub struct McpFuture<F> {
        #[pin]
        served: TaskLocalFuture<Arc<Visit>, F>,
        visit: Arc<Visit>,
        answers: Answers,
    }
}

impl<F, R, E> Future for McpFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<GateBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.served.poll(cx))?;
        let meant = match this.visit.verdict() {
            // Where rmcp made the best of a refusal, as of a stream that is
            // not resumed, that stands.
            Some(verdict) if response.status() == StatusCode::INTERNAL_SERVER_ERROR => verdict,
            _ => return Poll::Ready(Ok(response.map(GateBody::inner))),
        };
        Poll::Ready(Ok(match meant {
            Verdict::Refused(refusal) => this.answers.answer(refusal).map(GateBody::full),
            Verdict::Gone => gone(),
        }))
    }
}

/// As rmcp answers those whose session it does not know: clients open another
/// one then.
fn gone<R>() -> Response<GateBody<R>> {
    let body = GateBody::full(Bytes::from_static(b"Not Found: Session not found"));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl<F> fmt::Debug for McpFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpFuture").field("visit", &self.visit).finish_non_exhaustive()
    }
}
