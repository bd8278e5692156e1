//! Looks at a way from outside while it is flooded.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::anyhow;

use crate::audit::Stamp;

const PERIOD: Duration = Duration::from_millis(1);

/// One look.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was taken.
    pub at: Stamp,
    /// What the way said is in use.
    pub in_use: usize,
    /// Sessions that were really open.
    pub open: usize,
}

/// A thread of its own, so that a busy server cannot put its looks off.
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    /// Looks every millisecond, and tells `seen` about each look.
    pub fn start(
        look: impl Fn() -> Sample + Send + 'static,
        seen: impl Fn(&Sample) + Send + 'static,
    ) -> Self {
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || sample_until(&stopped, look, seen));
        Self { stop, thread }
    }

    /// Ends the thread and returns what it saw.
    pub fn stop(self) -> anyhow::Result<Vec<Sample>> {
        drop(self.stop);
        self.thread.join().map_err(|_panic| anyhow!("the sampler panicked"))
    }
}

fn sample_until(
    stopped: &Receiver<()>,
    look: impl Fn() -> Sample,
    seen: impl Fn(&Sample),
) -> Vec<Sample> {
    let mut samples = Vec::new();
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(PERIOD) {
        let sample = look();
        seen(&sample);
        samples.push(sample);
    }
    samples
}
