//! Read after `clock/mod.rs`. Who goes first? The entries that may go, by their keys: the
//! oldest, or the least recently active. It knows no sessions; it asks its caller about an
//! entry by the slot's name, a branch and a number.
//!
//! *How*: a tournament of lower bounds. Each slot has a bound, and so has each group of
//! slots, each block of groups, and each tree of blocks: none that may go below has a lower
//! key. A newcomer lowers the four bounds from the slot to the root. A search reads the
//! roots, descends to the least, and asks about the entry there. If it may not go, or only
//! under a higher key, the search raises the bounds, and whoever frees the entry lowers
//! them again. So an activity writes nothing here unless a search has met it, and where
//! nobody may go the roots say so.
//!
//! *Invariant*: once an `enter` or `wake` has returned, every bound above its slot is at
//! or below its key, until a look that began later is told that the entry is busy or gone, or
//! has a higher key. A bound that is too low costs a search a step, and hides nobody.
//!
//! *Why no raise hides a newcomer*: who lowers goes up, and always writes, every level. Who
//! raises loads the word, then what is below it (for a slot: asks), then compares and swaps
//! the word. A lower that comes between has changed the version (`word.rs`); one that had
//! passed before is seen below; one that comes later lowers the word again.
//!
//! *Read in this order*: `word.rs`, `made.rs`, `root.rs`, `tree.rs`, `branch.rs`,
//! `search.rs`.
//!
//! *Linearization points, and why what is found is the first*: in `search.rs`.
//!
//! | race | ruling |
//! |---|---|
//! | a search marks an entry as busy while it is freed | the CAS on the entry's own word: freed first, it is found; marked first, it is woken, which changes the word that the search loaded before it looked |
//! | enter, and a raise of the same group, block or tree | the version |
//! | two lower one group, one is held up | the other goes on to the root all the same |
//! | a waker is late, the number has a new owner | the bound is too low; the key that the look tells decides |
//! | an older one is woken while a younger is found | the second reading of the roots (`root.rs`) |
//! | two searches find one entry | the caller's claim, by a CAS from what the look saw |
//!
//! *Progress*: lock-free, but for the allocation of a slot.
//!
//! *Bounds*: 16.5 bytes a number, rounded up to 256 of them, by the highest that was ever in
//! use; and 640 bytes for each 8,192, of which there may be twice as many as are in use.
//!
//! *Checked by*: `loom-tests/order.rs` and its mutants, `order_tests.rs`,
//! `random_tests.rs`. The gate's models take it as one step an operation
//! (`in_one_step.rs`).

mod branch;
#[cfg(feature = "loom")]
mod in_one_step;
mod made;
mod root;
mod search;
mod tree;
mod word;

#[cfg(feature = "loom")]
#[doc(hidden)]
pub mod model;

#[cfg(feature = "loom")]
pub(crate) use in_one_step::Order;
#[cfg(not(feature = "loom"))]
pub(crate) use search::Order;
pub(crate) use search::{Found, Look, SlotId};
pub(crate) use tree::OutOfMemory;

#[cfg(all(test, not(feature = "loom")))]
mod order_tests;
#[cfg(all(test, not(feature = "loom")))]
mod random_tests;
