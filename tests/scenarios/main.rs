#![cfg(not(feature = "loom"))]
//! What happened to other session managers, each under the name by which it is
//! known, and does not happen here.

/// A gate on a clock that is set by hand.
mod bench;
/// A future that is dropped, and code of the user's own that panics, anywhere.
mod everywhere;
/// Who makes room at capacity, and who never does.
mod eviction;
/// Limits under a storm, under changes and under a flood by one client.
mod limits;
/// Requests that are under way as their session, their client or the server ends.
mod requests;
/// Sessions that time ends, in time and not before.
mod timeouts;
