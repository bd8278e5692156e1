//! The ratios of one run or of several, and their table.

use std::fs;
use std::path::Path;

use comfy_table::{Table, presets};
use statrs::statistics::{Data, OrderStatistics};

use crate::common::{Case, OURS, Over, Part};

/// One line of the table: our figure over another's.
#[derive(Clone)]
pub struct Ratio {
    workload: &'static str,
    threads: usize,
    over: String,
    /// Millions of operations per second, medians: ours and the other's.
    ours: f64,
    theirs: f64,
    /// Quartiles of the rounds' ratios.
    quartiles: [f64; 3],
    /// The lowest and the highest of the runs' medians.
    range: [f64; 2],
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

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quartiles(values)[1]
}

/// The lines of one run, from the figures of each case.
pub fn of_a_run(part: &Part, figures: &[Vec<f64>]) -> Vec<Ratio> {
    let ours = |workload: &str, threads: usize| {
        let is =
            |case: &Case| case.peer == OURS && case.workload == workload && case.threads == threads;
        part.cases.iter().position(is).map(|index| &figures[index])
    };
    let one_of = |case: &Case, over: Over, ours: &[f64], theirs: &[f64]| {
        let goal = part.goals.iter().find(|goal| {
            goal.over == over && goal.workload == case.workload && goal.threads == case.threads
        });
        let millions = |figures: &[f64]| median(figures.iter().copied()) / 1e6;
        let quartiles = quartiles(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs));
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
            quartiles,
            range: [quartiles[1]; 2],
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

/// The same line of several runs as one.
fn over_runs(runs: &[&Ratio]) -> Ratio {
    let of = |figure: fn(&Ratio) -> f64| runs.iter().map(move |run| figure(run));
    Ratio {
        ours: median(of(|run| run.ours)),
        theirs: median(of(|run| run.theirs)),
        quartiles: [
            median(of(|run| run.quartiles[0])),
            median(of(|run| run.quartiles[1])),
            median(of(|run| run.quartiles[2])),
        ],
        range: [
            of(|run| run.range[0]).fold(f64::INFINITY, f64::min),
            of(|run| run.range[1]).fold(0.0, f64::max),
        ],
        ..runs[0].clone()
    }
}

const COLUMNS: [&str; 10] = [
    "workload",
    "threads",
    "over",
    "ours M/s",
    "theirs M/s",
    "ratio",
    "middle half",
    "range of runs",
    "goal",
    "met",
];

/// Two decimals, or as many digits of what is too small for them.
fn millions(figure: f64) -> String {
    if figure >= 0.1 { format!("{figure:.2}") } else { format!("{figure:.1e}") }
}

fn row(ratio: &Ratio) -> [String; 10] {
    let ([low, median, high], [lowest, highest]) = (ratio.quartiles, ratio.range);
    [
        ratio.workload.to_owned(),
        ratio.threads.to_string(),
        ratio.over.clone(),
        millions(ratio.ours),
        millions(ratio.theirs),
        format!("{median:.2}"),
        format!("{low:.2}-{high:.2}"),
        format!("{lowest:.2}-{highest:.2}"),
        ratio.goal.map_or(String::new(), |goal| format!(">= {goal}")),
        ratio.met().to_owned(),
    ]
}

/// What the figures do not say by themselves.
const FOOTNOTE: &str = "\
A contended std mutex swings by three from run to run on shared cores: of a peer
that is a mutex, at two threads or more, trust the range of several runs (--runs)
and no single figure.";

/// Prints the table of a part and writes it as a file; `runs` has the lines of
/// each run.
pub fn report(part: &Part, runs: &[Vec<Ratio>]) -> Result<(), Box<dyn std::error::Error>> {
    let lines = 0..runs[0].len();
    let ratios: Vec<_> = lines
        .map(|line| over_runs(&runs.iter().map(|run| &run[line]).collect::<Vec<_>>()))
        .collect();
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(COLUMNS);
    table.add_rows(ratios.iter().map(row));
    let medians = match runs.len() {
        1 => "medians of one run".to_owned(),
        runs => format!("medians of {runs} runs' medians, and the range of those"),
    };
    println!("\n{}, ours over theirs, {medians}\n{table}\n{FOOTNOTE}", part.name);

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/ratios");
    fs::create_dir_all(&folder)?;
    let mut csv = csv::Writer::from_path(folder.join(part.name).with_extension("csv"))?;
    csv.write_record(COLUMNS)?;
    for ratio in &ratios {
        csv.write_record(row(ratio))?;
    }
    csv.flush()?;
    println!("written to target/ratios/{}.csv", part.name);
    Ok(())
}
