//! Floods a real HTTP server with real clients, and shows what three ways of
//! counting sessions let in.
//!
//! Read `flood.rs` first, then `ways.rs`, `registry.rs`, `audit.rs` and `tenants.rs`.

mod audit;
mod chart;
mod cli;
mod client;
mod flood;
mod progress;
mod promises;
mod registry;
mod report;
mod sampler;
mod server;
mod subject;
mod tenants;
mod timeline;
mod ways;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;

use cli::Cli;
use flood::{Outcome, Settings, flood};
use progress::Progress;
use ways::{AddThenUndo, CheckThenAdd, Exact, Limits, Rules, Way};

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
    let settings = settings(cli)?;
    let limits = settings.rules.limits;
    chart::prepare(&cli.out)?;
    // Two runtimes, so that clients cannot starve the server's threads.
    let server = runtime("server", cli.workers as usize)?;
    let clients = runtime("clients", 2)?;
    for note in cli.notes() {
        eprintln!("note: {note}");
    }
    let outcomes = clients.block_on(flood_all(&settings, server.handle()))?;

    println!("{}", report::table(&outcomes, limits));
    for outcome in &outcomes {
        println!("{}", report::findings(outcome, limits));
    }
    let exact = outcomes.first().context("no way was flooded")?;
    let broken = promises::broken(exact, limits);
    for broken in &broken {
        eprintln!("error: {} broke its promise: {broken}", exact.name);
    }
    if outcomes.iter().any(|outcome| outcome.interrupted) {
        eprintln!("stopped before the end; no chart was written");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    chart::write(&cli.out, &outcomes, limits, &subtitle(cli))?;
    println!("chart: {}", cli.out.display());
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn settings(cli: &Cli) -> anyhow::Result<Settings> {
    Ok(Settings {
        rules: Rules {
            limits: Limits {
                global: u32::try_from(cli.limit)?,
                per_subject: u32::try_from(cli.per_subject)?,
            },
            policy: cli.policy,
            idle_timeout: Duration::from_millis(cli.idle_timeout_ms),
        },
        clients: cli.clients,
        idle: cli.idle,
        subjects: cli.subjects,
        hostile: cli.hostile,
        flood: cli.flood(),
        requests: cli.requests,
        longest_stay: cli.stay_ms,
        setup: Duration::from_millis(cli.setup_ms),
        seed: cli.seed,
    })
}

fn runtime(name: &str, threads: usize) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .with_context(|| format!("cannot start the threads of the {name}"))
}

/// Floods every way in turn, the exact one first.
async fn flood_all(settings: &Settings, server: &Handle) -> anyhow::Result<Vec<Outcome>> {
    let (interrupt, stop) = watch::channel(false);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupt.send_replace(true);
        }
    });
    let progress = Progress::new(settings.flood, 3);
    let flooded = Flooded { settings, server, stop, progress, outcomes: Vec::new() };
    let flooded = flooded.with::<Exact>().await?;
    let flooded = flooded.with::<CheckThenAdd>().await?;
    let flooded = flooded.with::<AddThenUndo>().await?;
    flooded.progress.finish();
    Ok(flooded.outcomes)
}

/// The ways flooded so far, and what the next one needs.
struct Flooded<'a> {
    settings: &'a Settings,
    server: &'a Handle,
    stop: watch::Receiver<bool>,
    progress: Progress,
    outcomes: Vec<Outcome>,
}

impl Flooded<'_> {
    /// Floods one more way, unless an earlier one was interrupted.
    async fn with<W: Way>(mut self) -> anyhow::Result<Self> {
        if !self.outcomes.iter().any(|outcome| outcome.interrupted) {
            let seen = self.progress.way(W::NAME);
            let stop = self.stop.clone();
            self.outcomes.push(flood::<W>(self.settings, self.server, stop, seen).await?);
        }
        Ok(self)
    }
}

fn subtitle(cli: &Cli) -> String {
    let Cli { limit, hostile, idle, per_subject, stay_ms, setup_ms, .. } = cli;
    let (clients, subjects) = (cli.all_clients(), cli.all_subjects());
    format!(
        "{clients} clients of {subjects} tenants ({hostile} of a hostile one, {idle} quiet), \
         limit {limit} and {per_subject} of each, stays of 1 to {stay_ms} ms, lookup of {setup_ms} ms"
    )
}
