//! Any sequence of calls of the subject counts and their overrides against
//! sequential maps.
#![no_main]

#[path = "../../tests/support/counts_model.rs"]
mod model;

#[path = "../../tests/support/hashers.rs"]
mod hashers;

use std::hash::{BuildHasherDefault, DefaultHasher};

use headcount::SubjectCounts;
use model::{Scale, Step};

/// Not keyed, so that one input is one run.
type Hashes = BuildHasherDefault<DefaultHasher>;

const SMALL: Scale = Scale { crowd: 1, threads: 1, drops_per_thread: 4 };

/// The same step with a crowd of less than 32: a map that starts with 8 buckets
/// grows by it.
fn small(step: Step) -> Step {
    match step {
        Step::Crowd(units) => Step::Crowd(units % 32),
        step => step,
    }
}

libfuzzer_sys::fuzz_target!(|run: (u8, Vec<Step>)| {
    let (map, steps) = run;
    let steps = steps.into_iter().map(small);
    if map % 3 == 2 {
        // A crowd that collides would take the fuzzer's time.
        let few: Vec<_> = steps.filter(|step| !matches!(step, Step::Crowd(_))).collect();
        model::run::<Vec<u8>, [u8], hashers::EightHashes>(SubjectCounts::default(), SMALL, &few);
        return;
    }
    let steps: Vec<_> = steps.collect();
    if map % 3 == 1 {
        let capped = SubjectCounts::default().with_max_buckets(32);
        model::run::<u64, u64, Hashes>(capped, SMALL, &steps);
    } else {
        model::run::<String, str, Hashes>(SubjectCounts::default(), SMALL, &steps);
    }
});
