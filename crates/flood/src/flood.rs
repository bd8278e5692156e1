//! One server under flood, from its start to its shutdown: rounds in which all
//! clients come at once, a calm in which they use what they hold, their leaving,
//! a slow call, and the end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::client::{Client, Manner, Plan, Round, Tally};
use crate::proof::{self, Stamp, Steps};
use crate::sampler::{Left, Look, Sample, Sampler};
use crate::server::Server;
use crate::ways::{Make, Rules, Way};
use crate::wire::{Answer, Opening, Wire};

/// No client takes this long to leave unless something hangs.
const LONGEST_LEAVE: Duration = Duration::from_secs(60);

/// How to flood; the same for every server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the servers are to keep to.
    pub rules: Rules,
    /// Clients of the crowd.
    pub crowd: usize,
    /// The tenants that these are dealt to in turn.
    pub tenants: usize,
    /// Clients of the patient tenant.
    pub patient: usize,
    /// Clients of the hostile tenant.
    pub hostile: usize,
    /// Clients of the quiet tenant.
    pub quiet: usize,
    /// Rounds of the flood.
    pub rounds: u32,
    /// Rounds of the calm.
    pub calm: u32,
    /// From one round to the next.
    pub period: Duration,
    /// What the slow call takes.
    pub slow_call: Duration,
    /// How long sessions may take to be gone once they have ended.
    pub longest_end: Duration,
    /// Seed of what the clients leave to chance.
    pub seed: u64,
}

impl Settings {
    /// All clients.
    pub fn clients(&self) -> usize {
        self.crowd + self.patient + self.hostile + self.quiet
    }

    /// The number of the hostile tenant.
    pub fn hostile_tenant(&self) -> usize {
        self.tenants + 1
    }

    /// Who comes: each client's tenant, and how it behaves.
    fn cast(&self) -> impl Iterator<Item = (usize, Manner)> {
        let (tenants, hostile) = (self.tenants, self.hostile_tenant());
        let crowd = (0..self.crowd).map(move |index| (index % tenants, Manner::Crowd));
        let patient = (0..self.patient).map(move |_| (tenants, Manner::Patient));
        let hostile = (0..self.hostile).map(move |index| {
            (hostile, if index == 0 { Manner::Relentless } else { Manner::Hostile })
        });
        let quiet = (0..self.quiet).map(move |_| (tenants + 2, Manner::Quiet));
        crowd.chain(patient).chain(hostile).chain(quiet)
    }

    /// About how long a server is flooded.
    pub fn length(&self) -> Duration {
        self.period * (self.rounds + self.calm) + self.rules.idle_timeout + self.slow_call
    }
}

/// What became of a call that takes longer than the idle timeout, of a client
/// that is alone on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowCall {
    /// There was no call.
    NotMade,
    /// The client got no session.
    Refused(u16),
    /// It was answered, after so long.
    Answered(Duration),
    /// It was cut off, after so long.
    CutOff(Duration),
}

/// What came out of a flood.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The server.
    pub name: &'static str,
    /// Whether it has a gate.
    pub gated: bool,
    /// What the clients saw.
    pub tally: Tally,
    /// How many sessions surely were open.
    pub proven: Steps,
    /// The most of the hostile tenant that surely were open at once.
    pub hostile: usize,
    /// What the sampler saw.
    pub samples: Vec<Sample>,
    /// When the flood was over, when the clients were to leave, and when the slow
    /// call began.
    pub marks: [Stamp; 3],
    /// Handlers that were alive at the end of the calm.
    pub after_calm: usize,
    /// What became of the slow call.
    pub slow_call: SlowCall,
    /// What was left when the clients had.
    pub at_rest: Left,
    /// What was left after the shutdown.
    pub at_end: Left,
    /// Whether it was stopped before its time.
    pub interrupted: bool,
}

impl Outcome {
    /// The most sessions that surely were open at once.
    pub fn peak(&self) -> usize {
        proof::highest(&self.proven)
    }

    /// The most of one subject.
    pub fn largest_subject(&self) -> usize {
        proof::most_of_any(&self.tally.proven)
    }

    /// The most handlers that were seen alive.
    pub fn peak_alive(&self) -> usize {
        self.samples.iter().map(|sample| sample.alive).max().unwrap_or(0)
    }

    /// The most slots that the gate said were taken.
    pub fn peak_in_use(&self) -> usize {
        self.samples.iter().map(|sample| sample.in_use).max().unwrap_or(0)
    }
}

/// Floods the server that `make` makes on the threads of `server`; the clients
/// run on the caller's runtime. Ends early, but in the same order, once `stop`
/// is true.
pub async fn flood(
    settings: &Settings,
    make: Make,
    server: &Handle,
    mut stop: watch::Receiver<bool>,
    seen: impl Fn(&'static str, &Sample) + Send + 'static,
) -> anyhow::Result<Outcome> {
    let Way { name, router, alive, end_sessions, gate } = {
        let _on_the_servers_threads = server.enter();
        make(settings.rules)?
    };
    let gated = gate.is_some();
    let look = Look { alive, gate, began: Instant::now() };
    let server = Server::start(server, router).await?;
    let sampler = Sampler::start(look.clone(), move |sample| seen(name, sample));

    let (announce, rounds) = watch::channel(Round::Calm);
    let mut clients = JoinSet::new();
    for (index, (who, manner)) in settings.cast().enumerate() {
        let wire = Wire::connect(server.address(), &format!("tenant-{who}")).await?;
        let idle_timeout = settings.rules.idle_timeout;
        let rng = fastrand::Rng::with_seed(settings.seed.wrapping_add((index as u64) << 32));
        let plan = Plan { who, manner, idle_timeout, began: look.began, rng };
        clients.spawn(Client::new(wire, plan).run(rounds.clone()));
    }
    drop(rounds);
    let mut marks = [look.now(); 3];
    let mut interrupted = false;
    let phases = [(Round::Flood, settings.rounds), (Round::Calm, settings.calm)];
    for (mark, (round, times)) in marks.iter_mut().zip(phases) {
        for _ in 0..times {
            interrupted = interrupted || *stop.borrow();
            if !interrupted {
                announce.send_replace(round);
                _ = timeout(settings.period, stop.wait_for(|stop| *stop)).await;
            }
        }
        *mark = look.now();
    }
    let after_calm = look.sample().alive;
    announce.send_replace(Round::Leave);
    let tally = timeout(LONGEST_LEAVE, together(clients)).await;
    let tally = tally.with_context(|| format!("{name}: the clients do not come to an end"))?;
    let tally = tally.with_context(|| format!("{name}: a client's connection broke"))?;
    let at_rest = look.at_rest(settings.rules.idle_timeout + settings.longest_end).await;

    marks[2] = look.now();
    let slow_call = match interrupted {
        true => SlowCall::NotMade,
        false => call_slowly(server.address(), settings.slow_call).await?,
    };
    end_sessions();
    server.stop().await?;
    let at_end = look.at_rest(settings.longest_end).await;
    let samples = sampler.stop().await?;
    Ok(Outcome {
        name,
        gated,
        proven: proof::steps(tally.proven.iter()),
        hostile: proof::most_of(&tally.proven, settings.hostile_tenant()),
        tally,
        samples,
        marks,
        after_calm,
        slow_call,
        at_rest,
        at_end,
        interrupted,
    })
}

async fn together(mut clients: JoinSet<anyhow::Result<Tally>>) -> anyhow::Result<Tally> {
    let mut all = Tally::default();
    while let Some(tally) = clients.join_next().await {
        all.merge(tally??);
    }
    Ok(all)
}

/// The client stays in its session, so that the shutdown has one to end.
async fn call_slowly(address: SocketAddr, takes: Duration) -> anyhow::Result<SlowCall> {
    let mut wire = Wire::connect(address, "slow").await?;
    let id = match wire.open().await? {
        Opening::Open(id) => id,
        Opening::Refused { status, .. } => return Ok(SlowCall::Refused(status)),
    };
    wire.confirm(&id).await?;
    let began = Instant::now();
    let answer = wire.call(&id, takes).await?;
    Ok(match answer {
        Answer::Result => SlowCall::Answered(began.elapsed()),
        Answer::Gone | Answer::Failed => SlowCall::CutOff(began.elapsed()),
    })
}

#[cfg(test)]
#[path = "flood_tests.rs"]
mod tests;
