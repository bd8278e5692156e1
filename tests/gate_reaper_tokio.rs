#![cfg(not(feature = "loom"))]
//! The reaper that is a task ends what is due, sleeps as long as it may, and
//! loses nothing wherever it is dropped. Time is tokio's, paused: it jumps to
//! the next timer when nothing is left to do, so nothing here waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use headcount::{
    CapacityPolicy, Clock, CloseReason, Ended, Gate, GateBuilder, Limit, ManualClock, SystemClock,
    TokioClock, TokioReaper,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep, timeout};

const TICK: Duration = Duration::from_millis(10);
/// All timeouts of a gate, unless said otherwise.
const LONG: Duration = Duration::from_secs(3600);

type TestGate = Gate<String, u32, TokioClock>;
type Told = (u32, CloseReason);

fn builder() -> GateBuilder<String, u32> {
    Gate::builder().tick(TICK).idle_timeout(LONG).init_timeout(LONG)
}

fn gate() -> TestGate {
    builder().clock(TokioClock::new(TICK)).build().unwrap()
}

fn reap<C: Clock + 'static>(
    gate: &Gate<String, u32, C>,
) -> (TokioReaper, UnboundedReceiver<(Told, Instant)>) {
    let (told, ended) = unbounded_channel();
    let reaper = gate.reap_on_tokio(move |end: Ended<u32>| {
        told.send(((end.tag, end.reason), Instant::now())).unwrap();
    });
    (reaper, ended)
}

/// Lets the reaper go to sleep.
async fn settle() {
    for _ in 0..8 {
        yield_now().await;
    }
}

/// Has virtual time come to this point, give or take what ticks round?
fn is_about(is: Duration, expected: Duration) -> bool {
    is >= expected && is <= expected + 2 * TICK
}

#[tokio::test(start_paused = true)]
async fn sessions_are_ended_in_time() {
    let gate = gate();
    let start = Instant::now();
    let (_reaper, mut ended) = reap(&gate);
    let _first = gate.admit(Some("a"), 1).unwrap();
    sleep(LONG / 2).await;
    let _second = gate.admit(Some("a"), 2).unwrap();
    for (tag, due) in [(1, LONG), (2, LONG + LONG / 2)] {
        let (told, at) = ended.recv().await.unwrap();
        assert_eq!(told, (tag, CloseReason::Idle));
        assert!(is_about(at - start, due), "{:?}, due at {due:?}", at - start);
    }
}

/// The gate of a user, who has paused the time of the test.
#[tokio::test(start_paused = true)]
async fn paused_time() {
    let gate: Gate<String, u32, _> = Gate::builder()
        .idle_timeout(Duration::from_secs(60))
        .clock(TokioClock::default())
        .build()
        .unwrap();
    // Between two ticks.
    advance(Duration::from_micros(300)).await;
    let start = Instant::now();
    let (_reaper, mut ended) = reap(&gate);
    let session = gate.admit(Some("a"), 1).unwrap();
    sleep(Duration::from_millis(59_999)).await;
    assert!(session.touch().is_ok() && ended.try_recv().is_err(), "never early");
    sleep(Duration::from_secs(61)).await;
    let (told, at) = ended.try_recv().unwrap();
    assert_eq!(told, (1, CloseReason::Idle));
    let lived = at - start - Duration::from_millis(59_999);
    assert!(lived >= Duration::from_secs(60), "{lived:?}");
    assert!(lived <= Duration::from_millis(60_003), "{lived:?}");
}

/// Counts how often it is looked at.
struct Counting<C>(C, AtomicUsize);

impl<C: Clock> Clock for Counting<C> {
    fn now(&self) -> u64 {
        self.1.fetch_add(1, Relaxed);
        self.0.now()
    }
}

/// The system's clock stands still while a paused test's time flies.
#[tokio::test(start_paused = true)]
async fn paused_time_on_a_clock_that_stands_still() {
    let idle = Duration::from_secs(60);
    let clock = Arc::new(Counting(SystemClock::default(), AtomicUsize::new(0)));
    let gate: Gate<String, u32, _> =
        Gate::builder().idle_timeout(idle).clock(Arc::clone(&clock)).build().unwrap();
    let (reaper, mut ended) = reap(&gate);
    let session = gate.admit(Some("a"), 1).unwrap();
    for _ in 0..1000 {
        sleep(Duration::from_secs(470)).await;
    }
    assert!(session.touch().is_ok() && ended.try_recv().is_err());
    let looks = clock.1.load(Relaxed);
    assert!(looks < 100, "{looks} looks at the clock");
    // And it is there when it is called.
    gate.close_all(CloseReason::Shutdown);
    assert_eq!(ended.recv().await.unwrap().0, (1, CloseReason::Shutdown));
    reaper.stop().await;
}

/// Where nothing else has a timer, it does not drive time on for ever.
#[tokio::test(start_paused = true)]
async fn paused_time_passes_for_somebody() {
    let clock = Arc::new(Counting(ManualClock::new(), AtomicUsize::new(0)));
    let gate = builder().clock(Arc::clone(&clock)).build().unwrap();
    let (_reaper, mut ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    let years = 1000 * 365 * 24 * LONG;
    for _ in 0..100 {
        sleep(years / 100).await;
    }
    let looks = clock.1.load(Relaxed);
    assert!(looks < 200, "{looks} looks at the clock");
    assert!(ended.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_tokio_rounds_what_has_begun_down_and_up() {
    let clock = TokioClock::new(TICK);
    let says = || (clock.now(), clock.now_rounded_up(), clock.now_both_ways());
    assert_eq!(says(), (0, 0, (0, 0)));
    advance(TICK * 9 / 10).await;
    assert_eq!(says(), (0, 1, (0, 1)));
    advance(TICK * 9 / 10).await;
    assert_eq!(says(), (1, 2, (1, 2)));
}

#[tokio::test(start_paused = true)]
async fn an_eviction_is_told_of_at_once() {
    for policy in [CapacityPolicy::EvictOldest, CapacityPolicy::EvictIdle { floor: TICK }] {
        let builder = builder().limit(Limit::at_most(1)).at_capacity(policy);
        let gate = builder.clock(TokioClock::new(TICK)).build().unwrap();
        let (_reaper, mut ended) = reap(&gate);
        let _victim = gate.admit(Some("a"), 1).unwrap();
        advance(2 * TICK).await;
        settle().await;
        let start = Instant::now();
        let _newcomer = gate.admit(Some("b"), 2).unwrap();
        let (told, at) = ended.recv().await.unwrap();
        assert_eq!(told, (1, CloseReason::Evicted));
        assert!(at - start <= TICK, "the reaper slept on: {:?}", at - start);
    }
}

#[tokio::test(start_paused = true)]
async fn a_touched_session_is_ended_later() {
    let gate = gate();
    let start = Instant::now();
    let (_reaper, mut ended) = reap(&gate);
    let session = gate.admit(Some("a"), 1).unwrap();
    sleep(LONG / 2).await;
    session.touch().unwrap();
    let (_, at) = ended.recv().await.unwrap();
    assert!(is_about(at - start, LONG + LONG / 2), "{:?}", at - start);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timeout_wakes_the_reaper() {
    let gate = gate();
    let start = Instant::now();
    let (_reaper, mut ended) = reap(&gate);
    settle().await;
    let short = Duration::from_secs(1);
    gate.set_init_timeout(Some(short)).unwrap();
    // The reaper sleeps again, less long, before there is a session.
    settle().await;
    let _session = gate.reserve(Some("a"), 1).unwrap().commit().unwrap();
    let (told, at) = ended.recv().await.unwrap();
    assert_eq!(told, (1, CloseReason::InitTimeout));
    assert!(is_about(at - start, short), "{:?}", at - start);
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_wakes_its_reaper() {
    let gate = gate();
    let start = Instant::now();
    let (_reaper, mut ended) = reap(&gate);
    let session = gate.admit(Some("a"), 1).unwrap();
    settle().await;
    gate.close_all(CloseReason::Shutdown);
    let (told, at) = ended.recv().await.unwrap();
    assert_eq!((told, at - start), ((1, CloseReason::Shutdown), Duration::ZERO));
    drop(session);
    assert_eq!((gate.in_use(), gate.stats().draining), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_hand_needs_a_wake() {
    let clock = Arc::new(ManualClock::new());
    let gate = builder().clock(Arc::clone(&clock)).build().unwrap();
    let (reaper, mut ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    settle().await;
    clock.set((LONG.as_nanos() / TICK.as_nanos()) as u64);
    settle().await;
    assert!(ended.try_recv().is_err(), "it sleeps");
    reaper.wake();
    settle().await;
    assert_eq!(ended.try_recv().unwrap().0, (1, CloseReason::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_reaper_survives_its_callback() {
    let gate = gate();
    let (told, mut ended) = unbounded_channel();
    let reaper = gate.reap_on_tokio(move |end| {
        told.send(end.tag).unwrap();
        resume_unwind(Box::new("planned"));
    });
    let _sessions: Vec<_> = (0..3).map(|tag| gate.admit_anonymous(tag).unwrap()).collect();
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(ended.recv().await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
    settle().await;
    assert_eq!(reaper.panics(), 3);
    let _session = gate.admit_anonymous(3).unwrap();
    assert_eq!(ended.recv().await, Some(3), "it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_is_dropped_stops() {
    let gate = gate();
    let (reaper, mut ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    settle().await;
    drop(reaper);
    assert!(ended.recv().await.is_none(), "its callback is gone");
    advance(2 * LONG).await;
    assert_eq!(gate.expired().len(), 1, "nobody else told");
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_is_stopped_has_stopped() {
    let gate = gate();
    let (reaper, mut ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    reaper.stop().await;
    assert!(
        ended
            .try_recv()
            .is_err_and(|error| { error == tokio::sync::mpsc::error::TryRecvError::Disconnected })
    );
    advance(2 * LONG).await;
    assert_eq!(gate.expired().len(), 1, "nobody else told");
}

/// The future is dropped at many points of its way, some of them due ones:
/// what it has told of and what is left are all the sessions, each once.
#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_loses_no_session() {
    let gate = gate();
    let mut owners = Vec::new();
    let mut told = Vec::new();
    for tag in 0..10 {
        owners.push(gate.admit_anonymous(tag).unwrap());
        let reaping = gate.reaping(|end| told.push(end.tag));
        assert!(timeout(LONG / 4, reaping).await.is_err(), "it never completes");
    }
    assert!(!told.is_empty() && told.len() < 10, "{told:?}");
    advance(2 * LONG).await;
    told.extend(gate.expired().iter().map(|end| end.tag));
    told.sort_unstable();
    assert_eq!(told, (0..10).collect::<Vec<_>>());
    drop(owners);
    assert_eq!((gate.in_use(), gate.stats().draining), (0, 0));
}

/// A future whose callback panics passes it on, after the session in question.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_future_reaches_who_polls_it() {
    let gate = gate();
    let _sessions: Vec<_> = (0..3).map(|tag| gate.admit_anonymous(tag).unwrap()).collect();
    let (ours, calls) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let task = tokio::spawn(async move {
        ours.reaping(|_| {
            counted.fetch_add(1, Relaxed);
            resume_unwind(Box::new("planned"));
        })
        .await
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!((calls.load(Relaxed), gate.expired().len()), (1, 2));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_runtime_that_is_shut_down_leaves_the_counts_right() {
    let clock = Arc::new(ManualClock::new());
    let gate = builder().clock(Arc::clone(&clock)).build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (reaper, mut ended) = first.block_on(async {
        let reaping = reap(&gate);
        settle().await;
        reaping
    });
    let sessions: Vec<_> = (0..3).map(|tag| gate.admit(Some("a"), tag).unwrap()).collect();
    drop(first);
    assert!(ended.try_recv().is_err());
    clock.set(u64::from(u32::MAX));
    reaper.wake(); // of nobody
    drop(reaper);
    assert_eq!((gate.in_use(), gate.stats().draining), (3, 0));

    let (_reaper, mut ended) = second.block_on(async {
        let reaping = reap(&gate);
        settle().await;
        reaping
    });
    let mut told: Vec<_> =
        std::iter::from_fn(|| ended.try_recv().ok()).map(|end| end.0.0).collect();
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2]);
    assert_eq!((gate.in_use(), gate.stats().draining), (3, 3));
    drop(sessions);
    assert_eq!((gate.in_use(), gate.stats().draining), (0, 0));
}

/// A thread and a task of the same gate: a ring wakes both.
#[test]
fn a_thread_and_a_task_reap_one_gate() {
    let clock = Arc::new(ManualClock::new());
    let gate = builder().clock(Arc::clone(&clock)).build().unwrap();
    let (told, ended) = std::sync::mpsc::channel();
    let from_task = told.clone();
    let _thread = gate.reap(move |end| told.send(end.tag).unwrap()).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let _task = gate.reap_on_tokio(move |end| from_task.send(end.tag).unwrap());
        settle().await;
        let sessions: Vec<_> = (0..100).map(|tag| gate.admit_anonymous(tag).unwrap()).collect();
        gate.close_all(CloseReason::Closed);
        settle().await;
        let mut all: Vec<_> = ended.iter().take(sessions.len()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    });
    assert_eq!((gate.in_use(), gate.stats().draining), (0, 0));
}

#[test]
fn a_runtime_without_timers_is_told_at_once() {
    let gate: Gate<String> = Gate::builder().build().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    let start = || runtime.block_on(async { gate.reap_on_tokio(|_| ()) });
    assert!(catch_unwind(AssertUnwindSafe(start)).is_err());
}
