//! What the tests share: gates, bodies, and waiting without a clock.

// Each test target uses its part of it.
#![allow(dead_code)]

pub mod http;
pub mod log;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use headcount::{CloseReason, Gate, GateBuilder, Limit, ManualClock};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub type Body = BoxBody<Bytes, BoxError>;
pub type Request<B = Body> = ::http::Request<B>;
pub type Response<B = Body> = ::http::Response<B>;
pub type Clock = Arc<ManualClock>;
pub type TestGate = Gate<String, u32, Clock>;
pub type Admission = headcount_tower::Admission<String, u32, Clock>;
pub type Session = headcount_tower::OpenSession<String, u32, Clock>;

pub const MS: Duration = Duration::from_millis(1);
/// No test takes this long unless something hangs.
pub const LONGEST: Duration = Duration::from_secs(60);

/// So many in all, two of each subject.
pub fn builder(limit: u32) -> (GateBuilder<String, u32, Clock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::builder()
        .limit(Limit::at_most(limit))
        .subject_limit(Limit::at_most(2))
        .init_timeout(10 * MS)
        .idle_timeout(20 * MS)
        .clock(Arc::clone(&clock));
    (builder, clock)
}

pub fn gate(limit: u32) -> TestGate {
    builder(limit).0.build().unwrap()
}

/// All counts are 0, and each session that ever was has ended once.
#[track_caller]
pub fn assert_empty(gate: &TestGate) {
    let stats = gate.stats();
    let ends: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
    assert_eq!((stats.in_use, stats.draining, gate.subjects()), (0, 0, 0));
    assert_eq!(ends, stats.admitted);
}

/// Ends a test that hangs.
pub async fn bounded<R>(test: impl Future<Output = R>) -> R {
    tokio::time::timeout(LONGEST, test).await.expect("the test hangs")
}

/// Lets other tasks run until this holds; within `bounded`.
pub async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// Polls it once, for who need not be woken.
pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending so many times before it is ready.
pub async fn await_times(times: usize) {
    for _ in 0..times {
        let mut was_pending = false;
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            match std::mem::replace(&mut was_pending, true) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

pub fn empty() -> Body {
    Empty::new().map_err(Into::into).boxed()
}

/// A body that is sent piece by piece.
pub fn channel() -> (Sender<Bytes, BoxError>, Body) {
    let (sender, body) = Channel::new(8);
    (sender, body.boxed())
}
