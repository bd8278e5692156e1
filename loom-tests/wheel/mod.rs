//! Interleavings of the timer wheel: of eight ticks, with pieces of one node. A
//! timer's fixed deadline has models of its own, in `wheel_fixed.rs`, and so has
//! its retirement, in `wheel_retire.rs`.

/// The wheel of a model, and what has fired.
mod bench;
/// Inserts against drivers and sweeps: what is in a slot's chain fires once.
mod chains;
/// What is done with a timer's handle, against a driver.
mod handles;
/// The next deadline that a driver sleeps to.
mod hint;
/// The memory of timers: a node has one owner, and a payload leaves it once.
mod nodes;

pub use bench::{Bench, NoClock};
