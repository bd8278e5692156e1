//! Any sequence of calls of the timer wheel against a sequential model.
#![no_main]

#[path = "../../tests/support/wheel_model.rs"]
mod model;

use headcount::{ManualClock, TimerWheel};

libfuzzer_sys::fuzz_target!(|run: (u64, Vec<model::Step>)| {
    let (start, steps) = run;
    model::run(TimerWheel::new(ManualClock::at(start)).with_shards(1), &steps);
    model::run(TimerWheel::new(ManualClock::new()).with_shards(4), &steps);
});
