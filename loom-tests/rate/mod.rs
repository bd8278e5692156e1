//! Interleavings of the sliding window, which every call tells the time. The
//! depth-first twin in `crates/twin` runs these same files, less the models that
//! are too large for a search without a bound.

/// Threads that begin their searches at different places.
mod apart;
/// A window, and the admissions that stay in it.
mod bench;
/// The answers are those of a sequential window.
mod linear;
/// Places that are taken, left and given back.
mod places;
/// Three threads in one window.
#[cfg(feature = "loom")]
mod three_threads;
