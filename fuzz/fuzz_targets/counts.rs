//! Any sequence of calls of the subject counts and their overrides against
//! sequential maps.
#![no_main]

#[path = "../../tests/support/counts_model.rs"]
mod model;

#[path = "../../tests/support/hashers.rs"]
mod hashers;

use std::hash::{BuildHasherDefault, DefaultHasher};

use headcount::SubjectCounts;

/// Not keyed, so that one input is one run.
type Hashes = BuildHasherDefault<DefaultHasher>;

libfuzzer_sys::fuzz_target!(|steps: Vec<model::Step>| {
    model::run::<String, str, Hashes>(SubjectCounts::default(), &steps);
    model::run::<u64, u64, Hashes>(SubjectCounts::default().with_max_buckets(2048), &steps);
    // A crowd that collides would take the fuzzer's time.
    let few: Vec<_> =
        steps.into_iter().filter(|step| !matches!(step, model::Step::Crowd(_))).collect();
    model::run::<Vec<u8>, [u8], hashers::EightHashes>(SubjectCounts::default(), &few);
});
