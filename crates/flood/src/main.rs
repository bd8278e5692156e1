//! Floods real MCP servers with real clients, and shows what three managers of
//! sessions let in.
//!
//! Read `flood.rs` first, then `ways.rs`, `client.rs`, `proof.rs`, `alive.rs` and
//! `promises.rs`.

mod alive;
mod chart;
mod cli;
mod client;
mod flood;
mod mcp;
mod progress;
mod promises;
mod proof;
mod report;
mod sampler;
mod server;
mod ways;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use cli::Cli;
use flood::{Outcome, Settings, flood};
use progress::Progress;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let settings = cli.settings()?;
    let rules = settings.rules;
    chart::prepare(&cli.out)?;
    let clients = runtime("clients", 2)?;
    let outcomes = flood_all(&settings, cli.workers as usize, &clients)?;

    println!("{}", report::table(&outcomes, rules));
    let mut broken = Vec::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.gated) {
        broken = promises::broken(outcome, rules);
        for broken in &broken {
            eprintln!("error: {} broke its promise: {broken}", outcome.name);
        }
    }
    if outcomes.iter().any(|outcome| outcome.interrupted) {
        eprintln!("stopped before the end; no chart was written");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    chart::write(&cli.out, &outcomes, rules, &subtitle(&settings))?;
    println!("chart: {}", cli.out.display());
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn runtime(name: &str, threads: usize) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .with_context(|| format!("cannot start the threads of the {name}"))
}

/// Floods every server in turn, each on threads of its own, so that clients
/// cannot starve it and whatever it leaves behind goes with it.
fn flood_all(
    settings: &Settings,
    workers: usize,
    clients: &Runtime,
) -> anyhow::Result<Vec<Outcome>> {
    let (stop, stopped) = watch::channel(false);
    let interrupt = stop.clone();
    clients.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.send_replace(true);
        }
    });
    let progress = Progress::new(settings.length(), ways::ALL.len() as u64);
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (index, make) in ways::ALL.into_iter().enumerate() {
        let server = runtime("server", workers)?;
        let seen = progress.of(index);
        let flooded = flood(settings, make, server.handle(), stopped.clone(), seen);
        let flooded = clients.block_on(flooded);
        server.shutdown_timeout(Duration::from_secs(5));
        outcomes.push(flooded?);
        if *stop.borrow() {
            break;
        }
    }
    progress.finish();
    Ok(outcomes)
}

fn subtitle(settings: &Settings) -> String {
    let Settings { hostile, quiet, rounds, rules, slow_call, .. } = settings;
    format!(
        "{rounds} rounds of {} clients at once ({hostile} hostile, {quiet} quiet), limit {} and {} \
         of each tenant, idle timeout {}, slow call {}",
        settings.clients(),
        rules.limit,
        rules.per_subject,
        report::time(rules.idle_timeout),
        report::time(*slow_call),
    )
}
