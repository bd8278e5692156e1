//! Any sequence of calls of the sliding window against its sequential model.
#![no_main]

#[path = "../../tests/support/rate_model.rs"]
mod model;

libfuzzer_sys::fuzz_target!(|run: (u8, u64, u64, Vec<model::Step>)| {
    let (most, window, start, steps) = run;
    let (most, window) = (u32::from(most % 8) + 1, window.max(1));
    model::run_borrowed(most, window, start, &steps);
    model::run_owned(most, window, start, &steps);
});
