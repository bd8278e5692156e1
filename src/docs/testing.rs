//! What "verified" means here, and what it does not.
//!
//! | means | shows | does not show |
//! |---|---|---|
//! | loom models (`cargo test --features loom`) | every interleaving of two or three threads on the shipped source, weak orderings included, up to two preemptions (one where two whole admissions race) | more threads, more preemptions, the codegen |
//! | the depth-first twin (`cargo test -p twin`) | every schedule of the smallest models, without a bound | weak orderings |
//! | mutants (`loom-tests/mutants/run`) | that a weakened line makes a named model or test fail | lines that no mutant weakens |
//! | recorded histories | that the answers are those of a sequential object | orderings, since recording adds fences |
//! | property tests, fuzzing | the whole API against a sequential model | races |
//! | sanitizers (`.ci/deep sanitize`) | that no test reads or writes memory that is not its own, or leaks any | races, what no test does |
//! | the soak (`cargo run --release -p soak`) | no drift, nothing left and bounded memory over 50 million operations of every kind on gates of each policy, panics and cancellations included | what did not happen to occur |
//! | audits under real threads | no overshoot and no spurious refusal in millions of attempts, judged by a clock | what did not happen to occur |
//!
//! # Why a touch before each operation
//!
//! Loom 0.7.2 remembers the last access of each thread to an object. A load
//! that is followed by a compare-and-swap on the same object is forgotten
//! before the search could place another thread between the two, which is
//! where the bugs of such loops are. Under the feature `loom` each operation
//! is therefore preceded by a relaxed read-modify-write on an object of its
//! own. In a normal build the atomics are std's own types.
//!
//! # What a cap means
//!
//! Loom returns normally when it stops at a limit on time or iterations. The
//! harness fails such a run, and prints the iterations of every model.
//!
//! # Why not ThreadSanitizer
//!
//! It does not model fences, by which the reclaimer orders a pin before the
//! loads under it, and it sees nothing of what a standard library synchronises
//! that was built without it. Of its 277 reports on the tests, none is a race.
//! The models look for those, fences included.
//!
//! # Versions and targets
//!
//! `.ci/deep` runs the tests on the newest and on the lowest dependencies that
//! the manifests take, and type-checks the libraries with Rust 1.85 and for
//! Windows, macOS and Linux on aarch64. The tests run on Linux on x86-64 only.
//!
//! # What is taken on trust
//!
//! crossbeam-epoch and scc are not model-checked here. Under
//! the feature `loom` a reclaimer that does the worst its contract allows stands
//! for the first, so the models check what this crate does with it.
//!
//! The order of evictions has models of its own; in those of the gate each operation on
//! it is one step, by what it promises (`src/order/in_one_step.rs`).
//!
//! The adapters' own atomics (the word of a request's slot, the counts of calls
//! under way) run on a server's threads and are in no model: their headers argue for
//! them, and tests of threads and sockets try them.
