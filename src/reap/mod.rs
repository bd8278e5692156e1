//! Read after `gate/mod.rs`. What drives a gate: `thread.rs` calls its `advance` from a
//! thread of its own, `task.rs` from a task of a tokio runtime or a future. `sleep.rs` is
//! how long they may sleep.
//!
//! *What may never happen here*: an end that is lost by a panic or a future that is
//! dropped; a driver that sleeps past a deadline, or misses a wake-up.

mod sleep;
#[cfg(feature = "tokio")]
mod task;
mod thread;

#[cfg(feature = "tokio")]
pub use task::TokioReaper;
pub use thread::Reaper;
