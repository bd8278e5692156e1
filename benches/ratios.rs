//! Our figure over each peer's, in one process: `cargo bench --bench ratios --
//! admission`, or `-- all`.
//!
//! Criterion measures one peer after another, minutes apart, so on a busy
//! machine it compares moments as much as peers. Here every round measures
//! every case once, peers in a rotating order, and a ratio is taken within its
//! round; the table shows the median of the rounds and their middle half.

mod common;
mod workloads;

use std::fs;
use std::path::Path;
use std::time::Duration;

use comfy_table::{Table, presets};
use common::{Case, OURS, Over, Part, throughput};
use lexopt::prelude::*;
use statrs::statistics::{Data, OrderStatistics};

const USAGE: &str = "\
usage: cargo bench --bench ratios -- PART... [OPTION]...

  PART           admission, counts, wheel, rate, gate, or all
  --rounds N     rounds to take the median of, 1 to 1000 (default 15)
  --window-ms N  time per measurement, 1 to 10000 (default 30); a shorter one
                 than that leaves out what takes long anyway
  --only TEXT    only workloads and peers with this in WORKLOAD/PEER, and ours
                 beside them; may be given several times";

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
    window: Duration,
    only: Vec<String>,
}

/// `None` where the usage was asked for.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { parts: Vec::new(), rounds: 15, window: WINDOW, only: Vec::new() };
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

/// One line of the table: our figure over another's.
struct Ratio {
    workload: &'static str,
    threads: usize,
    over: String,
    /// Millions of operations per second, medians: ours and the other's.
    ours: f64,
    theirs: f64,
    /// Quartiles of the rounds' ratios.
    quartiles: [f64; 3],
    goal: Option<f64>,
}

impl Ratio {
    fn met(&self) -> &'static str {
        match self.goal {
            None => "",
            Some(goal) if self.quartiles[1] >= goal => "met",
            Some(_) => "NOT met",
        }
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut data = Data::new(values.collect::<Vec<_>>());
    [data.lower_quartile(), data.median(), data.upper_quartile()]
}

/// Operations per second: for each case, one figure a round.
fn measure(part: &Part, rounds: usize, window: Duration) -> Vec<Vec<f64>> {
    let mut figures = vec![Vec::with_capacity(rounds); part.cases.len()];
    for round in 0..rounds {
        for turn in 0..part.cases.len() {
            // Whoever comes first in one round comes later in the next.
            let index = (turn + round * 7) % part.cases.len();
            figures[index].push(throughput(&part.cases[index], window));
        }
        eprint!("\r{}: round {} of {rounds}", part.name, round + 1);
    }
    eprintln!();
    figures
}

fn ratios(part: &Part, figures: &[Vec<f64>]) -> Vec<Ratio> {
    let ours = |workload: &str, threads: usize| {
        let is =
            |case: &Case| case.peer == OURS && case.workload == workload && case.threads == threads;
        part.cases.iter().position(is).map(|index| &figures[index])
    };
    let one_of = |case: &Case, over: Over, ours: &[f64], theirs: &[f64]| {
        let goal = part.goals.iter().find(|goal| {
            goal.over == over && goal.workload == case.workload && goal.threads == case.threads
        });
        let millions = |figures: &[f64]| quartiles(figures.iter().copied())[1] / 1e6;
        Ratio {
            workload: case.workload,
            threads: case.threads,
            over: match over {
                Over::Peer(name) => name.to_owned(),
                Over::OurselvesAtOneThread => "itself at 1 thread".to_owned(),
                Over::OurselvesUnder(workload) => format!("itself under {workload}"),
            },
            ours: millions(ours),
            theirs: millions(theirs),
            quartiles: quartiles(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs)),
            goal: goal.map(|goal| goal.at_least),
        }
    };
    // What our own figure is compared with: another workload of ours where a
    // goal says so, else one thread.
    let own = |case: &Case| {
        let under = part.goals.iter().find_map(|goal| match goal.over {
            Over::OurselvesUnder(other) if goal.workload == case.workload => Some(other),
            _ => None,
        });
        match under {
            Some(other) => Some((Over::OurselvesUnder(other), ours(other, case.threads)?)),
            None if case.threads == 1 => None,
            None => Some((Over::OurselvesAtOneThread, ours(case.workload, 1)?)),
        }
    };
    let lines = part.cases.iter().zip(figures).filter_map(|(case, figure)| match case.peer {
        OURS => own(case).map(|(over, other)| one_of(case, over, figure, other)),
        peer => {
            let ours = ours(case.workload, case.threads).expect("each case has one of ours");
            Some(one_of(case, Over::Peer(peer), ours, figure))
        }
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort_by_key(|ratio| (ratio.workload, ratio.threads));
    lines
}

const COLUMNS: [&str; 9] = [
    "workload",
    "threads",
    "over",
    "ours M/s",
    "theirs M/s",
    "ratio",
    "middle half",
    "goal",
    "met",
];

/// Two decimals, or as many digits of what is too small for them.
fn millions(figure: f64) -> String {
    if figure >= 0.1 { format!("{figure:.2}") } else { format!("{figure:.1e}") }
}

fn row(ratio: &Ratio) -> [String; 9] {
    let [low, median, high] = ratio.quartiles;
    [
        ratio.workload.to_owned(),
        ratio.threads.to_string(),
        ratio.over.clone(),
        millions(ratio.ours),
        millions(ratio.theirs),
        format!("{median:.2}"),
        format!("{low:.2}-{high:.2}"),
        ratio.goal.map_or(String::new(), |goal| format!(">= {goal}")),
        ratio.met().to_owned(),
    ]
}

fn report(part: &Part, ratios: &[Ratio]) -> Result<(), Box<dyn std::error::Error>> {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(COLUMNS);
    table.add_rows(ratios.iter().map(row));
    println!("\n{}, ours over theirs in one run\n{table}", part.name);

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ratios");
    fs::create_dir_all(&folder)?;
    let mut csv = csv::Writer::from_path(folder.join(part.name).with_extension("csv"))?;
    csv.write_record(COLUMNS)?;
    for ratio in ratios {
        csv.write_record(row(ratio))?;
    }
    csv.flush()?;
    println!("written to target/ratios/{}.csv", part.name);
    Ok(())
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
    let mut is_empty = true;
    for (_, make) in &options.parts {
        let mut part = make();
        select(&mut part, &options);
        if !part.cases.is_empty() {
            is_empty = false;
            let figures = measure(&part, options.rounds, options.window);
            report(&part, &ratios(&part, &figures))?;
        }
    }
    if is_empty { Err("no case has what --only asks for".into()) } else { Ok(()) }
}
