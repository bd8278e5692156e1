//! What `loom-tests/support.rs` offers to the models, over shuttle.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub(crate) use std::sync::Arc as Shared;

pub(crate) mod thread {
    pub(crate) use shuttle::thread::{spawn, yield_now};
}

/// A model that needs more schedules than this is too large for this checker.
const MOST_SCHEDULES: usize = 20_000_000;

/// Real time is an order here: schedules are sequentially consistent.
pub(crate) fn fence(_: Ordering) {}

/// Runs `body` under every schedule; a search that stops at the cap fails.
#[track_caller]
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    let schedules = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&schedules);
    let started = Instant::now();
    shuttle::check_dfs(
        move || {
            counted.fetch_add(1, Ordering::Relaxed);
            body();
        },
        Some(MOST_SCHEDULES),
    );
    let schedules = schedules.load(Ordering::Relaxed);
    let this = std::thread::current();
    let name = this.name().unwrap_or("model");
    writeln!(std::io::stderr(), "twin {name}: {schedules} schedules, {:.1?}", started.elapsed())
        .expect("stderr is open");
    assert!(schedules < MOST_SCHEDULES, "the search of {name} stopped at the cap");
}

pub(crate) fn race<const N: usize>(threads: [Box<dyn FnOnce() + Send>; N]) {
    for thread in threads.map(shuttle::thread::spawn) {
        thread.join().expect("no thread panicked");
    }
}
