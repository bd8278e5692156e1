//! What the adapters add to the latency of a request, over loopback HTTP:
//! `cargo run --release -p latency`.
//!
//! For each adapter three servers in one process: one alone, the same once more,
//! to show how far two figures of one thing lie apart here (the *null*), and one
//! behind the adapter: a tower layer of the scope *request* before a handler that
//! says hello; rmcp under an `McpGuard`, whose client calls a tool. Each round
//! measures each in short slices, in a rotating order; a ratio is that of two
//! medians of one round, and the table shows the median of the rounds and their
//! middle half. What an adapter adds is its ratio over the null's, and its time
//! less the null's, of the same round.

mod client;
mod servers;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use tokio::task::JoinSet;

use client::Client;
use servers::{Three, current_thread, stay_on_one_core};

const CONNECTIONS: [usize; 2] = [1, 64];
const SERVERS: [&str; 3] = ["alone", "alone, once more", "with headcount"];
/// The slices of a round, for each server.
const SLICES: u32 = 8;
/// The middle half of the null's ratios should be within 1 %.
const NULL: [f64; 2] = [0.99, 1.01];

const USAGE: &str = "\
usage: cargo run --release -p latency -- [OPTION]...

  --rounds N     rounds to take the median of, 1 to 1000 (default 41)
  --window-ms N  time per server and round, 8 to 10000 (default 200)";

struct Options {
    rounds: u64,
    window: Duration,
}

/// `None` where the usage was asked for.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { rounds: 41, window: Duration::from_millis(200) };
    let within = |name: &str, value: u64, range: RangeInclusive<u64>| match value {
        value if range.contains(&value) => Ok(value),
        _ => Err(format!("--{name} must be from {} to {}", range.start(), range.end())),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") => return Ok(None),
            Long("rounds") => {
                options.rounds = within("rounds", parser.value()?.parse()?, 1..=1000)?
            }
            Long("window-ms") => {
                let millis = within("window-ms", parser.value()?.parse()?, 8..=10_000)?;
                options.window = Duration::from_millis(millis);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

/// What an adapter may add at most to what it stands before.
enum Goal {
    Ratio(f64),
    Micros(f64),
}

/// The latencies in microseconds of what these clients ask meanwhile, one request
/// after another each.
async fn measure(clients: &mut Vec<Client>, slice: Duration) -> Vec<f64> {
    let until = Instant::now() + slice;
    let mut asking = JoinSet::new();
    for mut client in clients.drain(..) {
        asking.spawn(async move {
            let mut took = Vec::new();
            while took.is_empty() || Instant::now() < until {
                let started = Instant::now();
                client.ask().await;
                took.push(started.elapsed().as_secs_f64() * 1e6);
            }
            (client, took)
        });
    }
    let mut all = Vec::new();
    for (client, took) in asking.join_all().await {
        clients.push(client);
        all.extend(took);
    }
    all
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// The medians of each round, of each server.
async fn rounds<F: Future<Output = Client>>(
    addresses: Three,
    connect: fn(SocketAddr, usize) -> F,
    connections: usize,
    options: &Options,
) -> Vec<[f64; 3]> {
    let mut clients: [Vec<Client>; 3] = [const { Vec::new() }; 3];
    for (clients, address) in clients.iter_mut().zip(addresses) {
        for number in 0..connections {
            clients.push(connect(address, number).await);
        }
    }
    let mut medians = Vec::new();
    for round in 0..options.rounds as usize {
        let mut took: [Vec<f64>; 3] = [const { Vec::new() }; 3];
        for turn in 0..SERVERS.len() * SLICES as usize {
            // Who follows whom changes too.
            let place = (turn + round) % SERVERS.len();
            let server = if round % 2 == 0 { place } else { SERVERS.len() - 1 - place };
            took[server].extend(measure(&mut clients[server], options.window / SLICES).await);
        }
        medians.push(took.map(|took| quartiles(took)[1]));
    }
    medians
}

fn show(medians: &[[f64; 3]], connections: usize, goal: &Goal) {
    let over = |of: fn(&[f64; 3]) -> f64| quartiles(medians.iter().map(of).collect());
    let micros = [over(|round| round[0]), over(|round| round[1]), over(|round| round[2])];
    let null = over(|round| round[1] / round[0]);
    let with = over(|round| round[2] / round[0]);
    let ratios = [[1.0; 3], null, with];
    for ((name, micros), [low, median, high]) in SERVERS.iter().zip(micros).zip(ratios) {
        let micros = micros[1];
        println!("{connections:>23}  {name:<16}  {micros:>9.1}  {median:.3}  {low:.3} - {high:.3}");
    }
    let [low, ratio, high] = over(|round| round[2] / round[1]);
    let [least, added, most] = over(|round| round[2] - round[1]);
    let is_met = match *goal {
        Goal::Ratio(goal) => ratio <= goal,
        Goal::Micros(goal) => added <= goal,
    };
    let goal = match goal {
        Goal::Ratio(goal) => format!("{goal} times the null"),
        Goal::Micros(goal) => format!("{goal} us more than the null"),
    };
    println!(
        "{:>23}  adds to the null: {ratio:.3} ({low:.3} - {high:.3}), {added:+.2} us ({least:+.2} - {most:+.2}); \
         goal, at most {goal}: {}",
        "",
        if is_met { "met" } else { "NOT met" }
    );
    if null[0] < NULL[0] || null[2] > NULL[1] {
        println!("{:>23}  not a quiet machine: the null's middle half is not within 1 %", "");
    }
}

fn compare<F: Future<Output = Client>>(
    what: &str,
    goal: &Goal,
    addresses: Three,
    connect: fn(SocketAddr, usize) -> F,
    options: &Options,
) {
    for connections in CONNECTIONS {
        println!("{what:<9}   connections  server            median us  ratio  middle half");
        let rounds = rounds(addresses, connect, connections, options);
        show(&current_thread().block_on(rounds), connections, goal);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    stay_on_one_core();
    compare("hello", &Goal::Micros(1.0), servers::hello(), Client::of_hello, &options);
    compare("mcp call", &Goal::Ratio(1.02), servers::mcp(), Client::of_mcp, &options);
    Ok(())
}
