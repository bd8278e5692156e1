#![cfg(not(feature = "loom"))]
//! A window allocates when it is made and never again.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::sync::Arc;

use counting_alloc::{CountingAlloc, allocator_calls};
use headcount::SlidingWindow;

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

/// One test, since the heap is the whole process's.
#[test]
fn what_a_window_asks_of_the_allocator() {
    reserve_rollback_and_refusal_never_call_the_allocator();
    the_window_takes_eight_bytes_for_each_place();
}

fn reserve_rollback_and_refusal_never_call_the_allocator() {
    let window = Arc::new(SlidingWindow::new(4, 10).unwrap());
    let calls = allocator_calls(|| {
        for turn in 0..1000 {
            let now = turn * 10;
            drop(window.try_reserve_at(now).unwrap());
            for _ in 0..2 {
                window.try_reserve_at(now).unwrap().commit();
                window.try_reserve_owned_at(now).unwrap().commit();
            }
            assert!(window.try_reserve_at(now + 9).is_err());
            assert!(window.try_reserve_owned_at(now + 9).is_err());
            assert!(window.check_at(now + 9).is_err());
        }
    });
    assert_eq!(calls, 0);
    assert_eq!(Arc::strong_count(&window), 1, "a committed token kept the window");
}

fn the_window_takes_eight_bytes_for_each_place() {
    let before = counting_alloc::live_bytes();
    let window = Box::new(SlidingWindow::new(10_000, 10).unwrap());
    let taken = counting_alloc::live_bytes() - before;
    // Beside the places: two cache lines for each thread that runs at a time, of at
    // most 64, and a few for all.
    let threads = std::thread::available_parallelism().map_or(4, usize::from);
    let lines = threads.next_power_of_two().clamp(4, 64) * 128 + 1024;
    assert!((80_000..80_000 + lines).contains(&taken), "{taken} bytes");
    drop(window);
}
