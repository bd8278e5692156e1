//! Read after `gate/advance.rs`, `sync/alarm.rs`. A driver on a thread of its own.
//!
//! *How long it sleeps*: until the first timeout may end, and never longer than the
//! shortest timeout. So a session that comes while it sleeps does not end before it
//! wakes, and an admission need not wake it. A call that shortens a timeout, evicts or
//! closes the gate wakes it.
//!
//! *Progress*: the thread sleeps on the alarm. Only the drop of its handle waits for
//! it.
//!
//! *Checked by*: `tests/gate_reaper.rs`.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread::{self, JoinHandle};

use super::sleep::may_sleep;
use crate::clock::Clock;
use crate::gate::Ended;
use crate::gate::Gate;
use crate::sync::alarm::Alarm;

/// What the thread and its handle share.
#[derive(Debug, Default)]
struct Shared {
    is_stopped: AtomicBool,
    panics: AtomicU64,
}

/// A thread that ends the sessions of a gate in time; dropping it stops it and
/// waits for it.
///
/// Comes from [`Gate::reap`]. It keeps the gate alive.
#[must_use = "dropping a reaper stops it"]
pub struct Reaper {
    shared: Arc<Shared>,
    alarm: Arc<Alarm>,
    thread: Option<JoinHandle<()>>,
}

impl Reaper {
    /// How often the callback has panicked.
    pub fn panics(&self) -> u64 {
        self.shared.panics.load(Relaxed)
    }

    /// Makes the thread look at the clock now: for clocks that do not pass by
    /// themselves.
    pub fn wake(&self) {
        self.alarm.ring();
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Relaxed);
        self.alarm.ring();
        if let Some(thread) = self.thread.take() {
            // Dropped by its own callback it cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaper").field("panics", &self.panics()).finish_non_exhaustive()
    }
}

impl<K, T, C> Gate<K, T, C>
where
    K: Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    C: Clock + 'static,
{
    /// Starts a thread that [advances](Self::advance) the gate in time and
    /// calls `f` with each session that has ended: there its owner is to be
    /// dropped.
    ///
    /// If `f` panics, the panic is caught and counted, and the thread goes on
    /// with the next session.
    ///
    /// # Errors
    ///
    /// Those of starting a thread.
    pub fn reap(&self, mut f: impl FnMut(Ended<T>) + Send + 'static) -> io::Result<Reaper> {
        let gate = self.clone();
        let alarm = Arc::clone(&gate.core.alarm);
        let shared = Arc::new(Shared::default());
        let (rings, ours) = (Arc::clone(&alarm), Arc::clone(&shared));
        let run = move || {
            loop {
                // Before all that a ring may be about.
                let heard = rings.rings();
                if ours.is_stopped.load(Relaxed) {
                    break;
                }
                let now = gate.core.now();
                match catch_unwind(AssertUnwindSafe(|| gate.advance(now, &mut f))) {
                    // By the time that it is: `f` may have taken long.
                    Ok(_) => rings.sleep(heard, may_sleep(&gate.core, gate.core.now_both_ways())),
                    Err(_) => _ = ours.panics.fetch_add(1, Relaxed),
                }
            }
        };
        let thread = thread::Builder::new().name("headcount-reaper".to_owned()).spawn(run)?;
        Ok(Reaper { shared, alarm, thread: Some(thread) })
    }
}
