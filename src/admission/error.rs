//! Read after `limit.rs`. Why no slot was taken, split off or merged.

use std::fmt;

use crate::limit::Limit;

/// There was no room. Its text holds no count, so that it may reach a client
/// as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AtCapacity {
    limit: Limit,
}

impl AtCapacity {
    pub(super) const fn under(limit: Limit) -> Self {
        Self { limit }
    }

    /// The limit that was in force when the call was refused.
    pub const fn limit(&self) -> Limit {
        self.limit
    }
}

impl fmt::Display for AtCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("at capacity")
    }
}

impl std::error::Error for AtCapacity {}

/// Why [`try_acquire_many`](super::AdmissionCounter::try_acquire_many) took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireManyError {
    /// Zero slots were asked for: a permit for nothing would tell nothing.
    NoSlots,
    /// More slots were asked for than a count can hold.
    TooManySlots {
        /// The slots asked for, over `u32::MAX`.
        asked: usize,
    },
    /// There was no room for all of them.
    AtCapacity(AtCapacity),
}

impl From<AtCapacity> for AcquireManyError {
    fn from(full: AtCapacity) -> Self {
        Self::AtCapacity(full)
    }
}

impl fmt::Display for AcquireManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlots => f.write_str("asked for 0 slots; the least is 1"),
            Self::TooManySlots { asked } => {
                write!(f, "asked for {asked} slots; the most is {}", u32::MAX)
            }
            Self::AtCapacity(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for AcquireManyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AtCapacity(full) => Some(full),
            _ => None,
        }
    }
}

/// A split asked for no slots, or for more than the permit held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SplitError {
    asked: usize,
    held: u32,
}

impl SplitError {
    pub(super) const fn new(asked: usize, held: u32) -> Self {
        Self { asked, held }
    }
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot split {} slots off a permit that holds {}", self.asked, self.held)
    }
}

impl std::error::Error for SplitError {}

/// The two permits belong to different counters; nothing was moved.
#[derive(Debug)]
#[non_exhaustive]
pub struct MergeError<P> {
    /// The permit that was to be merged, with its slots.
    pub rejected: P,
}

impl<P> fmt::Display for MergeError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the permits belong to different counters")
    }
}

impl<P: fmt::Debug> std::error::Error for MergeError<P> {}
