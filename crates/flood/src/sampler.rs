//! Looks at a server from inside the process while it is flooded.

use std::time::Duration;

use headcount_rmcp::SessionGate;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::alive::Alive;
use crate::proof::Stamp;

const PERIOD: Duration = Duration::from_millis(2);

/// One look.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was taken.
    pub at: Stamp,
    /// Handlers that were alive.
    pub alive: usize,
    /// Slots that the gate said were taken.
    pub in_use: usize,
}

/// What is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Handlers of sessions.
    pub alive: usize,
    /// Slots that the gate says are taken.
    pub in_use: usize,
    /// Subjects that the gate has an entry for.
    pub subjects: usize,
}

/// What is looked at.
#[derive(Clone)]
pub struct Look {
    /// The handlers.
    pub alive: Alive,
    /// The gate, where there is one.
    pub gate: Option<SessionGate>,
    /// When the run began.
    pub began: Instant,
}

impl Look {
    /// The time, as a stamp.
    pub fn now(&self) -> Stamp {
        self.began.elapsed().as_nanos() as Stamp
    }

    /// What there is now.
    pub fn sample(&self) -> Sample {
        let Left { alive, in_use, .. } = self.left();
        Sample { at: self.now(), alive, in_use }
    }

    /// Waits until nothing is left, for so long at most, and tells what is.
    pub async fn at_rest(&self, longest: Duration) -> Left {
        let end = Instant::now() + longest;
        while self.left() != Left::default() && Instant::now() < end {
            sleep(PERIOD).await;
        }
        self.left()
    }

    fn left(&self) -> Left {
        Left {
            alive: self.alive.now(),
            in_use: self.gate.as_ref().map_or(0, |gate| gate.in_use() as usize),
            subjects: self.gate.as_ref().map_or(0, |gate| gate.subjects()),
        }
    }
}

/// Looks again and again.
pub struct Sampler {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    /// Tells `seen` about each look.
    pub fn start(look: Look, seen: impl Fn(&Sample) + Send + 'static) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut samples = Vec::new();
            let mut ticks = interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = &mut stopped => return samples,
                }
                let sample = look.sample();
                seen(&sample);
                samples.push(sample);
            }
        });
        Self { stop, task }
    }

    /// Ends it and returns what it saw.
    pub async fn stop(self) -> anyhow::Result<Vec<Sample>> {
        drop(self.stop);
        Ok(self.task.await?)
    }
}
