//! Read after `word.rs`. How many places of a row are in use.
//!
//! *Invariant*: whoever finds something at a place has the count at or above it: it is
//! counted before it is published. So whoever has seen a lower of what is there counts it
//! too, and does not raise over it.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the CAS | `Relaxed` | nothing | the publication releases it, then the lowers do | |
//! | the load | `Relaxed` | nothing | it comes after an acquiring load of the bound above, or what it misses has not returned | |

use crate::sync::atomic::{AtomicU64, Ordering::*, load_settled};

/// How many of a row were made, or were about to be; those before the last may be
/// missing.
#[derive(Debug)]
pub(super) struct Made(AtomicU64);

impl Made {
    pub(super) fn zero() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn load(&self) -> usize {
        load_settled(&self.0) as usize
    }

    pub(super) fn at_least(&self, count: usize) {
        let (mut made, count) = (self.load() as u64, count as u64);
        while made < count {
            match self.0.compare_exchange_weak(made, count, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(now) => made = now,
            }
        }
    }
}
