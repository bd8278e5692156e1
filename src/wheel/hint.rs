//! Read after `slot.rs`. The hint: no linked timer is due before it. It makes
//! an advance with nothing to do one load, and it is `next_deadline`.
//!
//! ```text
//!  63                        20 19          0
//! +----------------------------+-------------+
//! |            tick            |   version   |    tick NO_TICK: nothing is linked
//! +----------------------------+-------------+
//! ```
//!
//! *Invariant*: for each slot that holds a chain, `tick` is not after the
//! chain's start, unless the thread that made the slot non-empty is still on
//! its way here.
//!
//! *How*: whoever makes a slot non-empty lowers the hint, always by a write,
//! even when it is low enough already: the version tells a driver, who raises
//! the hint to the least start that it has seen, that it may have missed one.
//! A driver that lost leaves the hint low, which costs another scan and loses
//! nothing. Who joins a chain lowers nothing: the one who began it does. Who
//! takes nodes out of slots changes the version before.
//!
//! *Linearization points*: lower, raise → their CAS.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | lower's CAS, releasing | `AcqRel` | the lowering with which a scan begins | a scan does not see the slot's bit, and raises the hint over it | `what_is_inserted_fires_once` |
//! | lower's CAS, acquiring | `AcqRel` | others' lowerings | the same, from the other side | `what_is_inserted_fires_once` |
//! | raise's CAS | `Release` | the same | the next scan does not see what this one linked again | |
//! | the load | `Relaxed` | nothing | it says whether to scan; what led to it is acquired by the scan's lowering | |
//!
//! *Progress*: lock-free. *Bounds*: a scan during which the hint is lowered a
//! multiple of 2^20 times and ends on the same tick would not notice.

use super::level::NO_TICK;
use crate::sync::atomic::{AtomicU64, Ordering::*};

/// The hint as it was read: `tick:44 | version:20`, as drawn in the module header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HintSnapshot(u64);

const VERSION_BITS: u32 = 20;
const VERSION: u64 = (1 << VERSION_BITS) - 1;

impl HintSnapshot {
    pub(super) const fn tick(self) -> u64 {
        self.0 >> VERSION_BITS
    }

    /// The next word, with this tick.
    const fn changed_to(self, tick: u64) -> Self {
        Self(tick << VERSION_BITS | (self.0 + 1) & VERSION)
    }
}

#[derive(Debug)]
pub(super) struct Hint {
    word: AtomicU64,
}

impl Hint {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(NO_TICK << VERSION_BITS) }
    }

    pub(super) fn load(&self) -> HintSnapshot {
        HintSnapshot(self.word.load(Relaxed))
    }

    /// Not after `start` any more: what it was, and what it is.
    pub(super) fn lower(&self, start: u64) -> (HintSnapshot, HintSnapshot) {
        let mut seen = HintSnapshot(self.word.load(Relaxed));
        loop {
            let next = seen.changed_to(seen.tick().min(start));
            match self.word.compare_exchange_weak(seen.0, next.0, AcqRel, Relaxed) {
                Ok(_) => return (seen, next),
                Err(now) => seen = HintSnapshot(now),
            }
        }
    }

    /// Raises the hint to `tick` unless it changed since it was `seen`.
    pub(super) fn raise(&self, seen: HintSnapshot, tick: u64) {
        let _ = self.word.compare_exchange(seen.0, seen.changed_to(tick).0, Release, Relaxed);
    }
}
