#![cfg(not(feature = "loom"))]
//! Real threads on one wheel, with a ground truth for every timer.
//!
//! Each round has three phases with barriers between them. In the *storm* two
//! workers insert, touch, hold and cancel while two drivers set the clock and
//! advance: every timer ends exactly once, never while it is held, and never
//! before the last deadline that its owner was promised. At the *edge* workers
//! and drivers meet at the very tick at which a batch is due. In the *calm* the
//! workers insert a batch and stop; then one advance must fire what is due of
//! it, while the workers touch, hold and cancel other timers. A last advance
//! fires what is left and due.

#[path = "../support/deep.rs"]
mod deep;
/// Drivers set the clock and advance.
mod driver;
/// Afterwards: has each timer ended once, and when it had to?
mod judge;
/// What the threads share, and their run.
mod stress;
/// Workers insert, touch, hold and cancel.
mod worker;

use stress::Stress;

#[test]
fn one_shard_with_short_timers() {
    Stress::run(1, 500);
}

#[test]
fn one_shard_with_timers_over_several_levels() {
    Stress::run(1, 300_000);
}

#[test]
fn several_shards_with_short_timers() {
    Stress::run(4, 500);
}

#[test]
fn several_shards_with_timers_over_several_levels() {
    Stress::run(4, 300_000);
}
