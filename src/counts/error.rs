//! Read after `limit.rs`. Why a subject was refused.

use std::fmt;

use crate::limit::Limit;

/// Why [`try_acquire`](super::SubjectCounts::try_acquire) took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectError {
    /// The subject holds as many permits as it may.
    AtLimit(SubjectAtLimit),
    /// The subject is longer than the map stores.
    TooLong(SubjectTooLong),
}

/// The subject held its limit, or more under an earlier one. The text holds no
/// count, so that it may reach a client as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubjectAtLimit {
    limit: Limit,
}

impl SubjectAtLimit {
    pub(super) const fn new(limit: Limit) -> Self {
        Self { limit }
    }

    /// The limit that the call was made with.
    pub const fn limit(&self) -> Limit {
        self.limit
    }
}

/// A text or byte subject is longer than the map was made to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubjectTooLong {
    len: usize,
    most: usize,
}

impl SubjectTooLong {
    pub(super) const fn check(len: usize, most: usize) -> Result<(), Self> {
        match len <= most {
            true => Ok(()),
            false => Err(Self { len, most }),
        }
    }

    /// The bytes that the subject has.
    pub const fn bytes(&self) -> usize {
        self.len
    }

    /// The bytes that a subject may have.
    pub const fn most(&self) -> usize {
        self.most
    }
}

impl From<SubjectAtLimit> for SubjectError {
    fn from(error: SubjectAtLimit) -> Self {
        Self::AtLimit(error)
    }
}

impl From<SubjectTooLong> for SubjectError {
    fn from(error: SubjectTooLong) -> Self {
        Self::TooLong(error)
    }
}

impl fmt::Display for SubjectAtLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("subject at its limit")
    }
}

impl fmt::Display for SubjectTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a subject of {} bytes is over the longest, {}", self.len, self.most)
    }
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLimit(error) => error.fmt(f),
            Self::TooLong(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SubjectAtLimit {}

impl std::error::Error for SubjectTooLong {}

impl std::error::Error for SubjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::AtLimit(error) => Some(error),
            Self::TooLong(error) => Some(error),
        }
    }
}
