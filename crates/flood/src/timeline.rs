//! A flood as columns of equal width, as the chart draws it.

use crate::audit::{Span, Stamp};
use crate::flood::Outcome;

/// What happened in one column.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// The time it stands for.
    pub span: Span,
    /// The most sessions that were surely open at once, however briefly.
    pub peak: usize,
    /// The open sessions that the sampler saw last.
    pub sampled: usize,
    /// Spurious refusals that were given.
    pub spurious: usize,
}

/// Cuts the flood, from 0 to `last`, into so many buckets.
pub fn timeline(outcome: &Outcome, last: Stamp, buckets: usize) -> Vec<Bucket> {
    let width = last.div_ceil(buckets as u64).max(1);
    let mut steps = outcome.verdict.steps.iter().peekable();
    let mut samples = outcome.samples.iter().peekable();
    let mut spurious: Vec<Stamp> = outcome.verdict.spurious.iter().map(|r| r.to).collect();
    spurious.sort_unstable();
    let mut spurious = spurious.into_iter().peekable();
    let (mut open, mut sampled) = (0, 0);
    let mut columns = Vec::with_capacity(buckets);
    for from in (0..last).step_by(width as usize) {
        let to = from + width;
        let mut bucket = Bucket { span: Span { from, to }, peak: open, sampled, spurious: 0 };
        while let Some(&(_, now)) = steps.next_if(|&&(at, _)| at < to) {
            open = now;
            bucket.peak = bucket.peak.max(open);
        }
        while let Some(sample) = samples.next_if(|sample| sample.at < to) {
            sampled = sample.open;
        }
        bucket.sampled = sampled;
        while spurious.next_if(|&at| at < to).is_some() {
            bucket.spurious += 1;
        }
        columns.push(bucket);
    }
    columns
}
