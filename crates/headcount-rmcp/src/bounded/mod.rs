//! Read last. The names of `mcp-session` 0.2, for programs that were written
//! against it.
//!
//! What they mean is kept: sessions are established as soon as they are made,
//! the oldest makes room for who comes when all are taken, a session that was
//! closed counts no longer, and a stream that only listens keeps nothing alive.
//! Other than there, the limit holds at every instant, a session is never
//! evicted while a request is in flight, its idle time starts at the end of the
//! last request, and a place in the rate window goes back also when the future
//! that makes a session is dropped.

mod builder;
mod error;
mod manager;
mod settings;

pub use builder::BoundedSessionManagerBuilder;
pub use error::{BoundedSessionError, CloseReason};
pub use manager::BoundedSessionManager;
