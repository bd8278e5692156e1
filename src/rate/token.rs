//! Read after `window.rs`. Tokens: the owners of reservations.
//!
//! *Invariant*: a reservation is rolled back at most once, by the drop of the
//! one token that owns it, and never after its commit.
//!
//! *Progress*: everything wait-free. A drop never panics, blocks or calls user
//! code.
//!
//! *Checked by*: the rollback models in `loom-tests/rate/places.rs`,
//! `tests/rate_model.rs`.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::cells::TakenCell;
use super::window::SlidingWindow;

/// What both kinds of token are: a cell, and the window to which it goes back.
struct Reservation<W: Deref<Target = SlidingWindow>> {
    /// `None` once it stays taken.
    window: Option<W>,
    taken: TakenCell,
}

impl<W: Deref<Target = SlidingWindow>> Drop for Reservation<W> {
    #[inline]
    fn drop(&mut self) {
        if let Some(window) = &self.window {
            window.roll_back(&self.taken);
        }
    }
}

/// The methods that both kinds of token have.
macro_rules! token {
    ($name:ident, $window:ty $(, $lifetime:lifetime)?) => {
        impl$(<$lifetime>)? $name$(<$lifetime>)? {
            #[inline]
            pub(super) fn holding(window: $window, taken: TakenCell) -> Self {
                Self(Reservation { window: Some(window), taken })
            }

            /// Makes the admission final: it stays in the window until it has
            /// expired. (`mem::forget` does the same, less explicitly.)
            #[inline]
            pub fn commit(mut self) {
                self.0.window = None;
            }
        }

        impl$(<$lifetime>)? fmt::Debug for $name$(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// A place in a [`SlidingWindow`], not yet final: dropping it gives the place
/// back, on every path, an unwinding one included, and
/// [`commit`](Self::commit) keeps it taken.
///
/// A token that is dropped after its place has expired and was taken again
/// gives back nothing: there is nothing left of it. Dropping it never panics,
/// blocks or calls user code.
#[must_use = "a token that is dropped at once admits nobody"]
pub struct RateToken<'a>(Reservation<&'a SlidingWindow>);

token!(RateToken, &'a SlidingWindow, 'a);

/// A [`RateToken`] that keeps its window alive instead of borrowing it.
///
/// Comes from [`SlidingWindow::try_reserve_owned_at`].
#[must_use = "a token that is dropped at once admits nobody"]
pub struct OwnedRateToken(Reservation<Arc<SlidingWindow>>);

token!(OwnedRateToken, Arc<SlidingWindow>);
