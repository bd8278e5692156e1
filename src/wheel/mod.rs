//! Read after `clock/mod.rs`. The timer wheel: a hierarchical wheel for timers that
//! are mostly touched or cancelled and rarely fire.
//!
//! *Origin*: Varghese and Lauck's hierarchical wheel (1987), with the lazy
//! refresh of touched timers that tokio's and others have, on slots that are
//! lock-free: chains that are pushed to and taken whole. Adoption of cancelled
//! nodes that are still linked is this crate's own.
//!
//! *Ground rules*: a node is known by number and never moves; it is owned by
//! at most two parties, the handle and the link, then by the free list and the
//! link; every race about it is decided on its one word (`word.rs`). The wheel
//! knows no present: it is told `now` with each call, by any thread, and only
//! ever compares.
//!
//! *Invariants*: each payload leaves once (`visit.rs`); a chain is visited no
//! later than any of its timers is due (`slot.rs`, `hint.rs`); nodes are few
//! (`sweep.rs`).
//!
//! *Read in this order*: `level.rs`, `horizon.rs`, `deadline.rs`, `word.rs`,
//! `node.rs`, `arena.rs`, `free_list.rs`, `slot.rs`, `hint.rs`, `shard.rs`,
//! `visit.rs`, `advance.rs`, `sweep.rs`, `adopt.rs`, `timer.rs`, `fixed.rs`,
//! `timer_wheel.rs`, `drive.rs`, `claim.rs`, `earliest.rs`, `first_end.rs`. The page `docs::wheel` has the pictures,
//! and every race with its ruling.
//!
//! *Progress*: insert, touch, hold, cancel and advance are lock-free; an insert
//! may call the allocator while the wheel grows.
//!
//! *Checked by*: `loom-tests/wheel*` and their mutants, `tests/wheel*`, the
//! fuzz target `wheel`.

mod adopt;
mod advance;
mod arena;
mod claim;
mod deadline;
mod drive;
mod earliest;
mod error;
mod first_end;
mod fixed;
mod free_list;
mod hint;
mod horizon;
mod level;
#[cfg(feature = "loom")]
#[doc(hidden)]
pub mod model;
mod node;
mod shard;
mod slot;
mod sweep;
mod timer;
mod timer_wheel;
mod visit;
mod word;

pub(crate) use claim::{Look, Unused};
pub use deadline::{Deadline, Deadlines, FixedDeadline};
pub use drive::Advanced;
pub use error::{Expired, HoldError, WheelFull};
pub(crate) use first_end::{ENDLESS, FirstEnd};
pub(crate) use horizon::lasts_a_century;
pub(crate) use node::TimerId;
pub(crate) use timer::LastHold;
pub use timer::{Hold, Timer};
pub use timer_wheel::TimerWheel;
