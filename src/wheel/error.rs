//! Read after `timer.rs`. Why a call on a wheel or a timer did nothing.

use std::fmt;

/// The timer fired before, or its wheel was dropped: nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expired;

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the timer has expired")
    }
}

impl std::error::Error for Expired {}

/// Why a timer could not be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HoldError {
    /// It fired before, or its wheel was dropped.
    Expired,
    /// It has 131,070 holds already, as many as a word can count.
    TooMany,
}

impl fmt::Display for HoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => Expired.fmt(f),
            Self::TooMany => f.write_str("the timer is held 131070 times; that is the most"),
        }
    }
}

impl std::error::Error for HoldError {}

/// There was no node for another timer. Gives the payload back.
#[non_exhaustive]
pub struct WheelFull<T> {
    payload: T,
}

impl<T> WheelFull<T> {
    pub(super) const fn new(payload: T) -> Self {
        Self { payload }
    }

    /// What was not inserted.
    pub fn into_payload(self) -> T {
        self.payload
    }
}

impl<T> fmt::Debug for WheelFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WheelFull").finish_non_exhaustive()
    }
}

impl<T> fmt::Display for WheelFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the wheel is full")
    }
}

impl<T> std::error::Error for WheelFull<T> {}
