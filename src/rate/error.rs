//! Read first of `rate`. What is wrong with a window, or with the moment.

use std::fmt;

/// The largest `most`.
pub(super) const MOST: u32 = 1 << 20;

/// The window is full. Its text holds no count, so that it may reach a client
/// as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimited {
    retry_after: u64,
}

impl RateLimited {
    /// Full until `stamp`, which is after `now`.
    pub(super) const fn until(stamp: u64, now: u64) -> Self {
        Self { retry_after: stamp - now }
    }

    /// The ticks until the first place comes free, at least 1: exact, unless a
    /// rollback frees one earlier. Somebody else may be faster to take it.
    pub const fn retry_after(&self) -> u64 {
        self.retry_after
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rate limited")
    }
}

impl std::error::Error for RateLimited {}

/// Why no [`SlidingWindow`](super::SlidingWindow) was made of these arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidWindow {
    /// `most` is 0: the window would never admit anybody.
    MostIsZero,
    /// `most` is over [`SlidingWindow::MOST`](super::SlidingWindow::MOST).
    MostIsTooLarge {
        /// The `most` that was asked for.
        asked: u32,
    },
    /// `window` is 0 ticks: it would refuse nobody.
    WindowIsZero,
}

impl fmt::Display for InvalidWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MostIsZero => f.write_str("`most` is 0; the least is 1"),
            Self::MostIsTooLarge { asked } => {
                write!(f, "`most` is {asked}; the largest is {MOST}")
            }
            Self::WindowIsZero => f.write_str("`window` is 0 ticks; the least is 1"),
        }
    }
}

impl std::error::Error for InvalidWindow {}
