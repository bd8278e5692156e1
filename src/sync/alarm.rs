//! Wakes threads and tasks that sleep; known as an event count.
//!
//! ```text
//!  63              1     0
//! +------------------+--------+   rings: how often it rang
//! |      rings       | asleep |   asleep: somebody may sleep whom no ring wakes yet
//! +------------------+--------+
//! ```
//!
//! *Invariant*: whoever sleeps has heard the last ring, or a ring is about to wake it.
//!
//! *How*: a sleeper first becomes known to those who wake (by the lock, or by a waiter
//! in the list of tokio's `Notify`), then sets `asleep`, and sleeps only if that
//! write found no ring that it has not heard. A ring adds one; if it finds `asleep`,
//! it clears it, and whoever clears it wakes all. One word orders a ring and a set:
//! either the sleeper sees the ring; or the ring sees `asleep`; or another ring
//! has cleared `asleep` in between and is about to wake.
//!
//! *Linearization points*: ring → its addition; sleep → the write that sets `asleep`
//! for the last time.
//!
//! | access | ordering | pairs with | without it |
//! |---|---|---|---|
//! | ring's addition | `Release` | `rings`, the set | a driver that has heard a ring misses what was done before it |
//! | `rings`, the set | `Acquire` | ring's addition | the same, from the other side |
//! | the set | `Release` | the clearing | the wake-up passes over a waiter that was made before |
//! | the clearing | `Acquire` | the set | the same, from the other side |
//!
//! *Progress*: a ring is one wait-free addition unless somebody sleeps; the first ring
//! then takes the lock for an instant and wakes, the next ones do not.
//! *Bounds*: 2^63 rings.
//!
//! *Checked by*: `crates/twin/src/alarm_models.rs` and its mutants (threads, no weak
//! orderings), `alarm_tests.rs`, `tests/gate_reaper*.rs`.

use std::sync::PoisonError;
use std::time::Duration;

use crate::sync::sleep::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering::*};

const ASLEEP: u64 = 1;
const RING: u64 = 2;

#[derive(Debug, Default)]
pub(crate) struct Alarm {
    /// `rings:63 | asleep:1`, as drawn in the module header.
    word: AtomicU64,
    /// Held from the setting of `asleep` until the thread sleeps.
    falling_asleep: Mutex<()>,
    changed: Condvar,
    #[cfg(feature = "tokio")]
    tasks: tokio::sync::Notify,
}

impl Alarm {
    /// Wakes all that sleep. What was done before is seen by who has heard it.
    pub(crate) fn ring(&self) {
        let before = self.word.fetch_add(RING, AcqRel);
        if before & ASLEEP != 0 && self.word.fetch_and(!ASLEEP, AcqRel) & ASLEEP != 0 {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        // Whoever had set `asleep` sleeps when the lock is free.
        drop(self.lock());
        self.changed.notify_all();
        #[cfg(feature = "tokio")]
        self.tasks.notify_waiters();
    }

    /// How often it rang.
    pub(crate) fn rings(&self) -> u64 {
        self.word.load(Acquire) / RING
    }

    /// Sleeps until it rang more often than `heard`, at most so long.
    pub(crate) fn sleep(&self, heard: u64, most: Duration) {
        let guard = self.lock();
        drop(self.changed.wait_timeout_while(guard, most, |()| self.may_sleep(heard)));
    }

    /// The same for a task; may return early. Always lets other tasks run.
    /// Without `most` it sleeps until it rings.
    #[cfg(feature = "tokio")]
    pub(crate) async fn sleep_task(&self, heard: u64, most: Option<Duration>) {
        // From here on it is woken by `notify_waiters`, polled or not.
        let woken = self.tasks.notified();
        match most {
            _ if !self.may_sleep(heard) => tokio::task::yield_now().await,
            Some(most) => _ = tokio::time::timeout(most, woken).await,
            None => woken.await,
        }
    }

    /// Sets `asleep`; did it ring no more often than `heard`?
    fn may_sleep(&self, heard: u64) -> bool {
        self.word.fetch_or(ASLEEP, AcqRel) / RING == heard
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.falling_asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
