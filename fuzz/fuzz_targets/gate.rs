//! Any sequence of calls of the gate against a sequential model.
#![no_main]

#[path = "../../tests/support/gate_model.rs"]
mod model;
#[path = "../../tests/support/parts_clock.rs"]
mod parts_clock;

use model::Step;
use parts_clock::PartsClock;

/// The same step with small numbers: subjects that meet, limits that are
/// reached, times at which something is due.
fn small(step: Step) -> Step {
    match step {
        Step::Reserve(subject) => Step::Reserve(subject.map(|subject| subject % 3)),
        Step::Admit(subject) => Step::Admit(subject.map(|subject| subject % 3)),
        Step::Wait(parts) => Step::Wait(parts % 640),
        Step::SetLimit(limit) => Step::SetLimit(limit % 6),
        Step::SetSubjectLimit(limit) => Step::SetSubjectLimit(limit % 4),
        Step::SetIdle(ticks) => Step::SetIdle(ticks % 60 + 1),
        step => step,
    }
}

libfuzzer_sys::fuzz_target!(|run: (u32, u32, u64, Option<Option<u64>>, u8, Vec<Step>)| {
    let (limit, subject_limit, idle, policy, step, steps) = run;
    let clock = PartsClock::in_steps_of(u64::from(step % 40) + 1);
    let limits = (limit % 5 + 1, subject_limit % 4, idle % 60 + 1);
    let policy = policy.map(|floor| floor.map(|ticks| ticks % 8 + 1));
    let steps: Vec<_> = steps.into_iter().map(small).collect();
    model::run(limits, policy, clock, &steps);
});
