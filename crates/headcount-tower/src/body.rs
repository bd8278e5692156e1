//! Read after `answers.rs`. A response body that holds something until it ends.
//!
//! *Invariant*: what is held lives exactly as long as the body has not ended:
//! `held` is `None` from the first of these on: the inner body says that it is at
//! its end, gives its last frame, or an error; this is dropped. The inner body is
//! dropped first, since what is held stands for its resources.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// Anything that does something when it is dropped.
pub(crate) type Held = Box<dyn Any + Send + Sync>;

pin_project! {
    /// The body of a response: that of an inner service, or an answer made
    /// beforehand. It may hold something, such as a slot, until it has ended.
    ///
    /// It has ended when its last frame or an error was read, whichever way the
    /// inner body says so, or when it is dropped; nothing comes after an error.
    /// What it forwards it does not change: size, trailers, errors.
    pub struct GateBody<B> {
        #[pin]
        content: Content<B>,
        held: Option<Held>,
    }
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Inner { #[pin] body: B },
        // Nothing is left of it where it is empty.
        Full { bytes: Bytes },
    }
}

const ENDED: Bytes = Bytes::new();

impl<B> GateBody<B> {
    /// An answer made beforehand.
    pub fn full(bytes: Bytes) -> Self {
        Self { content: Content::Full { bytes }, held: None }
    }

    /// The body of an inner service, as it is.
    pub fn inner(body: B) -> Self {
        Self { content: Content::Inner { body }, held: None }
    }
}

impl<B: Body<Data = Bytes>> GateBody<B> {
    /// The body of an inner service, which keeps `held` until it has ended. If
    /// it has no content, that is at once.
    pub fn holding(body: B, held: impl Any + Send + Sync) -> Self {
        Self::holding_boxed(body, Box::new(held))
    }

    pub(crate) fn holding_boxed(body: B, held: Held) -> Self {
        let held = if body.is_end_stream() { None } else { Some(held) };
        Self { content: Content::Inner { body }, held }
    }
}

impl<B: Body<Data = Bytes>> Body for GateBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let (frame, has_ended) = match this.content.as_mut().project() {
            ContentProjection::Full { bytes } if bytes.is_empty() => (None, false),
            ContentProjection::Full { bytes } => {
                (Some(Ok(Frame::data(std::mem::take(bytes)))), false)
            }
            ContentProjection::Inner { mut body } => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                let goes_on = matches!(frame, Some(Ok(_))) && !body.is_end_stream();
                (frame, !goes_on)
            }
        };
        if has_ended {
            this.content.set(Content::Full { bytes: ENDED });
            *this.held = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body } => body.is_end_stream(),
            Content::Full { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body } => body.size_hint(),
            Content::Full { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

impl<B> fmt::Debug for GateBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = self.held.is_some();
        f.debug_struct("GateBody").field("holds", &holds).finish_non_exhaustive()
    }
}
