//! What ends sessions in time: `advance.rs` does it; `reaper.rs` and
//! `reaper_tokio.rs` call it from a thread or a task of their own.
//!
//! *What may never happen here*: a session that ends before its deadline; an end that is
//! reported twice, or lost by a panic or a future that is dropped; a driver that
//! sleeps past a deadline, or misses a wake-up.

mod advance;
mod reaper;
#[cfg(feature = "tokio")]
mod reaper_tokio;

pub use reaper::Reaper;
#[cfg(feature = "tokio")]
pub use reaper_tokio::TokioReaper;
