//! Read after `thread.rs`. A driver that is a future, and one that is a task of
//! a tokio runtime, with a handle.
//!
//! *Cancelling*: the future waits only between two rounds. A round is one call of
//! `advance`, which keeps nothing back. So a drop of the future loses nothing: each end
//! was reported, or is left to the next driver.
//!
//! *How long it sleeps*: as the thread of `thread.rs` does, but by tokio's time. A test
//! may have paused that: it then jumps to the next timer, whatever the gate's clock
//! says, and a driver beside a clock that stands still would sleep in vain for ever.
//! So a sleep in which only tokio's time has passed is followed by one twice as long,
//! and after `MOST_DOUBLINGS` of them by one until a ring. No session ends early by that, and
//! unless time is paused there is no such sleep.
//!
//! *Checked by*: `tests/gate_reaper_tokio.rs`.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::sleep::may_sleep;
use crate::clock::Clock;
use crate::gate::Ended;
use crate::gate::Gate;
use crate::sync::alarm::Alarm;

/// A task that ends the sessions of a gate in time; dropping it stops the task.
///
/// Comes from [`Gate::reap_on_tokio`]. It keeps the gate alive. Dropping it,
/// like the end of the runtime, loses nothing: what the task has not told of,
/// the next [`advance`](Gate::advance) does.
#[must_use = "dropping a reaper stops it"]
pub struct TokioReaper {
    panics: Arc<AtomicU64>,
    alarm: Arc<Alarm>,
    task: JoinHandle<Infallible>,
}

impl TokioReaper {
    /// How often the callback has panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// Makes the task look at the clock now: for clocks that do not pass by
    /// themselves.
    pub fn wake(&self) {
        self.alarm.ring();
    }

    /// Has the task come to its end with that of its runtime?
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops the task and waits until it has stopped and its callback is
    /// dropped. A drop does not wait: a callback that is running on another
    /// thread goes on with what is due at that time.
    pub async fn stop(mut self) {
        self.task.abort();
        _ = (&mut self.task).await;
    }
}

impl Drop for TokioReaper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for TokioReaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokioReaper").field("panics", &self.panics()).finish_non_exhaustive()
    }
}

/// `Err` if something panicked.
type Round = std::thread::Result<usize>;

/// Does a round at each tick at which something may have ended.
async fn rounds<K, T, C>(gate: &Gate<K, T, C>, mut round: impl FnMut(u64) -> Round) -> Infallible
where
    K: 'static,
    C: Clock,
{
    let core = &gate.core;
    // How many sleeps in a row tokio's time alone has passed in.
    let mut in_vain = 0;
    loop {
        // Before all that a ring may be about.
        let heard = core.alarm.rings();
        match round(core.now()) {
            Ok(_) => {
                // By the time that it is: the round may have taken long.
                let moment @ (now, _) = core.now_both_ways();
                let most = may_sleep(core, moment);
                let longer = (in_vain < MOST_DOUBLINGS).then(|| most.saturating_mul(1 << in_vain));
                let start = SleepStart::now();
                core.alarm.sleep_task(heard, longer).await;
                let passed = core.duration_of(core.now().saturating_sub(now));
                let is_in_vain = core.alarm.rings() == heard && start.was_for_tokio_alone(passed);
                in_vain = if is_in_vain { in_vain + 1 } else { 0 };
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// So many sleeps in vain are each twice as long as the one before; then one lasts until a ring.
const MOST_DOUBLINGS: u32 = 20;
/// Of tokio's time, the part that must have passed by another clock too.
const PART: u32 = 16;

/// When a sleep began, by tokio's time and the system's.
struct SleepStart {
    tokio: tokio::time::Instant,
    system: std::time::Instant,
}

impl SleepStart {
    fn now() -> Self {
        Self { tokio: tokio::time::Instant::now(), system: std::time::Instant::now() }
    }

    /// Has next to nothing passed by the system's clock and the gate's?
    fn was_for_tokio_alone(&self, by_gate: Duration) -> bool {
        let part = self.tokio.elapsed() / PART;
        by_gate < part && self.system.elapsed() < part
    }
}

impl<K: 'static, T: Clone, C: Clock> Gate<K, T, C> {
    /// A future that, for as long as it is polled, [advances](Self::advance)
    /// the gate in time and calls `f` with each session that has ended: there
    /// its owner is to be dropped. It never completes; it is for a `select!`
    /// beside what stops it.
    ///
    /// Dropping it loses nothing: what it has not told of, the next driver
    /// does. Needs the feature `tokio`.
    ///
    /// It sleeps by tokio's time. In a test that has paused it, the gate's clock
    /// must be a [`TokioClock`](crate::TokioClock); on another one, which does not
    /// move as that does, it soon sleeps until something [wakes](TokioReaper::wake)
    /// it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with timers, and whatever `f` panics with, as
    /// [`advance`](Self::advance) does.
    ///
    /// # Example
    ///
    /// ```
    /// # #[cfg(not(feature = "loom"))]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use headcount::Gate;
    ///
    /// let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// let gate: Gate<String> = Gate::builder().idle_timeout(Duration::from_millis(2)).build()?;
    /// runtime.block_on(async {
    ///     let session = gate.admit(Some("alice"), ()).expect("there is room");
    ///     let (told, ended) = tokio::sync::oneshot::channel();
    ///     let mut told = Some(told);
    ///     let reaping = gate.reaping(|end| _ = told.take().map(|told| told.send(end.reason)));
    ///     let reason = tokio::select! {
    ///         never = reaping => match never {},
    ///         reason = ended => reason.expect("it tells before it is dropped"),
    ///     };
    ///     assert_eq!(session.reason(), Some(reason));
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reaping(&self, mut f: impl FnMut(Ended<T>)) -> Infallible {
        rounds(self, |now| Ok(self.advance(now, &mut f))).await
    }
}

impl<K, T, C> Gate<K, T, C>
where
    K: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    C: Clock + 'static,
{
    /// Starts a task on the current tokio runtime that
    /// [advances](Self::advance) the gate in time and calls `f` with each
    /// session that has ended: there its owner is to be dropped.
    ///
    /// If `f` panics, the panic is caught and counted, and the task goes on
    /// with the next session. `f` runs on the runtime's threads, so it should
    /// not block. It sleeps by tokio's time, paused or not, as
    /// [`reaping`](Self::reaping) does. Needs the feature `tokio`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in one without timers.
    pub fn reap_on_tokio(&self, mut f: impl FnMut(Ended<T>) + Send + 'static) -> TokioReaper {
        // Here rather than in the task, where nobody would see it.
        drop(tokio::time::sleep(Duration::ZERO));
        let gate = self.clone();
        let alarm = Arc::clone(&gate.core.alarm);
        let panics = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&panics);
        let run = async move {
            let round = |now| {
                let outcome = catch_unwind(AssertUnwindSafe(|| gate.advance(now, &mut f)));
                outcome.inspect_err(|_| _ = counted.fetch_add(1, Relaxed))
            };
            rounds(&gate, round).await
        };
        TokioReaper { panics, alarm, task: tokio::spawn(run) }
    }
}
