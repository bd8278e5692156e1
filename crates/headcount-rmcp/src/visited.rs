//! Read after `layer.rs`. The visit again, directly around rmcp's service.
//!
//! A visit is a task-local, which only the task of the request sees. Whatever is
//! between the layer and rmcp may serve the request in a task of its own; the
//! request's extensions come along, and the visit is in them too.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_service::Service;

use crate::visit::Visit;

/// rmcp's service, which knows who asks also where something between it and the
/// [`McpLayer`](crate::McpLayer) serves requests in tasks of their own.
///
/// It goes directly around rmcp's `StreamableHttpService`; what
/// [`McpGuard`](crate::McpGuard) makes has it already. Without a layer outside it
/// does nothing.
#[derive(Debug, Clone)]
pub struct Visited<S> {
    inner: S,
}

impl<S> Visited<S> {
    /// Around rmcp's service.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Visited<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = VisitedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match request.extensions().get::<Arc<Visit>>().cloned() {
            Some(visit) => {
                let future = visit.hosts(|| self.inner.call(request));
                State::Visiting { future: Visit::of(&visit, future) }
            }
            None => State::Alone { future: self.inner.call(request) },
        };
        VisitedFuture { state }
    }
}

pin_project! {
    /// The answer of a [`Visited`] service.
    pub struct VisitedFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Visiting { #[pin] future: TaskLocalFuture<Arc<Visit>, F> },
        Alone { #[pin] future: F },
    }
}

impl<F: Future> Future for VisitedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            StateProjection::Visiting { future } => future.poll(cx),
            StateProjection::Alone { future } => future.poll(cx),
        }
    }
}

impl<F> fmt::Debug for VisitedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitedFuture").finish_non_exhaustive()
    }
}
