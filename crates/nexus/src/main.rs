//! The timer wheel beside that of nexus-timer 1.5, the quickest one for a single thread
//! that is published: both on one thread, neither behind a lock.
//!
//! `cargo run --release -p nexus`. The wheels are in `timers.rs`, the work in `work.rs`.
//!
//! - `insert`: so many, into nothing, over 300,000 ticks.
//! - `touch`: a timer at random, the tick another one each time.
//! - `cancel`: all of them, in no order.
//! - `expiry`: advances by 200 ticks until all have expired; by timer.
//! - `expiry of touched`: the same, where each was touched once before. A touch of ours
//!   leaves the timer where it is, and the advance that meets it there moves it: what
//!   `touch` saves is paid here.
//!
//! Every timer idles for 300,000 ticks; where it says `mixed`, a tenth of them for 1,000
//! to 30,000. nexus-timer pays for none of what ours is for: its wheel takes `&mut self`,
//! and its handles stay with the thread that has it. A mutex around it would be measured
//! by `cargo bench --bench ratios -- wheel`, as those of others are, if handles were
//! `Send`.

mod timers;
mod work;

use anyhow::bail;
use lexopt::prelude::*;
use work::{Idles, Round, Row, Work};

const USAGE: &str = "\
usage: cargo run --release -p nexus -- [OPTION]...

  --rounds N  rounds to take the median of, 1 to 1000 (default 15)";

const SIZES: [(usize, &str); 2] = [(10_000, "10k"), (100_000, "100k")];

const WORKS: [(Work, &str); 5] = [
    (Work::Insert, "insert"),
    (Work::Touch, "touch"),
    (Work::Cancel, "cancel"),
    (Work::Expiry, "expiry"),
    (Work::ExpiryOfTouched, "expiry of touched"),
];

/// `None` where the usage was asked for.
fn rounds() -> anyhow::Result<Option<usize>> {
    let mut rounds = 15;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if !(1..=1_000).contains(&rounds) {
        bail!("--rounds must be from 1 to 1000, it is {rounds}");
    }
    Ok(Some(rounds))
}

/// The quarter, the half and three quarters of the values are below these.
fn quartiles(rounds: &[Round], of: impl Fn(&Round) -> f64) -> [f64; 3] {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn print(name: &str, rounds: &[Round]) {
    let [_, ours, _] = quartiles(rounds, |round| round.ours);
    let [_, theirs, _] = quartiles(rounds, |round| round.theirs);
    let [low, ratio, high] = quartiles(rounds, |round| round.theirs / round.ours);
    let quicker = if ratio >= 1.0 { "ours" } else { "theirs" };
    println!("{name:<30} {ours:>8.1} {theirs:>8.1} {ratio:>7.2}   {low:.2}-{high:.2}   {quicker}");
}

fn main() -> anyhow::Result<()> {
    let Some(rounds) = rounds()? else {
        println!("{USAGE}");
        return Ok(());
    };
    println!("one thread, nanoseconds an operation, medians of {rounds} rounds; the ratio is how");
    println!("many times as fast ours is, below 1 it is slower:\n");
    println!("{:<30} {:>8} {:>8} {:>7}   middle half   quicker", "", "ours", "nexus", "ratio");
    for (work, what) in WORKS {
        for (idles, mixed) in [(Idles::Uniform, ""), (Idles::Mixed, " mixed")] {
            for (live, size) in SIZES {
                let row = Row { work, idles, live };
                print(&format!("{what}{mixed} {size}"), &row.rounds(rounds));
            }
        }
    }
    Ok(())
}
