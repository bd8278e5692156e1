//! Read after `slot.rs`. A response body that holds something until it ends.
//!
//! *Invariant*: what is held lives exactly as long as the body has not ended:
//! `held` is `None` from the first of these on: the inner body says that it is at
//! its end, gives its last frame, or an error; the slot of its request was given
//! up; this is dropped. The inner body is dropped first, since what is held stands
//! for its resources.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::slot::Share;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a body holds until it ends.
enum Held {
    /// Anything that does something when it is dropped.
    Any {
        _held: Box<dyn Any + Send + Sync>,
    },
    Share(Share),
}

/// Why a [`GateBody`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The inner body did.
    #[error(transparent)]
    Inner(BoxError),
    /// It was under way when its request reached the maximum lifetime of the
    /// gate, and the slot was given up.
    #[error("the response took longer than its request may live")]
    LifetimeOver,
}

pin_project! {
    /// The body of a response: that of an inner service, or an answer made
    /// beforehand. It may hold something, such as a slot, until it has ended.
    ///
    /// It has ended when its last frame or an error was read, whichever way the
    /// inner body says so, or when it is dropped; nothing comes after an error.
    /// What it forwards it does not change: size, trailers, errors. Its own error is
    /// [`BodyError::LifetimeOver`].
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

/// A body without content.
impl<B> Default for GateBody<B> {
    fn default() -> Self {
        Self::full(ENDED)
    }
}

impl<B: Body<Data = Bytes>> GateBody<B> {
    /// The body of an inner service, which keeps `held` until it has ended. If
    /// it has no content, that is at once.
    pub fn holding(body: B, held: impl Any + Send + Sync) -> Self {
        Self::held_by(body, Held::Any { _held: Box::new(held) })
    }

    pub(crate) fn sharing(body: B, share: Share) -> Self {
        Self::held_by(body, Held::Share(share))
    }

    fn held_by(body: B, held: Held) -> Self {
        let held = if body.is_end_stream() { None } else { Some(held) };
        Self { content: Content::Inner { body }, held }
    }
}

impl<B> Body for GateBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let (frame, has_ended) = match this.content.as_mut().project() {
            ContentProjection::Full { bytes } if bytes.is_empty() => (None, false),
            ContentProjection::Full { bytes } => {
                (Some(Ok(Frame::data(std::mem::take(bytes)))), false)
            }
            ContentProjection::Inner { .. } if is_over(this.held) => (over(), true),
            ContentProjection::Inner { mut body } => match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => {
                    let goes_on = matches!(frame, Some(Ok(_))) && !body.is_end_stream();
                    (
                        frame.map(|frame| frame.map_err(|error| BodyError::Inner(error.into()))),
                        !goes_on,
                    )
                }
                Poll::Pending if wakes(this.held, cx) => (over(), true),
                Poll::Pending => return Poll::Pending,
            },
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

fn is_over(held: &Option<Held>) -> bool {
    matches!(held, Some(Held::Share(share)) if share.is_over())
}

/// Has the body be polled when its slot is given up; is it already?
fn wakes(held: &Option<Held>, cx: &Context<'_>) -> bool {
    matches!(held, Some(Held::Share(share)) if share.wakes(cx.waker()))
}

fn over() -> Option<Result<Frame<Bytes>, BodyError>> {
    Some(Err(BodyError::LifetimeOver))
}

impl<B> fmt::Debug for GateBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = self.held.is_some();
        f.debug_struct("GateBody").field("holds", &holds).finish_non_exhaustive()
    }
}
