//! Read after `session/reason.rs`. Whether the whole gate is closed, and for which
//! reason.
//!
//! *Invariant*: the word is 0, or 1 + a reason; it changes once, so the first
//! close gives the reason that every session without an end of its own gets.
//!
//! *Linearization points*: close → its CAS; a close that came second → the CAS
//! that fails; `reason` → its load.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the CAS | `Release` | `reason` | a driver, a session or a newcomer that is told of the close misses what was done before it | `a_driver_sees_what_led_to_the_close_that_it_tells_of`, `a_newcomer_sees_what_led_to_the_close_that_refuses_it` |
//! | `reason` | `Acquire` | the CAS | the same, from the other side | the same |
//!
//! *Progress*: wait-free.

use super::session::reason::CloseReason;
use crate::sync::atomic::{AtomicU32, Ordering::*};

#[derive(Debug)]
pub(super) struct ClosedWord(AtomicU32);

impl ClosedWord {
    pub(super) fn open() -> Self {
        Self(AtomicU32::new(0))
    }

    pub(super) fn reason(&self) -> Option<CloseReason> {
        match self.0.load(Acquire) {
            0 => None,
            reason => Some(CloseReason::ALL[reason as usize - 1]),
        }
    }

    /// Closes it, unless it was closed before.
    pub(super) fn close(&self, reason: CloseReason) {
        _ = self.0.compare_exchange(0, 1 + reason as u32, Release, Relaxed);
    }
}
