//! The long soak: `cargo run --release -p soak`. What it does is in `lib.rs`.

use std::process::ExitCode;

use anyhow::{Result, bail};
use headcount::{Cause, CloseReason};
use indicatif::{ProgressBar, ProgressStyle};
use lexopt::prelude::*;
use soak::{GROWTH, NAMES, Report, Settings, soak};

const USAGE: &str = "\
usage: cargo run --release -p soak -- [OPTION]...

  --operations N  by all threads together, 1 to 10^12 (default 50000000)
  --threads N     threads that work, 1 to 64 (default 4)
  --seed N        what their dice begin with (default: any); threads race, so
                  the same seed makes the same choices, not the same run";

/// `None` where the usage was asked for.
fn settings() -> Result<Option<Settings>> {
    let mut settings = Settings { seed: fastrand::u64(..), operations: 50_000_000, threads: 4 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        let (field, range) = match argument {
            Long("operations") => (&mut settings.operations, 1..=1_000_000_000_000),
            Long("threads") => (&mut settings.threads, 1..=64),
            Long("seed") => (&mut settings.seed, 0..=u64::MAX),
            Long("help") => return Ok(None),
            _ => return Err(argument.unexpected().into()),
        };
        *field = parser.value()?.parse()?;
        if !range.contains(field) {
            bail!("{} is not from {} to {}", *field, range.start(), range.end());
        }
    }
    Ok(Some(settings))
}

fn bar(operations: u64) -> ProgressBar {
    let bar = ProgressBar::new(operations);
    let style = ProgressStyle::with_template(
        "{bar:30} {percent:>3} %  {human_pos} of {human_len} operations, {eta} left",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn print(report: &Report, settings: Settings) {
    println!("{} operations, and every count was right", report.operations);
    for (name, tally) in NAMES.iter().zip(&report.tallies) {
        let told: u64 = tally.told.iter().sum();
        println!("the gate that {name}: {} admitted, {told} ends told", tally.admitted);
        let causes = Cause::ALL.into_iter().zip(tally.rejected).filter(|&(_, times)| times > 0);
        let causes: Vec<_> = causes.map(|(cause, times)| format!("{times} {cause}")).collect();
        println!("  rejected: {}", causes.join(", "));
        let ends = CloseReason::ALL.into_iter().zip(tally.left).filter(|&(_, times)| times > 0);
        let ends: Vec<_> = ends.map(|(reason, times)| format!("{times} {reason:?}")).collect();
        println!("  ended: {}", ends.join(", "));
        println!("  {} unwound, {} cancelled", tally.unwound, tally.cancelled);
    }
    let (first, last) = report.first_and_last();
    let most = GROWTH * settings.threads as usize;
    println!("bytes at rest: {first} in the first tenth, {last} in the last, bound + {most}");
}

fn run() -> Result<()> {
    let Some(settings) = settings()? else {
        println!("{USAGE}");
        return Ok(());
    };
    println!("seed {}, {} threads", settings.seed, settings.threads);
    let bar = bar(settings.operations);
    let outcome = soak(settings, |operations| bar.set_position(operations));
    bar.finish_and_clear();
    print(&outcome?, settings);
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
