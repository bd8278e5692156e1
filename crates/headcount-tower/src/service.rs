//! Read after `verdict.rs`. The service that a layer makes, and its future.
//!
//! *Invariant*: what the layer holds for a request is in its future until the
//! response is made, then in the response's body. The future's drop, wherever it is, drops
//! the inner future first, since what is held stands for its resources.

use std::fmt;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use headcount::{Clock, SystemClock};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::GateBody;
use crate::rules::{Answer, Passed, Rules};
use crate::verdict::Verdict;

/// A service behind a gate; made by a [`GateLayer`](crate::GateLayer).
///
/// It is ready when the inner service is. The decision is made in `call`: one
/// that refuses answers at once and does not call the inner service, which
/// stays as ready as it was.
pub struct GateService<S, K: 'static, T = (), C = SystemClock> {
    inner: S,
    rules: Arc<Rules<K, T, C>>,
}

impl<S, K, T, C> GateService<S, K, T, C> {
    pub(crate) fn new(inner: S, rules: Arc<Rules<K, T, C>>) -> Self {
        Self { inner, rules }
    }
}

impl<S, K, T, C, RequestBody, B> Service<Request<RequestBody>> for GateService<S, K, T, C>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    B: Body<Data = Bytes>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    type Response = Response<GateBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, K, T, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let state = match self.rules.decide(&mut parts) {
            Ok(passed) => {
                let future = self.inner.call(Request::from_parts(parts, body));
                State::Passed { future, held: Some((passed, Arc::clone(&self.rules))) }
            }
            Err(answer) => State::Refused { answer: Some(answer) },
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// The response of a [`GateService`], to come. Dropping it gives back what
    /// its request holds.
    pub struct ResponseFuture<F, K: 'static, T = (), C = SystemClock> {
        #[pin]
        state: State<F, K, T, C>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, K: 'static, T, C> {
        Passed { #[pin] future: F, held: Option<Held<K, T, C>> },
        Refused { answer: Option<Answer> },
        Done,
    }
}

type Held<K, T, C> = (Passed<K, T, C>, Arc<Rules<K, T, C>>);

impl<F, K, T, C, B, E> Future for ResponseFuture<F, K, T, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const POLLED_AGAIN: &str = "polled after it was ready";
        let mut state = self.project().state;
        let (future, held) = match state.as_mut().project() {
            StateProjection::Refused { answer } => {
                return Poll::Ready(Ok((*answer.take().expect(POLLED_AGAIN)).map(GateBody::full)));
            }
            StateProjection::Passed { future, held } => (future, held),
            StateProjection::Done => panic!("{POLLED_AGAIN}"),
        };
        let response = ready!(future.poll(cx));
        let (passed, rules) = held.take().expect(POLLED_AGAIN);
        // It may have a clone of the request, whose slot nobody works in any more.
        state.set(State::Done);
        let status = response.as_ref().ok().map(Response::status);
        Poll::Ready(match rules.judge(passed, status) {
            Verdict::Passes => response.map(|response| response.map(GateBody::inner)),
            Verdict::Keeps(share) => {
                response.map(|response| response.map(|body| GateBody::sharing(body, share)))
            }
            Verdict::Replaced(answer, share) => {
                drop(response);
                drop(share);
                Ok((*answer).map(GateBody::full))
            }
        })
    }
}

impl<S: Clone, K: 'static, T, C> Clone for GateService<S, K, T, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), rules: Arc::clone(&self.rules) }
    }
}

impl<S: fmt::Debug, K: 'static, T, C> fmt::Debug for GateService<S, K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateService")
            .field("inner", &self.inner)
            .field("rules", &self.rules)
            .finish()
    }
}

impl<F, K: 'static, T, C> fmt::Debug for ResponseFuture<F, K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
