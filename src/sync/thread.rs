//! A small number for each thread, in the order in which they first ask.
//!
//! In a model every thread has the same one: the threads of a model run on one
//! thread of the system.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: usize = NEXT.fetch_add(1, Relaxed);
}

/// This thread's number, which no other thread has or had; while the thread is torn
/// down, the largest of all, which many may have at once.
pub(crate) fn number() -> usize {
    NUMBER.try_with(|number| *number).unwrap_or(usize::MAX)
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

/// [`number`], with one for each thread of a model too.
#[cfg(not(feature = "loom"))]
pub(crate) use number as own_number;

/// The number of the model's thread: 0 for the main one, then 1, 2, 3.
#[cfg(feature = "loom")]
pub(crate) fn own_number() -> usize {
    use std::hash::{Hash, Hasher};

    /// Keeps the number that is written last, which in an id is the thread's.
    struct Last(usize);

    impl Hasher for Last {
        fn write(&mut self, _: &[u8]) {}

        fn write_usize(&mut self, number: usize) {
            self.0 = number;
        }

        fn finish(&self) -> u64 {
            self.0 as u64
        }
    }

    let mut last = Last(0);
    loom::thread::current().id().hash(&mut last);
    last.0
}

/// Waits a few microseconds at most, so that whoever was faster can go on with
/// what it has in its cache.
#[cfg(not(feature = "loom"))]
#[cold]
pub(crate) fn let_others_go_ahead() {
    for _ in 0..100 {
        std::hint::spin_loop();
    }
}

/// Nothing in a model: the search lets others go ahead everywhere.
#[cfg(feature = "loom")]
pub(crate) fn let_others_go_ahead() {}
