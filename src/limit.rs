//! How many may be inside at once: a number, or explicitly no number.

use std::fmt;

/// The most that may be held at once. Every part of the crate that counts
/// what is held takes its limit as one of these.
///
/// `Limit::at_most(0)` admits nobody; it does not mean "default" or "no
/// limit". Having no limit is said by name, [`Limit::UNLIMITED`], and what is
/// held is counted all the same.
///
/// # Example
///
/// ```
/// use headcount::{Limit, LimitTooLarge};
///
/// # fn main() -> Result<(), LimitTooLarge> {
/// let from_config: u64 = 250;
/// let limit = Limit::try_from(from_config)?;
/// assert_eq!(limit, Limit::at_most(250));
/// assert!(limit < Limit::UNLIMITED);
///
/// let refused = Limit::try_from(1_u64 << 32).unwrap_err();
/// assert_eq!(refused.to_string(), "a limit of 4294967296 is over the largest, 4294967295");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit(u32);

impl Limit {
    /// No limit: nothing is refused for it, everything is still counted.
    ///
    /// A count has 32 bits, so this is the same limit as
    /// `Limit::at_most(u32::MAX)`: the one that no smaller count reaches.
    pub const UNLIMITED: Self = Self(u32::MAX);

    /// A limit of `most`; 0 admits nobody.
    pub const fn at_most(most: u32) -> Self {
        Self(most)
    }

    /// The number, or `None` for [`Limit::UNLIMITED`].
    pub const fn get(self) -> Option<u32> {
        match self.0 {
            u32::MAX => None,
            most => Some(most),
        }
    }

    /// The largest count that this limit allows.
    pub(crate) const fn most(self) -> u32 {
        self.0
    }
}

/// A limit over `u32::MAX`, the largest that a count can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitTooLarge {
    asked: u64,
}

impl LimitTooLarge {
    /// The limit that was asked for.
    pub const fn asked(&self) -> u64 {
        self.asked
    }
}

impl TryFrom<u64> for Limit {
    type Error = LimitTooLarge;

    fn try_from(most: u64) -> Result<Self, LimitTooLarge> {
        u32::try_from(most).map(Self).map_err(|_| LimitTooLarge { asked: most })
    }
}

impl TryFrom<usize> for Limit {
    type Error = LimitTooLarge;

    fn try_from(most: usize) -> Result<Self, LimitTooLarge> {
        Self::try_from(most as u64)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(most) => most.fmt(f),
            None => f.pad("unlimited"),
        }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LimitTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a limit of {} is over the largest, {}", self.asked, u32::MAX)
    }
}

impl std::error::Error for LimitTooLarge {}
