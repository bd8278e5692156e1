//! Short floods over real sockets, bounded by their requests: the exact way
//! keeps its promises, and ways that are broken on purpose are found out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;

use super::*;
use crate::promises::broken;
use crate::ways::Exact;

const REQUESTS: u64 = 600;

fn settings() -> Settings {
    Settings {
        limit: 2,
        clients: 16,
        flood: BURST + PAUSE,
        requests: REQUESTS,
        longest_stay: 4,
        setup: Duration::from_millis(1),
        seed: 1,
    }
}

async fn short_flood<W: Way>() -> Outcome {
    let (_running, stop) = watch::channel(false);
    flood::<W>(&settings(), &Handle::current(), stop, |_| {}).await.expect("loopback works")
}

async fn promises_broken_by<W: Way>() -> String {
    broken(&short_flood::<W>().await, settings().limit).join("; ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_exact_way_keeps_its_promises_over_real_sockets() {
    let outcome = short_flood::<Exact>().await;
    assert_eq!(broken(&outcome, settings().limit), [""; 0]);
    assert!(outcome.tally.admitted > 0 && outcome.tally.refused > 0, "{:?}", outcome.tally);
    assert!(outcome.tally.requests() <= REQUESTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_that_is_stopped_ends_at_rest() {
    let (_stopped, stop) = watch::channel(true);
    let outcome = flood::<Exact>(&settings(), &Handle::current(), stop, |_| {}).await;
    let outcome = outcome.expect("loopback works");
    assert!(outcome.interrupted);
    assert_eq!((outcome.at_rest.open, outcome.at_rest.in_use), (0, 0));
}

/// Admits everyone.
struct Open(Arc<()>);

impl Way for Open {
    const NAME: &'static str = "open";
    type Permit = Arc<()>;

    fn with_limit(_limit: u32) -> Self {
        Self(Arc::default())
    }

    async fn open<S, R>(&self, setup: S, _refuse: R) -> Result<Arc<()>, Response>
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send,
    {
        setup.await;
        Ok(Arc::clone(&self.0))
    }

    fn in_use(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_over_its_limit_is_found_out() {
    let found = promises_broken_by::<Open>().await;
    assert!(found.contains("sessions were open at once"), "{found}");
}

/// Never gives a slot back, and refuses for ever after.
struct Leaky {
    limit: usize,
    taken: AtomicUsize,
}

impl Way for Leaky {
    const NAME: &'static str = "leaky";
    type Permit = ();

    fn with_limit(limit: u32) -> Self {
        Self { limit: limit as usize, taken: AtomicUsize::new(0) }
    }

    async fn open<S, R>(&self, setup: S, refuse: R) -> Result<(), Response>
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send,
    {
        let room = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, room).map_err(|_full| refuse())?;
        setup.await;
        Ok(())
    }

    fn in_use(&self) -> usize {
        self.taken.load(SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_leaks_slots_is_found_out() {
    let found = promises_broken_by::<Leaky>().await;
    assert!(found.contains("refused while a slot was free"), "{found}");
    assert!(found.contains("in_use was 2 at rest"), "{found}");
}

/// Refuses everyone, and does not say when to come back.
struct Curt;

impl Way for Curt {
    const NAME: &'static str = "curt";
    type Permit = ();

    fn with_limit(_limit: u32) -> Self {
        Self
    }

    async fn open<S, R>(&self, _setup: S, _refuse: R) -> Result<(), Response>
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send,
    {
        Err(StatusCode::SERVICE_UNAVAILABLE.into_response())
    }

    fn in_use(&self) -> usize {
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_without_retry_after_is_a_wrong_answer() {
    let found = promises_broken_by::<Curt>().await;
    assert!(found.contains("wrong answers, the first: 503 without Retry-After"), "{found}");
}
