//! The gate beside the session manager of turbomcp-protocol 3.6: how long a newcomer
//! takes, where there is room and at the cap.
//!
//! `cargo run --release -p versus-turbomcp`. The managers are in `race.rs`.
//!
//! At its cap that manager sorts all sessions by when they were last active, for each
//! newcomer, and lets the first go. Nobody is active here after it came, so the gate,
//! which is told to let the oldest go, lets the same go. The other keeps a history of
//! what happened and statistics; the gate has a limit for each subject.
//!
//! It is no part of `versus`, and `.ci/run` leaves it out: turbomcp-protocol takes more
//! than a minute to build with what it needs, and turns on a feature of serde_json that
//! in one build with the others would change the JSON of all of them. `.ci/deep criterion`
//! builds, tests and runs it.

mod race;

use anyhow::bail;
use lexopt::prelude::*;
use race::{OURS_TIMES, Round, Scale};

const USAGE: &str = "\
usage: cargo run --release -p versus-turbomcp -- [OPTION]...

  --live N       sessions that live, 1 to 1000000 (default 10000)
  --rounds N     rounds to take the median of, 1 to 1000 (default 15)
  --newcomers N  newcomers in a round, 1 to 1000 (default 20)";

/// `None` where the usage was asked for.
fn scale() -> anyhow::Result<Option<Scale>> {
    let mut scale = Scale { live: 10_000, rounds: 15, newcomers: 20 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        let (name, field, most) = match argument {
            Long("live") => ("live", &mut scale.live, 1_000_000),
            Long("rounds") => ("rounds", &mut scale.rounds, 1_000),
            Long("newcomers") => ("newcomers", &mut scale.newcomers, 1_000),
            Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        };
        *field = parser.value()?.parse()?;
        if !(1..=most).contains(field) {
            bail!("--{name} must be from 1 to {most}, it is {field}");
        }
    }
    Ok(Some(scale))
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn main() -> anyhow::Result<()> {
    let Some(scale) = scale()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let rounds = race::run(scale)?;
    let Scale { live, newcomers, .. } = scale;
    println!(
        "a newcomer, {live} live, medians of {} rounds ({newcomers} in a round,",
        rounds.len()
    );
    println!("of the gate {}), in microseconds:\n", newcomers * OURS_TIMES);
    println!("{:<42} {:>12} {:>12} {:>10}", "", "headcount", "turbomcp", "times");
    let row = |name: &str, ours: fn(&Round) -> f64, theirs: fn(&Round) -> f64| {
        let times = median(&rounds, |round| theirs(round) / ours(round));
        let (ours, theirs) = (median(&rounds, ours) / 1e3, median(&rounds, theirs) / 1e3);
        println!("{name:<42} {ours:>12.2} {theirs:>12.2} {times:>9.1}x");
    };
    row("with room: it comes and ends", |at| at.ours.with_room, |at| at.theirs.with_room);
    row("at the cap: it comes, another goes", |at| at.ours.at_cap, |at| at.theirs.at_cap);
    Ok(())
}
