//! Read this first. The only module that names std's or loom's primitives:
//! every other one takes its atomics from here, so that the model checker runs
//! the very source that ships.
//!
//! *Normal builds*: the names below are std's own types, re-exported, so an
//! operation compiles to std's (`tests/shim_is_free.rs` compares the assembly).
//! *Under the feature `loom`*: they are loom's, each operation preceded by a
//! touch, which `atomic.rs` explains; crossbeam-epoch gives way to a reclaimer
//! that does the worst its contract allows (`epoch.rs`), and the memory it
//! releases goes to a quarantine (`heap.rs`).

pub(crate) mod alarm;
#[cfg(all(test, not(feature = "loom")))]
mod alarm_tests;
pub(crate) mod arc;
pub(crate) mod atomic;
pub(crate) mod cell;
mod const_fn;
pub(crate) mod counted;
pub(crate) mod epoch;
pub(crate) mod handed_on;
pub(crate) mod heap;
#[cfg(feature = "loom")]
#[doc(hidden)]
pub mod model;
pub(crate) mod sleep;
pub(crate) mod striped_arc;
pub(crate) mod tally;
pub(crate) mod thread;

pub(crate) use const_fn::const_unless_loom;
#[cfg(feature = "loom")]
pub(crate) use loom::sync::Mutex;
#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::Mutex;

/// For words that are only reached by what is one step of a model, such as those
/// in an index that is not model-checked. Std's in a loom model too.
pub(crate) mod in_one_step {
    pub(crate) use std::sync::atomic::AtomicU32;
}
