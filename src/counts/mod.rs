//! Read after `limit.rs`; then `to_subject.rs`, `key.rs`, `link.rs`, `cache/mod.rs`, `node.rs`,
//! `lookup_key.rs`, `directory.rs`, `search.rs`, `list.rs`, `map.rs`, `permit.rs`,
//! `acquire.rs`, `lookup.rs`. How many does this subject hold, and may it have one
//! more?
//!
//! *Parts*: `list.rs` is the algorithm, a split-ordered list of the links of
//! `link.rs`, found by `search.rs` from the buckets of `directory.rs`; nodes are
//! in `node.rs`, their memory is kept at hand by `cache`; `key.rs` decides what
//! a node stores and `lookup_key.rs` compares it; `map.rs` is the map, `acquire.rs`
//! makes permits of it, `lookup.rs` does so for a caller that looks first,
//! `permit.rs` gives back; `overrides.rs` says how many each subject may hold,
//! over the keys of `hashed.rs`, and is independent.
//!
//! *Invariant, linearization points, orderings*: in `list.rs`.
//!
//! *Progress*: a permit's release is wait-free unless it is its subject's last.
//! Everything else is lock-free, but for the allocator where a new subject is
//! stored, and for the user's own `Hash`, `Eq` and `ToSubject`. Those run before
//! anything changes: if one of them panics, nothing was acquired.
//!
//! *Bounds*: 24 bytes and the subject for each subject that is held, rounded
//! up by the allocator; 16 bytes a bucket, of which there are at least 1,024
//! and at most the cap. What a subject's last release frees waits until every
//! thread that was inside an operation of any map has left it; a thread keeps
//! some of that memory for its next inserts (`cache/thread.rs` says how much).
//!
//! *Who may touch it*: anybody; there are no locks to hold.
//!
//! *Checked by*: `loom-tests/counts/` and its mutants,
//! `tests/counts_stress.rs`.

mod acquire;
mod cache;
mod directory;
mod error;
mod hashed;
mod key;
mod link;
mod list;
mod lookup;
mod lookup_key;
mod map;
mod node;
mod overrides;
mod permit;
mod search;
mod to_subject;

#[cfg(feature = "loom")]
#[doc(hidden)]
pub use cache::model as cache_model;
pub use error::{SubjectAtLimit, SubjectError, SubjectTooLong};
pub(crate) use key::is_inline as is_measured;
pub use map::SubjectCounts;
pub use overrides::Overrides;
pub(crate) use permit::StripedSubjectPermit;
pub use permit::{OwnedSubjectPermit, SubjectPermit};
pub use to_subject::ToSubject;
