//! The models: every interleaving of a few threads on the crate's own source,
//! within the bounds that `support.rs` sets and prints.
//!
//! Run them with `cargo test --features loom`; `loom-tests/mutants/README.md`
//! tells how it is shown that they can fail.

extern crate headcount as product;

mod linearize;
mod support;

mod admission;
mod admission_orderings;
mod counts;
mod counts_cache;
mod counts_orderings;
mod gate;
mod gate_evict;
mod gate_linear;
mod rate;
mod wheel;
