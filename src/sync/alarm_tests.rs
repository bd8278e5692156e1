//! Tests of `alarm.rs`, which has none of its own: another crate compiles it too.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use super::alarm::Alarm;

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
    no_ring_is_lost(|alarm, heard| runtime.block_on(alarm.sleep_task(heard, Some(LONG))));
}

#[test]
fn a_ring_takes_no_lock_while_nobody_sleeps() {
    let alarm = Alarm::default();
    alarm.sleep(0, Duration::ZERO);
    alarm.ring(); // somebody might sleep since
    let guard = alarm.lock();
    alarm.ring();
    drop(guard);
    assert_eq!(alarm.rings(), 2);
}
