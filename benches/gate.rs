//! The gate and its peers under criterion, with up to 10,000 sessions.
//! `ratios.rs` compares the same cases and larger ones within one run, which is
//! the fairer judge on a noisy machine.

mod common;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

fn gate(criterion: &mut Criterion) {
    common::with_criterion(&workloads::gate::part(), criterion);
}

criterion_group!(benches, gate);
criterion_main!(benches);
