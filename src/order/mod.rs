//! Read after `sync`. Who may go first? The entries that may go, in the order of their
//! keys: a tournament of lower bounds.
//!
//! *Read in this order*: `word.rs`, `root.rs`, `made.rs`, `tree.rs`, `branch.rs`,
//! `search.rs`. The gate's models take it as one step an operation (`in_one_step.rs`).

mod branch;
#[cfg(feature = "loom")]
mod in_one_step;
mod made;
mod root;
mod search;
mod tree;
mod word;

#[cfg(feature = "loom")]
#[doc(hidden)]
pub mod model;

#[cfg(feature = "loom")]
pub(crate) use in_one_step::Order;
#[cfg(not(feature = "loom"))]
pub(crate) use search::Order;
pub(crate) use search::{Found, Look, SlotId};
pub(crate) use tree::OutOfMemory;

#[cfg(all(test, not(feature = "loom")))]
mod order_tests;
