//! Read after `layer.rs`. The service that the layer makes, and its future.
//!
//! *Invariant*: what a request holds is in its future until the response is
//! made, then in the response's body. The future's drop, wherever it is, drops
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
use crate::layer::{Pass, Rules};

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
            Ok(pass) => {
                let future = self.inner.call(Request::from_parts(parts, body));
                State::Passed { future, pass: Some(pass) }
            }
            Err(refusal) => State::Refused { answer: Some(self.rules.answers.answer(&refusal)) },
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
        Passed { #[pin] future: F, pass: Option<Pass<K, T, C>> },
        Refused { answer: Option<Response<Bytes>> },
    }
}

impl<F, K, T, C, B, E> Future for ResponseFuture<F, K, T, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        const AGAIN: &str = "polled after it was ready";
        let (future, pass) = match self.project().state.project() {
            StateProjection::Refused { answer } => {
                return Poll::Ready(Ok(answer.take().expect(AGAIN).map(GateBody::full)));
            }
            StateProjection::Passed { future, pass } => (future, pass),
        };
        let response = ready!(future.poll(cx));
        Poll::Ready(match pass.take().expect(AGAIN) {
            Pass::Untouched => response.map(|response| response.map(GateBody::inner)),
            Pass::Request(held) => {
                response.map(|response| response.map(|body| GateBody::holding_boxed(body, held)))
            }
            Pass::Session(offer) => match offer.end() {
                Some(answer) => Ok(answer.map(GateBody::full)),
                None => response.map(|response| response.map(GateBody::inner)),
            },
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
