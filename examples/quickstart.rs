//! The gate in thirty lines: `cargo run --example quickstart`.

use std::time::Duration;

use headcount::{Gate, Limit};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate: Gate<String> = Gate::builder()
        .limit(Limit::at_most(100))
        .subject_limit(Limit::at_most(2))
        .idle_timeout(Duration::from_secs(300))
        .build()?;

    let first = gate.admit(Some("alice"), ())?;
    let _second = gate.admit(Some("alice"), ())?;
    match gate.admit(Some("alice"), ()) {
        Ok(_) => unreachable!("she has her two"),
        Err(refused) => {
            println!("refused: {refused}, retry after {:?} s", refused.retry_after_secs());
        }
    }

    let request = first.enter()?; // not idle while this lives
    println!("in use: {}, of alice: {}", gate.in_use(), gate.in_use_by("alice"));
    drop(request);

    drop(first); // her slot is free, whatever ended the session
    let _third = gate.admit(Some("alice"), ())?;
    println!("in use: {}, admitted: {}", gate.in_use(), gate.stats().admitted);
    Ok(())
}
