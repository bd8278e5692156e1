//! A flood as columns of equal width, as the chart draws it.

use crate::audit::{Span, Stamp, Verdict};
use crate::sampler::Sample;

/// What happened in one column.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// The time it stands for.
    pub span: Span,
    /// The most sessions that were surely open at once, however briefly.
    pub peak: usize,
    /// The mean of the open sessions that the sampler saw.
    pub sampled: f64,
    /// Spurious refusals that were given, whatever their cause.
    pub spurious: usize,
}

/// Cuts the flood, from 0 to `last`, into so many buckets.
pub fn timeline(verdict: &Verdict, samples: &[Sample], last: Stamp, buckets: usize) -> Vec<Bucket> {
    let width = last.div_ceil(buckets as u64).max(1);
    let mut steps = verdict.steps.iter().peekable();
    let mut samples = samples.iter().peekable();
    let mut spurious: Vec<Stamp> =
        verdict.spurious.iter().map(|refusal| refusal.during.to).collect();
    spurious.sort_unstable();
    let mut spurious = spurious.into_iter().peekable();
    let (mut open, mut sampled) = (0, 0.0);
    let mut columns = Vec::with_capacity(buckets);
    for from in (0..last).step_by(width as usize) {
        let to = from + width;
        let mut bucket = Bucket { span: Span { from, to }, peak: open, sampled, spurious: 0 };
        while let Some(&(_, now)) = steps.next_if(|&&(at, _)| at < to) {
            open = now;
            bucket.peak = bucket.peak.max(open);
        }
        let (mut sum, mut looks) = (0, 0);
        while let Some(sample) = samples.next_if(|sample| sample.at < to) {
            sum += sample.open;
            looks += 1;
        }
        if looks > 0 {
            // A bucket that was not looked at keeps what was seen before it.
            sampled = sum as f64 / f64::from(looks);
        }
        bucket.sampled = sampled;
        while spurious.next_if(|&at| at < to).is_some() {
            bucket.spurious += 1;
        }
        columns.push(bucket);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Refusal;
    use crate::ways::Cause;

    #[test]
    fn a_peak_is_seen_however_briefly_it_lasts() {
        let steps = vec![(5, 1), (12, 2), (13, 9), (14, 2), (31, 0)];
        let verdict = Verdict { steps, ..Verdict::default() };
        let peaks: Vec<usize> = timeline(&verdict, &[], 40, 4).iter().map(|b| b.peak).collect();
        assert_eq!(peaks, [1, 9, 2, 2]);
    }

    #[test]
    fn samples_are_averaged_and_spurious_refusals_counted_where_they_belong() {
        let sample = |at, open| Sample { at, in_use: 0, open };
        let causes = [Cause::AtCapacity, Cause::AtCapacity, Cause::SubjectAtLimit];
        let spans = [(25, 29), (3, 4), (5, 6)].map(|(from, to)| Span { from, to });
        let refusals = spans.into_iter().zip(causes);
        let spurious = refusals.map(|(during, cause)| Refusal { who: Some(0), cause, during });
        let verdict = Verdict { spurious: spurious.collect(), ..Verdict::default() };
        let samples = [sample(1, 2), sample(9, 4), sample(20, 7)];
        let buckets = timeline(&verdict, &samples, 30, 3);
        let seen: Vec<_> = buckets.iter().map(|b| (b.sampled, b.spurious)).collect();
        assert_eq!(seen, [(3.0, 2), (3.0, 0), (7.0, 1)]);
    }
}
