#![cfg(not(feature = "loom"))]
//! The whole API of the gate against a sequential model.

#[path = "support/gate_model.rs"]
mod model;
#[path = "support/parts_clock.rs"]
mod parts_clock;

use model::Step;
use parts_clock::PartsClock;
use proptest::prelude::*;

fn subject() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![1 => Just(None), 4 => (0_u8..3).prop_map(Some)]
}

fn step() -> impl Strategy<Value = Step> {
    let index = 0_usize..8;
    prop_oneof![
        4 => subject().prop_map(Step::Reserve),
        6 => subject().prop_map(Step::Admit),
        4 => index.clone().prop_map(Step::Commit),
        1 => index.clone().prop_map(Step::Undo),
        3 => index.clone().prop_map(Step::Establish),
        4 => index.clone().prop_map(Step::Enter),
        4 => index.clone().prop_map(Step::Leave),
        2 => index.clone().prop_map(Step::Touch),
        1 => index.clone().prop_map(Step::Close),
        3 => index.prop_map(Step::Drop),
        6 => (0_u64..120).prop_map(Step::Wait),
        6 => Just(Step::Expire),
        1 => (0_u32..6).prop_map(Step::SetLimit),
        1 => (0_u32..4).prop_map(Step::SetSubjectLimit),
        1 => (1_u64..60).prop_map(Step::SetIdle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..Default::default() })]

    #[test]
    fn the_gate_answers_as_a_sequential_one(
        limits in (1_u32..6, 0_u32..4, 1_u64..60),
        policy in prop_oneof![Just(None), Just(Some(None)), (1_u64..8).prop_map(|floor| Some(Some(floor)))],
        // Never behind, by a part of a tick, and by several ticks.
        behind in prop_oneof![Just(1_u64), 2..10_u64, 10..40_u64],
        steps in prop::collection::vec(step(), 0..80),
        after in prop::collection::vec(step(), 0..10),
    ) {
        let closing = [Step::CloseAll, Step::Expire];
        let all: Vec<_> = steps.into_iter().chain(closing).chain(after).collect();
        model::run(limits, policy, PartsClock::in_steps_of(behind), &all);
    }
}
