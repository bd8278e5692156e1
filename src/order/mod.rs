//! Read after `sync`. Who may go first? The entries that may go, in the order of their
//! keys: a tournament of lower bounds.

mod branch;
mod made;
mod root;
mod search;
mod tree;
mod word;

#[cfg(feature = "loom")]
#[doc(hidden)]
pub mod model;

#[allow(unused_imports)]
pub(crate) use search::{Found, Look, Order, SlotId};
#[allow(unused_imports)]
pub(crate) use tree::OutOfMemory;

#[cfg(all(test, not(feature = "loom")))]
mod order_tests;
