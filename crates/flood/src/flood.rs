//! One way under flood, from a fresh server to a server at rest.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::audit::Verdict;
use crate::client::{Client, Manner, Plan, Tally};
use crate::registry::Registry;
use crate::sampler::{Sample, Sampler};
use crate::server::{App, Server};
use crate::tenants::{HOSTILE, Tenants, WELL_BEHAVED, well_behaved_clients};
use crate::ways::{Cause, End, Rules, Way};

/// A burst, and the pause in which its sessions end.
const BURST: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(100);

/// How to flood; the same for every way.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the ways are to keep to.
    pub rules: Rules,
    /// Concurrent clients of the crowd.
    pub clients: u64,
    /// Clients of the crowd besides that go quiet.
    pub idle: u64,
    /// The subjects that these are dealt to in turn.
    pub subjects: u64,
    /// Clients of the hostile tenant.
    pub hostile: u64,
    /// How long.
    pub flood: Duration,
    /// The most requests.
    pub requests: u64,
    /// The longest stay, in milliseconds.
    pub longest_stay: u64,
    /// What creating a session awaits.
    pub setup: Duration,
    /// Seed of the stays.
    pub seed: u64,
}

impl Settings {
    /// Who comes: each client's subject, and how it behaves.
    fn cast(&self) -> impl Iterator<Item = (String, Manner)> {
        let subjects = self.subjects;
        let quiet = self.idle;
        let crowd = (0..quiet + self.clients).map(move |index| {
            let manner = if index < quiet { Manner::Quiet } else { Manner::Impatient };
            (format!("tenant-{}", index % subjects), manner)
        });
        let well_behaved = well_behaved_clients(self.rules.limits.per_subject);
        let well_behaved = (0..well_behaved).map(|_| (WELL_BEHAVED.to_owned(), Manner::Patient));
        let hostile = (0..self.hostile).map(|_| (HOSTILE.to_owned(), Manner::Hostile));
        crowd.chain(well_behaved).chain(hostile)
    }
}

/// What came out of a flood.
#[derive(Debug)]
pub struct Outcome {
    /// The way.
    pub name: &'static str,
    /// What the clients saw.
    pub tally: Tally,
    /// What the server wrote down: admissions, refusals at a subject's limit,
    /// refusals at its own.
    pub served: (usize, usize, usize),
    /// What the audit proved.
    pub verdict: Verdict,
    /// What became of the two tenants.
    pub tenants: Tenants,
    /// Quiet sessions that the way ended: by the idle timeout, by eviction.
    pub quiet_ended: (usize, usize),
    /// Sessions that the way ended while something was in flight.
    pub busy_ended: usize,
    /// The most sessions that were open at once.
    pub peak_open: usize,
    /// The most sessions of one subject that were open at once.
    pub largest_subject: usize,
    /// What the sampler saw.
    pub samples: Vec<Sample>,
    /// What was left when every connection was gone.
    pub at_rest: Sample,
    /// The subjects that the way still had an entry for then.
    pub subjects_at_rest: usize,
    /// Whether it was stopped before its time.
    pub interrupted: bool,
}

impl Outcome {
    /// The most that the way itself said was in use when it was looked at.
    pub fn peak_in_use(&self) -> usize {
        self.samples.iter().map(|sample| sample.in_use).max().unwrap_or(0)
    }
}

/// Floods a server whose handler is guarded by `W`. Its threads are those of
/// `server`; the clients run on the caller's runtime. Ends early, but in the
/// same order, once `stop` is true.
pub async fn flood<W: Way>(
    settings: &Settings,
    server: &Handle,
    mut stop: watch::Receiver<bool>,
    seen: impl Fn(&Sample) + Send + 'static,
) -> anyhow::Result<Outcome> {
    let registry = Registry::new();
    let way = {
        let _on_the_servers_threads = server.enter();
        W::under(settings.rules)?
    };
    let app = Arc::new(App { way, registry: Arc::clone(&registry), setup: settings.setup });
    let server = Server::start(server, Arc::clone(&app)).await?;

    let (announce, bursts) = watch::channel(Instant::now());
    let budget = Arc::new(AtomicU64::new(settings.requests));
    let mut clients = JoinSet::new();
    for (index, (subject, manner)) in settings.cast().enumerate() {
        let rng = fastrand::Rng::with_seed(settings.seed.wrapping_add((index as u64) << 32));
        let budget = Arc::clone(&budget);
        let subject = HeaderValue::try_from(subject)?;
        let plan = Plan { subject, manner, longest_stay: settings.longest_stay, budget, rng };
        let client = Client::connect(server.address(), plan).await?;
        clients.spawn(client.run(bursts.clone()));
    }
    drop(bursts);

    let looked_at = Arc::clone(&app);
    let sampler = Sampler::start(move || look_at(&looked_at), seen);
    let interrupted = conduct(&announce, settings.flood, &mut stop).await;
    drop(announce);

    let mut tally = Tally::default();
    while let Some(client) = clients.join_next().await {
        tally.merge(client?);
    }
    server.stop().await?;
    let samples = sampler.stop()?;
    let at_rest = look_at(&app);

    let history = registry.take_history();
    let refused = |cause| history.refused_by(cause);
    let admitted = history.stays.len();
    let limits = settings.rules.limits;
    let verdict = history.judge(limits);
    let [well_behaved, hostile] = [WELL_BEHAVED, HOSTILE].map(|name| registry.number_of(name));
    Ok(Outcome {
        name: W::NAME,
        tally,
        served: (admitted, refused(Cause::SubjectAtLimit), refused(Cause::AtCapacity)),
        tenants: Tenants::of(&history, well_behaved, hostile, limits),
        quiet_ended: (history.ended_by(End::Idle), history.ended_by(End::Evicted)),
        busy_ended: history.ended_while_busy(),
        // The registry counts while it happens, but nobody who is quiet; the
        // sweep afterwards, from stamps.
        peak_open: registry.peak().max(verdict.peak()),
        largest_subject: registry.largest_subject().max(verdict.largest_subject),
        verdict,
        samples,
        at_rest,
        subjects_at_rest: app.way.subjects(),
        interrupted,
    })
}

fn look_at<W: Way>(app: &App<W>) -> Sample {
    let in_use = app.way.in_use();
    let open = app.registry.open();
    Sample { at: app.registry.stamp(), in_use, open }
}

/// Announces bursts until the time is up or every client has left; tells
/// whether it was stopped. Only whole bursts are announced, one at least.
async fn conduct(
    announce: &watch::Sender<Instant>,
    flood: Duration,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let mut next = Instant::now();
    let end = next + flood.max(BURST + PAUSE);
    while next + BURST + PAUSE <= end {
        announce.send_replace(next + BURST);
        next += BURST + PAUSE;
        tokio::select! {
            () = sleep_until(next) => {}
            () = announce.closed() => return false,
            Ok(_) = stop.wait_for(|stop| *stop) => {
                announce.send_replace(Instant::now());
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
#[path = "flood_tests.rs"]
mod tests;
