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
use crate::client::{Client, Plan, Tally};
use crate::registry::Registry;
use crate::sampler::{Sample, Sampler};
use crate::server::{App, Server};
use crate::ways::{Cause, Limits, Way};

/// A burst, and the pause in which its sessions end.
const BURST: Duration = Duration::from_millis(400);
const PAUSE: Duration = Duration::from_millis(100);

/// How to flood; the same for every way.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sessions that may be open at once, in all and of each subject.
    pub limits: Limits,
    /// Concurrent clients.
    pub clients: u64,
    /// The subjects that they are dealt to in turn.
    pub subjects: u64,
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
    let way = W::with_limits(settings.limits);
    let app = Arc::new(App { way, registry: Arc::clone(&registry), setup: settings.setup });
    let server = Server::start(server, Arc::clone(&app)).await?;

    let (announce, bursts) = watch::channel(Instant::now());
    let budget = Arc::new(AtomicU64::new(settings.requests));
    let mut clients = JoinSet::new();
    for index in 0..settings.clients {
        let rng = fastrand::Rng::with_seed(settings.seed.wrapping_add(index << 32));
        let budget = Arc::clone(&budget);
        let subject = HeaderValue::try_from(format!("tenant-{}", index % settings.subjects))?;
        let plan = Plan { subject, longest_stay: settings.longest_stay, budget, rng };
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
    Ok(Outcome {
        name: W::NAME,
        tally,
        served: (admitted, refused(Cause::SubjectAtLimit), refused(Cause::AtCapacity)),
        verdict: history.judge(settings.limits),
        peak_open: registry.peak(),
        largest_subject: registry.largest_subject(),
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
