#![cfg(not(feature = "loom"))]
//! The whole API of the subject counts and their overrides against sequential
//! maps, for subjects of several types and hashers good and bad.

#[path = "support/counts_model.rs"]
mod model;

#[path = "support/hashers.rs"]
mod hashers;

use std::hash::RandomState;

use headcount::SubjectCounts;
use model::{Scale, Step};
use proptest::prelude::*;

/// Few subjects more often than many, so that their counts and ends meet.
fn subject() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0_u8..3, 1 => 0_u8..12]
}

/// Small limits, where they bind, and the ends of the word.
fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..5, 1 => Just(u32::MAX - 1), 1 => Just(u32::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let place = 0_usize..16;
    prop_oneof![
        6 => (subject(), limit()).prop_map(|(subject, limit)| Step::Acquire(subject, limit)),
        4 => (subject(), limit()).prop_map(|(subject, limit)| Step::AcquireOwned(subject, limit)),
        4 => subject().prop_map(Step::AcquireByOverrides),
        8 => place.clone().prop_map(Step::Drop),
        1 => place.clone().prop_map(Step::DropElsewhere),
        1 => place.prop_map(Step::Forget),
        3 => subject().prop_map(Step::DropAllOf),
        1 => (0_u8..4).prop_map(Step::Crowd),
        1 => Just(Step::Disperse),
        2 => Just(Step::Walk),
        2 => (subject(), limit()).prop_map(|(subject, limit)| Step::SetOverride(subject, limit)),
        2 => subject().prop_map(Step::RemoveOverride),
        1 => limit().prop_map(Step::SetDefault),
    ]
}

/// Crowds that make a map grow, and threads that end.
const LARGE: Scale = Scale { crowd: 64, threads: u32::MAX, drops_per_thread: 1 };

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..80)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, cases, ..Default::default() }
}

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn text_is_counted_as_by_a_sequential_map(steps in steps()) {
        model::run::<String, str, RandomState>(SubjectCounts::new(), LARGE, &steps);
        model::run::<String, String, RandomState>(SubjectCounts::new(), LARGE, &steps);
    }

    #[test]
    fn numbers_are_counted_as_by_a_sequential_map(steps in steps()) {
        model::run::<u64, u64, RandomState>(SubjectCounts::new(), LARGE, &steps);
    }

    #[test]
    fn bytes_are_counted_as_by_a_sequential_map(steps in steps()) {
        model::run::<Vec<u8>, [u8], RandomState>(SubjectCounts::new(), LARGE, &steps);
    }

    #[test]
    fn collisions_change_no_answer(steps in steps()) {
        model::run::<String, str, hashers::OneHash>(SubjectCounts::default(), LARGE, &steps);
        model::run::<u64, u64, hashers::EightHashes>(SubjectCounts::default(), LARGE, &steps);
        model::run::<Vec<u8>, [u8], hashers::TopBits>(SubjectCounts::default(), LARGE, &steps);
    }
}

proptest! {
    #![proptest_config(cases(24))]

    /// The smallest map has 1,024 buckets: crowds of thousands make it grow
    /// several times, while some are there and before others come.
    #[test]
    fn growth_changes_no_answer(
        before in steps(),
        between in steps(),
        crowds in prop::collection::vec(40_u8..80, 2..4),
    ) {
        let mut all = before;
        for crowd in crowds {
            all.push(Step::Crowd(crowd));
            all.extend(between.iter().filter(|step| !matches!(step, Step::Disperse)));
        }
        model::run::<String, str, RandomState>(SubjectCounts::new(), LARGE, &all);
        model::run::<u64, u64, RandomState>(SubjectCounts::new().with_max_buckets(2048), LARGE, &all);
    }
}
