//! Read after `search.rs`. The order as the models reach it.

pub use super::search::{Found, Look, Order, SlotId};
pub use super::tree::OutOfMemory;
