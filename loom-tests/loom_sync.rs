//! Models of what the parts share: every interleaving of a few threads on the crate's own
//! source, within the bounds that `support.rs` sets and prints. A program of
//! its own, so that a mutant builds no other part's models.
//!
//! Run them with `cargo test --features loom --test loom_sync`;
//! `loom-tests/mutants/README.md` tells how it is shown that they can fail.

extern crate headcount as product;

mod support;
mod sync;
