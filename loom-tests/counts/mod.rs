//! Interleavings of the subject counts, on a directory of two buckets that may
//! grow to four, under the reclaimer that frees as early as it may. A use after
//! a release, a double release and a leak fail every model here.

/// Subjects whose hash is chosen, and a small map of them.
mod bench;
/// The directory: buckets that are linked, and growth.
mod buckets;
/// Entries that come, die and come back, alone and beside others.
mod entries;
/// The answers are those of a sequential map.
mod linear;

pub use bench::{
    A, A2, B, C, Counts, D, Ghost, Held, Subject, Thread, Told, acquire, assert_empty, counts, with,
};
