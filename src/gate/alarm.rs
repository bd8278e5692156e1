//! Read after `settings.rs`. Wakes drivers that sleep: threads, and tasks.
//!
//! ```text
//!  63              1     0
//! +------------------+--------+   rings: how often it rang
//! |      rings       | asleep |   asleep: somebody may sleep that no ring wakes yet
//! +------------------+--------+
//! ```
//!
//! *Invariant*: nobody sleeps who has not heard the last ring, but for those
//! that a ring is about to wake.
//!
//! *How*: who is about to sleep first makes itself known to those who wake (by
//! the lock, or by a waiter in the list of tokio's `Notify`), then sets
//! `asleep`, and sleeps only if that very write found no ring that it has not
//! heard. Who rings adds a ring; if that found `asleep`, it clears that, and
//! whoever clears it wakes all. So of a ring and a set one comes first in the
//! order of the one word: the sleeper sees the ring; or the ring sees `asleep`;
//! or another ring has cleared that in between and is about to wake.
//!
//! *Linearization points*: ring → its addition; sleep → the write that sets
//! `asleep` for the last time.
//!
//! | access | ordering | pairs with | without it |
//! |---|---|---|---|
//! | ring's addition | `Release` | `rings`, the set | a driver that has heard a ring misses what it was about |
//! | `rings`, the set | `Acquire` | ring's addition | the same, from the other side |
//! | the set | `Release` | the clearing | who wakes all passes over a waiter that was made before |
//! | the clearing | `Acquire` | the set | the same, from the other side |
//!
//! *Progress*: ring is one wait-free addition unless somebody sleeps; the first
//! ring then takes the lock for an instant and wakes, the next ones do not.
//! *Bounds*: 2^63 rings.
//!
//! *Checked by*: the tests below, `tests/gate_reaper*.rs`. No model: that each
//! step comes in its place is shown by the argument above alone.

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const ASLEEP: u64 = 1;
const RING: u64 = 2;

#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// `rings:63 | asleep:1`, as drawn in the module header.
    word: AtomicU64,
    /// Held from the setting of `asleep` until the thread sleeps.
    bed: Mutex<()>,
    changed: Condvar,
    #[cfg(feature = "tokio")]
    tasks: tokio::sync::Notify,
}

impl Alarm {
    /// Wakes all that sleep. What was done before is seen by who has heard it.
    pub(super) fn ring(&self) {
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
    pub(super) fn rings(&self) -> u64 {
        self.word.load(Acquire) / RING
    }

    /// Sleeps until it rang more often than `heard`, at most so long.
    pub(super) fn sleep(&self, heard: u64, most: Duration) {
        let bed = self.lock();
        drop(self.changed.wait_timeout_while(bed, most, |()| self.may_sleep(heard)));
    }

    /// The same for a task; may return early. Always lets other tasks run.
    #[cfg(feature = "tokio")]
    pub(super) async fn sleep_task(&self, heard: u64, most: Duration) {
        // From here on it is woken by `notify_waiters`, polled or not.
        let woken = self.tasks.notified();
        if self.may_sleep(heard) {
            _ = tokio::time::timeout(most, woken).await;
        } else {
            tokio::task::yield_now().await;
        }
    }

    /// Sets `asleep`; did it ring no more often than `heard`?
    fn may_sleep(&self, heard: u64) -> bool {
        self.word.fetch_or(ASLEEP, AcqRel) / RING == heard
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.bed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::thread;

    use super::*;

    /// No test waits for so long; one that loses a wake-up hangs.
    const LONG: Duration = Duration::from_secs(86_400);
    const ROUNDS: u64 = 20_000;

    /// One thread goes to sleep `ROUNDS` times, while another rings a little
    /// before, meanwhile or a little after.
    fn no_ring_is_lost(mut sleep: impl FnMut(&Alarm, u64)) {
        let alarm = Alarm::default();
        let goes = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    while goes.load(Relaxed) < round {
                        thread::yield_now();
                    }
                    (0..round % 256).for_each(|_| std::hint::spin_loop());
                    alarm.ring();
                }
            });
            for round in 0..ROUNDS {
                goes.store(round + 1, Relaxed);
                while alarm.rings() == round {
                    sleep(&alarm, round);
                }
            }
        });
        assert_eq!(alarm.rings(), ROUNDS);
    }

    #[test]
    fn a_thread_that_goes_to_sleep_misses_no_ring() {
        no_ring_is_lost(|alarm, heard| alarm.sleep(heard, LONG));
    }

    #[test]
    #[cfg(feature = "tokio")]
    fn a_task_that_goes_to_sleep_misses_no_ring() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        no_ring_is_lost(|alarm, heard| runtime.block_on(alarm.sleep_task(heard, LONG)));
    }

    #[test]
    fn a_ring_takes_no_lock_while_nobody_sleeps() {
        let alarm = Alarm::default();
        alarm.sleep(0, Duration::ZERO);
        alarm.ring(); // somebody might sleep since
        let bed = alarm.lock();
        alarm.ring();
        drop(bed);
        assert_eq!(alarm.rings(), 2);
    }
}
