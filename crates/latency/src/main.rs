//! What the adapters add to the latency of a request, over loopback HTTP:
//! `cargo run --release -p latency`.
//!
//! For each adapter three servers in one process: one alone, the same once more,
//! to show how far two figures of one thing lie apart here, and one behind the
//! adapter: a tower layer of the scope *request* before a handler that says
//! hello; rmcp with a guarded manager and its layer, whose client calls a tool.
//! Each round measures each once, in a rotating order; a ratio is that of two
//! medians of one round, and the table shows the median of the rounds and their
//! middle half.

mod client;
mod servers;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lexopt::prelude::*;
use tokio::task::JoinSet;

use client::Client;
use servers::{Three, current_thread};

const CONNECTIONS: [usize; 2] = [1, 64];
const SERVERS: [&str; 3] = ["alone", "alone, once more", "with headcount"];
/// The most that an adapter may add: 2 %.
const GOAL: f64 = 1.02;

const USAGE: &str = "\
usage: cargo run --release -p latency -- [OPTION]...

  --rounds N     rounds to take the median of, 1 to 1000 (default 21)
  --window-ms N  time per measurement, 1 to 10000 (default 200)";

struct Options {
    rounds: u64,
    window: Duration,
}

/// `None` where the usage was asked for.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { rounds: 21, window: Duration::from_millis(200) };
    let within = |name: &str, value: u64, most: u64| match value {
        value if (1..=most).contains(&value) => Ok(value),
        _ => Err(format!("--{name} must be from 1 to {most}")),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("help") => return Ok(None),
            Long("rounds") => options.rounds = within("rounds", parser.value()?.parse()?, 1000)?,
            Long("window-ms") => {
                let millis = within("window-ms", parser.value()?.parse()?, 10_000)?;
                options.window = Duration::from_millis(millis);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

/// The median latency in microseconds of what these clients ask meanwhile, one
/// request after another each.
async fn measure(clients: &mut Vec<Client>, window: Duration) -> f64 {
    let until = Instant::now() + window;
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
    quartiles(all)[1]
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

async fn compare<F: Future<Output = Client>>(
    addresses: Three,
    connect: fn(SocketAddr, usize) -> F,
    connections: usize,
    options: &Options,
) {
    let mut clients: [Vec<Client>; 3] = [const { Vec::new() }; 3];
    for (clients, address) in clients.iter_mut().zip(addresses) {
        for number in 0..connections {
            clients.push(connect(address, number).await);
        }
    }
    let mut medians: [Vec<f64>; 3] = [const { Vec::new() }; 3];
    for round in 0..options.rounds as usize {
        for turn in 0..SERVERS.len() {
            let server = (turn + round) % SERVERS.len();
            medians[server].push(measure(&mut clients[server], options.window).await);
        }
    }
    for (server, name) in SERVERS.iter().enumerate() {
        let micros = quartiles(medians[server].clone())[1];
        let ratios = medians[server].iter().zip(&medians[0]).map(|(this, alone)| this / alone);
        let [low, median, high] = quartiles(ratios.collect());
        let verdict = match server {
            2 if median <= GOAL => format!("goal <= {GOAL}: met"),
            2 => format!("goal <= {GOAL}: NOT met"),
            _ => String::new(),
        };
        println!(
            "            {connections:>11}  {name:<16}  {micros:>9.1}  {median:.3}  {low:.3} - {high:.3}  {verdict}"
        );
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let (hello, mcp) = (servers::hello(), servers::mcp());
    for connections in CONNECTIONS {
        println!("hello       connections  server            median us  ratio  middle half");
        let compared = compare(hello, Client::of_hello, connections, &options);
        current_thread().block_on(compared);
        println!("mcp         connections  server            median us  ratio  middle half");
        current_thread().block_on(compare(mcp, Client::of_mcp, connections, &options));
    }
    Ok(())
}
