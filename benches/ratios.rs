//! Our figure over each peer's, in one process: `cargo bench --bench ratios --
//! admission`, or `-- all`.
//!
//! Criterion measures one peer after another, minutes apart, so on a busy
//! machine it compares moments as much as peers. Here every round measures
//! every case once, peers in a rotating order, and a ratio is taken within its
//! round; the table shows the median of the rounds and their middle half. What
//! differs from run to run, such as where memory lies, is seen by several runs:
//! the table then shows the median of their medians, and how far those range.

mod common;
mod ratio;
mod workloads;

use std::time::Duration;

use common::{Case, OURS, Part, throughput};
use lexopt::prelude::*;

const USAGE: &str = "\
usage: cargo bench --bench ratios -- PART... [OPTION]...

  PART           admission, counts, wheel, rate, gate, or all
  --rounds N     rounds to take the median of, 1 to 1000 (default 15)
  --runs N       whole runs, one after another, 1 to 100 (default 1): the figures
                 are medians of the runs', beside the range of their ratios
  --window-ms N  time per measurement, 1 to 10000 (default 30); a shorter one
                 than that leaves out what takes long anyway
  --only TEXT    only workloads and peers with this in WORKLOAD/PEER, and ours
                 beside them; may be given several times
  --help         this text";

/// What has a part's name, and makes the part.
type Make = (&'static str, fn() -> Part);

const PARTS: [Make; 5] = [
    ("admission", workloads::admission::part),
    ("counts", workloads::counts::part),
    ("wheel", workloads::wheel::part),
    ("rate", workloads::rate::part),
    ("gate", workloads::gate::part),
];

const WINDOW: Duration = Duration::from_millis(30);

struct Options {
    parts: Vec<Make>,
    rounds: usize,
    runs: usize,
    window: Duration,
    only: Vec<String>,
}

/// `None` where the usage was asked for.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options =
        Options { parts: Vec::new(), rounds: 15, runs: 1, window: WINDOW, only: Vec::new() };
    let within = |name: &str, value: u64, most: u64| match value {
        0 => Err(format!("--{name} must be from 1 to {most}")),
        value if value > most => Err(format!("--{name} must be from 1 to {most}")),
        value => Ok(value),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            // Cargo adds this to every bench target's arguments.
            Long("bench") => {}
            Long("help") => return Ok(None),
            Long("rounds") => {
                options.rounds = within("rounds", parser.value()?.parse()?, 1000)? as usize;
            }
            Long("runs") => options.runs = within("runs", parser.value()?.parse()?, 100)? as usize,
            Long("window-ms") => {
                let millis = within("window-ms", parser.value()?.parse()?, 10_000)?;
                options.window = Duration::from_millis(millis);
            }
            Long("only") => options.only.push(parser.value()?.string()?),
            Value(name) if name == "all" => options.parts.extend(PARTS),
            Value(name) => {
                let part = PARTS.into_iter().find(|(part, _)| name == *part);
                options.parts.push(part.ok_or(format!("there is no part {name:?}"))?);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    if options.parts.is_empty() {
        return Err("name a part, or all".into());
    }
    Ok(Some(options))
}

/// Leaves in the part what was asked for.
fn select(part: &mut Part, options: &Options) {
    if options.window < WINDOW {
        let before = part.cases.len();
        part.cases.retain(|case| !case.takes_long);
        let left_out = before - part.cases.len();
        if left_out > 0 {
            let least = WINDOW.as_millis();
            println!(
                "{}: {left_out} of {before} cases left out, they take long: they need \
                 --window-ms {least} or more",
                part.name
            );
        }
    }
    if options.only.is_empty() {
        return;
    }
    let is_asked_for = |case: &Case| {
        let name = format!("{}/{}", case.workload, case.peer);
        options.only.iter().any(|text| name.contains(text))
    };
    let asked_for = part.cases.iter().filter(|case| is_asked_for(case));
    let workloads: Vec<_> = asked_for.map(|case| case.workload).collect();
    let is_beside = |case: &Case| case.peer == OURS && workloads.contains(&case.workload);
    part.cases.retain(|case| is_asked_for(case) || is_beside(case));
}

/// Operations per second: for each case, one figure a round.
fn measure(part: &Part, options: &Options, run: usize) -> Vec<Vec<f64>> {
    let Options { rounds, runs, window, .. } = *options;
    let mut figures = vec![Vec::with_capacity(rounds); part.cases.len()];
    for round in 0..rounds {
        for turn in 0..part.cases.len() {
            // Whoever comes first in one round comes later in the next.
            let index = (turn + round * 7) % part.cases.len();
            figures[index].push(throughput(&part.cases[index], window));
        }
        eprint!("\r{}: run {} of {runs}, round {} of {rounds}", part.name, run + 1, round + 1);
    }
    eprintln!();
    figures
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return Ok(());
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            std::process::exit(2);
        }
    };
    let mut parts: Vec<_> = options.parts.iter().map(|(_, make)| make()).collect();
    for part in &mut parts {
        select(part, &options);
    }
    parts.retain(|part| !part.cases.is_empty());
    if parts.is_empty() {
        return Err("no case has what --only asks for".into());
    }
    let mut runs = vec![Vec::new(); parts.len()];
    for run in 0..options.runs {
        for (part, runs) in parts.iter().zip(&mut runs) {
            runs.push(ratio::of_a_run(part, &measure(part, &options, run)));
        }
    }
    for (part, runs) in parts.iter().zip(&runs) {
        ratio::report(part, runs)?;
    }
    Ok(())
}
