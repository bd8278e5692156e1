//! Read after `refusal.rs`. When those who were refused are told to come back,
//! so that they do not all come at once.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::RangeInclusive;
use std::time::Duration;

use headcount::Cause;

use crate::refusal::Refusal;

/// How what the gate says of coming back is told to clients: capped, and spread,
/// so that those who were refused together do not come back together.
///
/// | refused because | told, unless set otherwise |
/// |---|---|
/// | the gate is full, or was ended | at most 60 seconds, of that 80 to 100 % |
/// | the rate | never earlier than the truth: 100 to 120 % of it |
/// | the gate was closed | 100 to 120 % of 5 seconds |
/// | the client is at its own limit | as it is, a second |
///
/// A share is the same for the same subject, whom asking again gains nothing,
/// and random for the anonymous. `Retry-After` rounds up to whole seconds.
///
/// ```
/// use std::time::Duration;
/// use headcount_tower::{Answers, RetryAfter};
///
/// let answers = Answers::problem_json()
///     .retry_after(RetryAfter::default().cap(Duration::from_secs(10)).at_capacity(50..=100));
/// let exact = Answers::problem_json().retry_after(RetryAfter::exact());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct RetryAfter {
    cap: Duration,
    at_capacity: Percent,
    rate_limited: Percent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Percent {
    least: u32,
    most: u32,
}

impl RetryAfter {
    /// As the gate says: neither capped nor spread.
    pub const fn exact() -> Self {
        let whole = Percent { least: 100, most: 100 };
        Self { cap: Duration::MAX, at_capacity: whole, rate_limited: whole }
    }

    /// The longest that is told where the gate is full.
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// The share that is told, in percent, where the gate is full.
    ///
    /// # Panics
    ///
    /// If it is empty.
    pub fn at_capacity(mut self, percent: RangeInclusive<u32>) -> Self {
        self.at_capacity = Percent::of(percent);
        self
    }

    /// The share that is told, in percent, where the rate or a restart says when
    /// there is room.
    ///
    /// # Panics
    ///
    /// If it is empty, or begins below 100: who comes earlier is refused again.
    pub fn rate_limited(mut self, percent: RangeInclusive<u32>) -> Self {
        assert!(*percent.start() >= 100, "who comes back before the rate allows is refused again");
        self.rate_limited = Percent::of(percent);
        self
    }

    /// When to tell who was refused to come back; `None` if time mends nothing.
    pub(crate) fn of(&self, refusal: &Refusal, share: u64) -> Option<Duration> {
        let truth = refusal.retry_after()?;
        Some(match refusal {
            Refusal::Rejected(rejected) => match rejected.cause() {
                Cause::SubjectAtLimit => truth,
                Cause::RateLimited | Cause::ShutDown => self.rate_limited.share_of(truth, share),
                _ => self.at_capacity.share_of(truth.min(self.cap), share),
            },
            _ => self.at_capacity.share_of(truth.min(self.cap), share),
        })
    }
}

impl Default for RetryAfter {
    fn default() -> Self {
        Self {
            cap: Duration::from_secs(60),
            at_capacity: Percent { least: 80, most: 100 },
            rate_limited: Percent { least: 100, most: 120 },
        }
    }
}

impl Percent {
    fn of(percent: RangeInclusive<u32>) -> Self {
        assert!(!percent.is_empty(), "the range of percents is empty");
        Self { least: *percent.start(), most: *percent.end() }
    }

    /// Of the range, what `share` is of all numbers; rounded up.
    fn share_of(self, whole: Duration, share: u64) -> Duration {
        let span = u128::from(self.most - self.least);
        let percent = (u128::from(self.least) << 32) + span * u128::from(share >> 32);
        let nanos = whole.as_nanos().saturating_mul(percent).div_ceil(100 << 32);
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, (nanos % 1_000_000_000) as u32)
    }
}

/// Another number each time.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
