//! The decision about a newcomer: admitted, or refused for one cause. In the order
//! to read: `rejected.rs`, then after `session/` `evict.rs` and
//! `admit.rs`.
//!
//! *What may never happen here*: an admission that keeps a part of what it took and
//! fails; a refusal that writes a word that other clients read, but for the search for
//! the first end; a session that is
//! evicted while it is busy or pending, or for a newcomer that is then refused.

mod admit;
mod evict;
pub(super) mod rejected;

pub use rejected::{Cause, Rejected};
