//! Read after `admission/mod.rs`; then `error.rs`, `starts.rs`, `cells.rs`,
//! `window.rs`, `token.rs`, `reserve.rs`. How many may come in within any span of time, and when may who
//! was refused come back?
//!
//! *Promise*: never more than `most` in any window, whatever the clocks of
//! threads say, no refusal while a place is free, and what is rolled back
//! never was.
//!
//! *Parts*: `cells.rs` keeps who is in, and `starts.rs` where each thread looks
//! first; `window.rs` knows when all cells are held, and has the proof of the
//! refusals; `token.rs` owns a reservation until its commit; `reserve.rs` makes the one
//! from the other.

mod cells;
mod error;
mod reserve;
mod starts;
mod token;
mod window;

pub use error::{InvalidWindow, RateLimited};
pub use token::{OwnedRateToken, RateToken};
pub use window::SlidingWindow;
