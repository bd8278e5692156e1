//! The subject counts and their peers under criterion. `ratios.rs` compares
//! the same cases within one run, which is the fairer judge on a noisy machine.

mod common;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

fn counts(criterion: &mut Criterion) {
    common::with_criterion(&workloads::counts::part(), criterion);
}

criterion_group!(benches, counts);
criterion_main!(benches);
