//! Read after `layer.rs`. The visit again, directly around rmcp's service.
//!
//! A visit is a task-local, which only the task of the request sees. Whatever is
//! between the layer and rmcp may serve the request in a task of its own; the
//! request's extensions come along, and the visit is in them too.
//!
//! The body leaves a copy in the visit as it goes by, which costs no more than a
//! count of references: what a request is, and its id, is asked of it at need.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Method, Request};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_service::Service;

use crate::visit::heads::names_session;
use crate::visit::request::Visit;

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
    S: Service<Request<VisitedBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = VisitedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let visit = match parts.extensions.get::<Arc<Visit>>() {
            None => None,
            Some(first) => {
                let visit = first.enters();
                if !Arc::ptr_eq(first, &visit) {
                    parts.extensions.insert(Arc::clone(&visit));
                }
                Some(visit)
            }
        };
        // By what rmcp gets: something in between may have changed the head.
        let is_read = parts.method == Method::POST && !names_session(&parts);
        let keeps = visit.clone().filter(|_| is_read);
        let request = Request::from_parts(parts, VisitedBody { inner: body, keeps });
        let state = match visit {
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

pin_project! {
    /// The body of a request to a [`Visited`] service.
    pub struct VisitedBody<B> {
        #[pin]
        inner: B,
        keeps: Option<Arc<Visit>>,
    }
}

impl<B: Body> Body for VisitedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            // Of bytes that is no copy.
            let frame = frame?.map_data(|mut data| data.copy_to_bytes(data.remaining()));
            if let (Some(visit), Some(data)) = (&this.keeps, frame.data_ref()) {
                visit.keeps(data.clone());
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for VisitedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitedBody").finish_non_exhaustive()
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
