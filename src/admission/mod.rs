//! Read after `limit.rs`; then `error.rs`, `counter.rs`, `permit.rs`,
//! `acquire.rs`. May one more come in?
//!
//! *Promise*: never over the limit, no refusal while there is room, and each
//! slot given back exactly once.
//!
//! *Parts*: `counter.rs` is the algorithm, with its orderings; `permit.rs` owns
//! slots and gives them back; `acquire.rs` makes the one from the other.

mod acquire;
mod counter;
mod error;
mod permit;

pub use counter::AdmissionCounter;
pub use error::{AcquireManyError, AtCapacity, MergeError, SplitError};
pub use permit::{OwnedPermit, Permit};
