#![cfg(not(feature = "loom"))]
//! The whole API of the admission counter against a sequential model, and what
//! its errors say.

#[path = "support/admission_model.rs"]
mod model;

use headcount::{AcquireManyError, AdmissionCounter, Limit, LimitTooLarge};
use model::Step;
use proptest::prelude::*;

/// Small numbers, where the limits meet, and the ends of the word.
fn slots() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0_usize..6,
        1 => Just(u32::MAX as usize - 1),
        1 => Just(u32::MAX as usize),
        1 => Just(usize::MAX),
    ]
}

fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..10, 1 => Just(u32::MAX - 1), 1 => Just(u32::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    let index = 0_usize..8;
    prop_oneof![
        4 => Just(Step::Acquire),
        3 => slots().prop_map(Step::AcquireMany),
        3 => index.clone().prop_map(Step::Drop),
        1 => index.clone().prop_map(Step::Forget),
        2 => index.clone().prop_map(Step::HandOver),
        2 => (index.clone(), slots()).prop_map(|(index, slots)| Step::Split(index, slots)),
        2 => (index.clone(), index.clone()).prop_map(|(into, from)| Step::Merge(into, from)),
        1 => index.prop_map(Step::MergeForeign),
        2 => limit().prop_map(Step::SetLimit),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..Default::default() })]

    #[test]
    fn the_counter_answers_as_a_sequential_one(
        limit in limit(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        model::run_borrowed(limit, &steps);
        model::run_owned(limit, &steps);
    }
}

#[test]
fn a_limit_of_zero_admits_nobody() {
    let counter = AdmissionCounter::new(Limit::at_most(0));
    assert!(counter.try_acquire().is_err());
    assert_eq!((counter.in_use(), counter.available()), (0, 0));
}

#[test]
fn unlimited_is_said_by_name_and_still_counts() {
    let counter = AdmissionCounter::new(Limit::UNLIMITED);
    let permits: Vec<_> = (0..1000).map(|_| counter.try_acquire().unwrap()).collect();
    assert_eq!(counter.in_use(), 1000);
    assert_eq!(counter.limit().get(), None);
    assert_eq!(counter.limit().to_string(), "unlimited");
    drop(permits);
    assert_eq!(counter.in_use(), 0);
}

#[test]
fn an_unlimited_count_stops_at_what_the_word_holds() {
    let counter = AdmissionCounter::new(Limit::UNLIMITED);
    let _all = counter.try_acquire_many(u32::MAX as usize).unwrap();
    assert!(counter.try_acquire().is_err(), "one more would wrap");
    assert_eq!((counter.in_use(), counter.available()), (u32::MAX, 0));
}

/// `rollback_limit_changed`: the limit changes, also to and from unlimited,
/// between an acquire and its rollback.
#[test]
fn rollback_limit_changed() {
    let counter = AdmissionCounter::new(Limit::at_most(2));
    for limit in [Limit::at_most(0), Limit::UNLIMITED, Limit::at_most(1), Limit::at_most(2)] {
        let before = counter.set_limit(Limit::at_most(2));
        let first = counter.try_acquire().unwrap();
        let second = counter.try_acquire().unwrap();
        assert_eq!(counter.set_limit(limit), Limit::at_most(2));
        drop(first);
        counter.set_limit(before);
        drop(second);
        assert_eq!(counter.in_use(), 0, "after the limit was {limit}");
    }
}

#[test]
fn errors_name_what_is_wrong_and_hold_no_count() {
    let counter = AdmissionCounter::new(Limit::at_most(3));
    let mut all = counter.try_acquire_many(3).unwrap();
    let full = counter.try_acquire().unwrap_err();
    assert_eq!(full.to_string(), "at capacity");
    assert_eq!(AcquireManyError::from(full).to_string(), "at capacity");
    assert_eq!(
        counter.try_acquire_many(0).unwrap_err().to_string(),
        "asked for 0 slots; the least is 1"
    );
    assert_eq!(
        counter.try_acquire_many(1 << 32).unwrap_err().to_string(),
        "asked for 4294967296 slots; the most is 4294967295"
    );
    assert_eq!(
        all.split(4).unwrap_err().to_string(),
        "cannot split 4 slots off a permit that holds 3"
    );
    let refused: LimitTooLarge = Limit::try_from(usize::MAX).unwrap_err();
    assert_eq!(refused.asked(), u64::MAX);
    assert_eq!(all.slots(), 3, "a refused split takes nothing");
}

#[test]
fn types_are_named_without_helper_generics_and_cross_threads() {
    struct App {
        _counter: std::sync::Arc<AdmissionCounter>,
        _slot: headcount::OwnedPermit,
    }
    fn crosses_threads<T: Send + Sync + 'static>() {}
    crosses_threads::<App>();

    static SESSIONS: AdmissionCounter = AdmissionCounter::new(Limit::at_most(1));
    let slot: headcount::Permit<'static> = SESSIONS.try_acquire().unwrap();
    std::thread::spawn(move || drop(slot)).join().unwrap();
    assert_eq!(SESSIONS.in_use(), 0);
}
