#![cfg(not(feature = "loom"))]
//! What a live timer costs in bytes, against `DelayQueue` in the same run: the
//! heap that the structure takes, without what the caller keeps of each timer.
//! One test, since it judges the heap.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::time::Duration;

use counting_alloc::{CountingAlloc, live_bytes};
use headcount::{ManualClock, TimerWheel};
use tokio::runtime::Builder;
use tokio_util::time::DelayQueue;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

const TIMERS: u64 = 1_000_000;

/// Five minutes of milliseconds.
fn idle(n: u64) -> u64 {
    1 + n * 7919 % 300_000
}

/// Bytes a timer that `insert` takes, of which the handles are not counted.
fn bytes_a_timer<H>(mut insert: impl FnMut(u64) -> H) -> f64 {
    let mut handles = Vec::with_capacity(TIMERS as usize);
    let before = live_bytes();
    handles.extend((0..TIMERS).map(&mut insert));
    (live_bytes() - before) as f64 / TIMERS as f64
}

#[test]
fn a_timer_takes_at_most_four_fifths_of_what_a_delay_queue_takes() {
    let wheel = TimerWheel::new(ManualClock::new());
    let ours = bytes_a_timer(|n| wheel.insert(idle(n), n).unwrap());
    drop(wheel);

    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut queue = DelayQueue::new();
    let theirs = bytes_a_timer(|n| queue.insert(n, Duration::from_millis(idle(n))));

    println!("{ours:.1} bytes a timer, DelayQueue {theirs:.1}: {:.2}", ours / theirs);
    assert!(theirs >= 16.0, "{theirs}: a payload and its deadline are no less");
    assert!(ours <= 0.8 * theirs, "{ours} bytes a timer, DelayQueue {theirs}");
}
