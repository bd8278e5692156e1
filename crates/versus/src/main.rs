//! The gate beside the session manager of mcp-session 0.2.0: how long one more
//! session takes, made and ended, while many live.
//!
//! `cargo run --release -p versus`. The managers are in `race.rs`.
//!
//! A session of mcp-session comes with more than a count: rmcp's own manager,
//! which it wraps, makes a channel and a task for each. So that manager is
//! measured too, alone; what lies between the two is the price of the bound.

mod race;

use anyhow::bail;
use lexopt::prelude::*;
use race::{OURS_TIMES, Round, Scale};

const USAGE: &str = "\
usage: cargo run --release -p versus -- [OPTION]...

  --live N    sessions that live, 1 to 1000000 (default 10000); mcp-session
              takes time that grows with their square to make them
  --rounds N  rounds to take the median of, 1 to 1000 (default 15)
  --pairs N   sessions made and ended in a round, 1 to 10000 (default 20)";

/// How many times as fast the gate is to be.
const GOAL: f64 = 100.0;

/// `None` where the usage was asked for.
fn scale() -> anyhow::Result<Option<Scale>> {
    let mut scale = Scale { live: 10_000, rounds: 15, pairs: 20 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        let (field, most) = match argument {
            Long("live") => (&mut scale.live, 1_000_000),
            Long("rounds") => (&mut scale.rounds, 1_000),
            Long("pairs") => (&mut scale.pairs, 10_000),
            Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        };
        *field = parser.value()?.parse()?;
        if !(1..=most).contains(field) {
            bail!("{} is not from 1 to {most}", *field);
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
    let Scale { live, pairs, .. } = scale;
    println!("one more session made and ended, {live} live, medians of {} rounds", rounds.len());
    println!("({pairs} in a round, of the gate {}):\n", pairs * OURS_TIMES);
    let row = |name: &str, of: fn(&Round) -> f64| {
        let times = median(&rounds, |round| of(round) / round.ours);
        println!("{name:<38} {:>12.2} us  {times:>9.1}x", median(&rounds, of) / 1e3);
        times
    };
    row("headcount, Gate: admit + end", |round| round.ours);
    row("rmcp's own manager: create + close", |round| round.rmcp);
    let times = row("mcp-session 0.2.0: create + close", |round| round.mcp_session);
    let met = if times >= GOAL { "met" } else { "NOT met" };
    println!("\nmcp-session over headcount: {times:.0}x, goal >= {GOAL}x, {met}");
    Ok(())
}
