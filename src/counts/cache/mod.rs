//! Read after `key.rs`; then `block.rs`, `batch.rs`, `thread.rs`. Where the
//! memory of nodes waits to be used again: with the thread that retired them.
//!
//! *Origin*: the thread caches of memory allocators (Bonwick and Adams'
//! magazines, 2001), filled by a reclaimer. A node that goes to the epoch
//! reclaimer by itself is freed on whichever thread collects, far from the next
//! insert. Here a thread keeps its retired nodes in batches and the reclaimer
//! says only when: it sets a flag, and the nodes never change cores.
//!
//! ```text
//!  retire → open batch ─ full ─→ waiting, its passing deferred ─ passed ─→ free lists → alloc
//! ```
//!
//! *Parts*: `block.rs` knows sizes, `batch.rs` hands over, `thread.rs` keeps.
//!
//! *Who may touch it*: `node.rs` only.
//!
//! *Checked by*: `loom-tests/counts_cache.rs`; `tests/counts_stress.rs`. The
//! models of the list do without it: reuse would hide a use after a release.

mod batch;
mod block;
#[cfg(feature = "loom")]
#[doc(hidden)]
pub mod model;
#[cfg(not(feature = "loom"))]
mod thread;

#[cfg(feature = "loom")]
pub(super) use crate::sync::heap::{alloc, dealloc};
#[cfg(not(feature = "loom"))]
pub(super) use thread::{alloc, dealloc, retire};
