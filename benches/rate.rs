//! The sliding window and its peers under criterion. `ratios.rs` compares
//! the same cases within one run, which is the fairer judge on a noisy machine.

mod common;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

fn rate(criterion: &mut Criterion) {
    common::with_criterion(&workloads::rate::part(), criterion);
}

criterion_group!(benches, rate);
criterion_main!(benches);
