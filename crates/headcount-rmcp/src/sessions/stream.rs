//! Read after `transport.rs`. An open stream keeps its session busy.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use headcount::{Activity, Clock};
use pin_project_lite::pin_project;

use crate::sessions::tag::SessionTag;

pin_project! {
    /// A stream of a session, which is not idle until this has ended or is
    /// dropped.
    pub(crate) struct GuardedStream<S, C: Clock> {
        #[pin]
        inner: S,
        activity: Option<Activity<SessionTag, C>>,
    }
}

impl<S, C: Clock> GuardedStream<S, C> {
    pub(crate) fn new(inner: S, activity: Option<Activity<SessionTag, C>>) -> Self {
        Self { inner, activity }
    }
}

impl<S: Stream, C: Clock> Stream for GuardedStream<S, C> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let item = ready!(this.inner.poll_next(cx));
        if item.is_none() {
            *this.activity = None;
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<S, C: Clock> fmt::Debug for GuardedStream<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStream").finish_non_exhaustive()
    }
}
