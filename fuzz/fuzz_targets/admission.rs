//! Any sequence of calls of the admission counter against its sequential model.
#![no_main]

#[path = "../../tests/support/admission_model.rs"]
mod model;

libfuzzer_sys::fuzz_target!(|run: (u32, Vec<model::Step>)| {
    let (limit, steps) = run;
    model::run_borrowed(limit, &steps);
    model::run_owned(limit, &steps);
});
