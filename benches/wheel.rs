//! The timer wheel and its peers under criterion, with 10,000 timers.
//! `ratios.rs` compares the same cases and larger ones within one run, which is
//! the fairer judge on a noisy machine.

mod common;
mod workloads;

use criterion::{Criterion, criterion_group, criterion_main};

fn wheel(criterion: &mut Criterion) {
    common::with_criterion(&workloads::wheel::part(), criterion);
}

criterion_group!(benches, wheel);
criterion_main!(benches);
