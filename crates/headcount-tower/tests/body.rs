//! A body that holds something: exactly until it has ended.

mod support;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use headcount_tower::GateBody;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

type Polled = Option<Result<Frame<Bytes>, &'static str>>;

/// Gives these frames, and says that it is at its end or keeps it to itself.
struct Script {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    tells_its_end: bool,
}

impl Script {
    fn new<const N: usize>(frames: [Result<Frame<Bytes>, &'static str>; N]) -> Self {
        Self { frames: frames.into(), tells_its_end: false }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Polled> {
        Poll::Ready(self.frames.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.tells_its_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(7)
    }
}

fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(text.into()))
}

fn next<B: Body<Data = Bytes, Error = headcount_tower::BodyError>>(
    body: Pin<&mut B>,
) -> Option<String> {
    match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => panic!("pending"),
        Poll::Ready(None) => None,
        Poll::Ready(Some(Err(error))) => Some(format!("error {error}")),
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) => Some(String::from_utf8(data.to_vec()).unwrap()),
            Err(frame) => Some(format!("trailers {}", frame.into_trailers().unwrap().len())),
        },
    }
}

/// A body of the script, and whether it still holds what it was given.
fn holding(script: Script) -> (Pin<Box<GateBody<Script>>>, impl Fn() -> bool) {
    let held = Arc::new(());
    let watched = Arc::downgrade(&held);
    (Box::pin(GateBody::holding(script, held)), move || watched.strong_count() == 1)
}

#[test]
fn a_body_holds_until_its_end_was_read() {
    let (mut body, holds) = holding(Script::new([data("a"), data("b")]));
    assert_eq!(next(body.as_mut()).as_deref(), Some("a"));
    assert_eq!(next(body.as_mut()).as_deref(), Some("b"));
    assert!(holds() && !body.is_end_stream());
    assert_eq!(next(body.as_mut()), None);
    assert!(!holds() && body.is_end_stream());
    assert_eq!(next(body.as_mut()), None);
}

#[test]
fn a_body_that_tells_its_end_holds_until_its_last_frame_was_read() {
    let (mut body, holds) =
        holding(Script { tells_its_end: true, ..Script::new([data("a"), data("b")]) });
    assert_eq!(next(body.as_mut()).as_deref(), Some("a"));
    assert!(holds());
    assert_eq!(next(body.as_mut()).as_deref(), Some("b"));
    assert!(!holds() && body.is_end_stream());
    assert_eq!(next(body.as_mut()), None);
}

#[test]
fn an_error_ends_a_body() {
    let (mut body, holds) = holding(Script::new([data("a"), Err("broken"), data("more")]));
    assert_eq!(next(body.as_mut()).as_deref(), Some("a"));
    assert!(holds());
    assert_eq!(next(body.as_mut()).as_deref(), Some("error broken"));
    assert!(!holds() && body.is_end_stream());
    assert_eq!(next(body.as_mut()), None, "nothing comes that is not counted");
}

#[test]
fn trailers_do_not_end_a_body_that_has_not_ended() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, "x".parse().unwrap())]);
    let (mut body, holds) = holding(Script::new([Ok(Frame::trailers(trailers))]));
    assert_eq!(next(body.as_mut()).as_deref(), Some("trailers 1"));
    assert!(holds());
    assert_eq!(next(body.as_mut()), None);
    assert!(!holds());
}

#[test]
fn a_body_without_content_holds_nothing() {
    let (body, holds) = holding(Script { tells_its_end: true, ..Script::new([]) });
    assert!(!holds() && body.is_end_stream());
}

#[test]
fn a_body_that_nobody_reads_holds_until_its_drop() {
    let (body, holds) = holding(Script::new([]));
    assert!(holds());
    drop(body);
    assert!(!holds());
}

/// Panics where it is read.
struct Panics;

impl Body for Panics {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Polled> {
        panic!("while it is read")
    }
}

#[test]
fn a_panic_of_the_inner_body_leaves_nothing_held() {
    let held = Arc::new(());
    let mut body = Box::pin(GateBody::holding(Panics, Arc::clone(&held)));
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| next(body.as_mut())));
    assert!(read.is_err());
    drop(body);
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Tells where it is dropped whether the other still is.
struct Resource(Arc<()>, Arc<std::sync::atomic::AtomicBool>);

impl Body for Resource {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Polled> {
        Poll::Ready(None)
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        let is_held = Arc::strong_count(&self.0) > 1;
        self.1.store(is_held, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn what_a_body_uses_goes_before_what_it_holds() {
    for is_read in [true, false] {
        let (slot, was_held) = (Arc::new(()), Arc::default());
        let resource = Resource(Arc::clone(&slot), Arc::clone(&was_held));
        let mut body = Box::pin(GateBody::holding(resource, slot));
        if is_read {
            assert_eq!(next(body.as_mut()), None);
        }
        drop(body);
        assert!(was_held.load(std::sync::atomic::Ordering::Relaxed), "read: {is_read}");
    }
}

#[test]
fn an_answer_is_one_frame_of_a_known_size() {
    let mut body = pin!(GateBody::<Script>::full("answer".into()));
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(6), false));
    assert_eq!(next(body.as_mut()).as_deref(), Some("answer"));
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    assert_eq!(next(body.as_mut()), None);
    for empty in [GateBody::<Script>::full(Bytes::new()), GateBody::default()] {
        assert!(empty.is_end_stream() && empty.size_hint().exact() == Some(0));
    }
}

#[test]
fn an_inner_body_is_what_it_was() {
    let mut body = pin!(GateBody::inner(Script::new([data("a")])));
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(7), false));
    assert_eq!(next(body.as_mut()).as_deref(), Some("a"));
    assert_eq!(next(body.as_mut()), None);
}

#[test]
fn a_body_goes_where_its_inner_one_goes() {
    fn assert_bounds<T: Send + Sync + Unpin + 'static>() {}
    assert_bounds::<GateBody<http_body_util::Empty<Bytes>>>();
}
