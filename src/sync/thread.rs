//! A small number for each thread, in the order in which they first ask.
//!
//! In a model every thread has the same one: the threads of a model run on one
//! thread of the system.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: usize = NEXT.fetch_add(1, Relaxed);
}

/// This thread's number; 0 while the thread is torn down.
pub(crate) fn number() -> usize {
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

/// How many cache lines are enough that threads at work seldom share one, if
/// each takes the one of its [`number`].
#[cfg(not(feature = "loom"))]
pub(crate) fn lines() -> usize {
    let threads = std::thread::available_parallelism().map_or(4, usize::from);
    threads.next_power_of_two().clamp(4, 64)
}

#[cfg(feature = "loom")]
pub(crate) fn lines() -> usize {
    1
}
