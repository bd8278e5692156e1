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

/// A crowd of 255 makes a map grow that starts with 16 buckets.
const SMALL: model::Scale = model::Scale { crowd: 1, drops_per_thread: u32::MAX };

libfuzzer_sys::fuzz_target!(|steps: Vec<model::Step>| {
    model::run::<String, str, Hashes>(SubjectCounts::default(), SMALL, &steps);
    model::run::<u64, u64, Hashes>(SubjectCounts::default().with_max_buckets(32), SMALL, &steps);
    // A crowd that collides would take the fuzzer's time.
    let few: Vec<_> =
        steps.into_iter().filter(|step| !matches!(step, model::Step::Crowd(_))).collect();
    model::run::<Vec<u8>, [u8], hashers::EightHashes>(SubjectCounts::default(), SMALL, &few);
});
