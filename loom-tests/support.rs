//! Runs a model under loom and refuses to call a capped search a success.
//!
//! Loom returns normally when it stops at a limit on time or iterations, so
//! such a run would look green; [`model`] fails it. The bounds are set here,
//! so that a plain `cargo test --features loom` needs no environment; loom's
//! own `LOOM_*` variables override them for deeper runs.
#![allow(dead_code, unused_imports, reason = "each part uses what it needs")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// An `Arc` whose counting the checker follows: for values with a drop that
/// accesses memory, which std's would let it take for a race.
pub use loom::sync::Arc as Shared;
pub use loom::sync::atomic::fence;
pub use loom::thread;

/// Switches away from a runnable thread that one execution may contain.
const PREEMPTIONS: usize = 2;

/// A model that needs more iterations than this is too large: shrink it.
const MOST_ITERATIONS: usize = 1_000_000;

/// ... or more time.
const MOST_TIME: Duration = Duration::from_secs(300);

/// Steps of one execution.
const MOST_BRANCHES: usize = 5_000;

/// Checks `body` in every interleaving within the bounds.
///
/// All racing work belongs into threads that `body` spawns: loom explores the
/// main thread's own steps less.
#[track_caller]
pub fn model(body: impl Fn() + Send + Sync + 'static) {
    model_with(PREEMPTIONS, body);
}

/// [`model`] for threads whose way is too long for as many switches.
#[track_caller]
pub fn model_with(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_permutations.get_or_insert(MOST_ITERATIONS);
    builder.max_duration.get_or_insert(MOST_TIME);
    check(builder, body);
}

fn check(mut builder: loom::model::Builder, body: impl Fn() + Send + Sync + 'static) {
    // No model spins; the wheel's are long enough for loom's default to end them.
    builder.max_branches = builder.max_branches.max(MOST_BRANCHES);
    // Loom looks at its caps once in so many iterations; at 1 they are exact.
    builder.checkpoint_interval = 1;
    let iterations = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&iterations);
    let started = Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        body();
    });

    let (iterations, took) = (iterations.load(Ordering::Relaxed), started.elapsed());
    // The test harness names its threads after the tests. Written to stderr
    // itself, the line is there for passing tests too.
    let this = std::thread::current();
    let name = this.name().unwrap_or("model");
    let bound = builder.preemption_bound.map_or("none".to_owned(), |bound| bound.to_string());
    writeln!(
        std::io::stderr(),
        "model {name}: {iterations} iterations, preemption bound {bound}, {took:.1?}"
    )
    .expect("stderr is open");
    let capped = builder.max_permutations.is_some_and(|most| iterations + 1 >= most)
        || builder.max_duration.is_some_and(|most| took >= most);
    assert!(!capped, "the search of {name} stopped at a cap, so it shows nothing");
}

/// Runs the closures in spawned threads and joins them all.
pub fn race<const N: usize>(threads: [Box<dyn FnOnce() + Send>; N]) {
    for thread in threads.map(thread::spawn) {
        thread.join().expect("no thread panicked");
    }
}

#[test]
#[should_panic(expected = "stopped at a cap")]
fn a_search_that_stops_at_a_cap_fails() {
    let mut builder = loom::model::Builder::new();
    builder.max_permutations = Some(2);
    check(builder, || {
        let shared = Shared::new(loom::sync::atomic::AtomicUsize::new(0));
        race([(); 2].map(|()| -> Box<dyn FnOnce() + Send> {
            let shared = Shared::clone(&shared);
            Box::new(move || {
                shared.fetch_add(1, Ordering::Relaxed);
            })
        }));
    });
}
