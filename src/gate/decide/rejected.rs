//! Read after `gate/mod.rs`. Why the gate refuses somebody, and when to come back.

use std::fmt;
use std::time::Duration;

/// Why the gate refused an admission.
// A word wide, as all that an admission hands on: beside a narrower one the words
// of a session are moved in pieces, and the processor waits for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u64)]
pub enum Cause {
    /// The subject held its limit of sessions, admissions in flight included.
    SubjectAtLimit,
    /// There were as many admissions in the rate window as it has room for.
    RateLimited,
    /// All sessions of the gate were taken.
    AtCapacity,
    /// The subject is longer than the gate stores.
    SubjectTooLong,
    /// The gate was closed.
    ShutDown,
    /// There was no memory for the session's timers.
    OutOfTimers,
}

impl Cause {
    /// All of them, to report the totals of each.
    pub const ALL: [Self; 6] = [
        Self::SubjectAtLimit,
        Self::RateLimited,
        Self::AtCapacity,
        Self::SubjectTooLong,
        Self::ShutDown,
        Self::OutOfTimers,
    ];
}

/// An admission was refused, for one cause. The text holds no count, so a client may
/// read it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    cause: Cause,
    retry_after: RetryAfter,
}

/// When to come back, in one word of nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RetryAfter(u64);

impl RetryAfter {
    const NEVER: Self = Self(u64::MAX);

    /// Times over 584 years are taken for that.
    const fn of(time: Duration) -> Self {
        let nanos = time.as_nanos();
        match nanos < Self::NEVER.0 as u128 {
            true => Self(nanos as u64),
            false => Self(Self::NEVER.0 - 1),
        }
    }

    const fn get(self) -> Option<Duration> {
        match self.0 {
            u64::MAX => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

impl fmt::Debug for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Rejected {
    /// It is of use to come back after this time.
    pub(crate) const fn until(cause: Cause, retry_after: Duration) -> Self {
        Self { cause, retry_after: RetryAfter::of(retry_after) }
    }

    /// It is of no use to come back.
    pub(crate) const fn for_good(cause: Cause) -> Self {
        Self { cause, retry_after: RetryAfter::NEVER }
    }

    /// Why.
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// When to come back, or `None` if that is no use.
    ///
    /// | cause | when |
    /// |---|---|
    /// | [`RateLimited`](Cause::RateLimited) | exact, unless an admission that is under way is undone earlier |
    /// | [`SubjectAtLimit`](Cause::SubjectAtLimit) | a second: a session of this subject must end first, and the gate does not search for one. `None` under a limit of 0 |
    /// | [`AtCapacity`](Cause::AtCapacity) | when the first session ends by a timeout, or may be evicted; a second if none will. `None` under a limit of 0 |
    /// | [`OutOfTimers`](Cause::OutOfTimers) | when the first session ends by a timeout, or a second |
    /// | [`SubjectTooLong`](Cause::SubjectTooLong), [`ShutDown`](Cause::ShutDown) | `None` |
    ///
    /// The first end is that of a session whose timeout runs: not of one that has
    /// ended, nor by an idle timeout of one that is in use, nor of a reservation,
    /// which no timeout ends. The time is never after it. It is before it if sessions were touched
    /// since it was last searched for, by no more than those were put off. Sessions
    /// may leave earlier, and other newcomers be faster.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after.get()
    }

    /// [`retry_after`](Self::retry_after) as the header `Retry-After` wants it:
    /// whole seconds, rounded up, at least 1.
    pub fn retry_after_secs(&self) -> Option<u64> {
        let after = self.retry_after()?;
        Some(after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SubjectAtLimit => "subject at its limit",
            Self::RateLimited => "rate limited",
            Self::AtCapacity => "at capacity",
            Self::SubjectTooLong => "subject too long",
            Self::ShutDown => "shut down",
            Self::OutOfTimers => "out of timers",
        })
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for Rejected {}
