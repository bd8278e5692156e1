//! Read after `token.rs`. How a token comes about: the window takes a cell, and
//! a token owns that it is taken.
//!
//! *Invariant*: between a cell that is taken and the token that holds it nothing
//! can fail, so no reservation is without an owner.
//!
//! *Checked by*: what checks `window.rs`.

use std::sync::Arc;

use super::error::RateLimited;
use super::token::{OwnedRateToken, RateToken};
use super::window::SlidingWindow;

impl SlidingWindow {
    /// Takes a place in the window at tick `now`, or none. The place is given
    /// back when the token is dropped, unless it is
    /// [committed](RateToken::commit).
    ///
    /// # Errors
    ///
    /// [`RateLimited`] if at an instant of the call all places were taken. While
    /// they stay so, a refusal is one load and writes nothing.
    #[inline]
    pub fn try_reserve_at(&self, now: u64) -> Result<RateToken<'_>, RateLimited> {
        self.reserve((now, now)).map(|taken| RateToken::holding(self, taken))
    }

    /// [`try_reserve_at`](Self::try_reserve_at) for a holder that must not
    /// borrow the window, such as a future that may be dropped at any await.
    ///
    /// # Errors
    ///
    /// [`RateLimited`] if at an instant of the call all places were taken.
    #[inline]
    pub fn try_reserve_owned_at(self: &Arc<Self>, now: u64) -> Result<OwnedRateToken, RateLimited> {
        self.try_reserve_owned_both_ways((now, now))
    }

    /// [`try_reserve_owned_at`](Self::try_reserve_owned_at) by a clock that sees
    /// parts of ticks, which says
    /// [the present rounded down and rounded up](crate::Clock::now_both_ways):
    /// what has left the window is judged by the first, and how long the new
    /// place stays is reckoned from the second. So no two admissions that must be
    /// a window apart are closer by a part of a tick.
    ///
    /// # Errors
    ///
    /// [`RateLimited`] if at an instant of the call all places were taken.
    #[inline]
    pub fn try_reserve_owned_both_ways(
        self: &Arc<Self>,
        now: (u64, u64),
    ) -> Result<OwnedRateToken, RateLimited> {
        self.reserve(now).map(|taken| OwnedRateToken::holding(Arc::clone(self), taken))
    }
}
