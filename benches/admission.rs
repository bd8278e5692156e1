//! The admission counter and its peers under criterion. `ratios.rs` compares
//! the same cases within one run, which is the fairer judge on a noisy machine.

mod common;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

fn admission(criterion: &mut Criterion) {
    common::with_criterion(&workloads::admission::part(), criterion);
}

criterion_group!(benches, admission);
criterion_main!(benches);
