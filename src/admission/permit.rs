//! Read after `counter.rs`. Permits: the owners of slots.
//!
//! *Invariant*: over all permits of a counter, the sum of `held`, plus what
//! was forgotten, is the counter's `in_use`. Only four steps change who holds
//! what, and each keeps the sum: split and merge move slots between two
//! permits that one caller holds exclusively; `hand_over` moves them from a
//! shared permit to a new one; drop takes them all to the counter.
//!
//! *Linearization points*: `hand_over` → its swap of `held`, which also decides
//! between two that race: one gets the slots, the other finds 0. The counter's
//! word is not touched, so `in_use` neither dips nor rises.
//!
//! *Memory orderings*: every access to `held` is `Relaxed` or exclusive. A
//! hand-over moves a number, not data: the old holder is still running and has
//! published nothing.
//!
//! *Progress*: everything wait-free. A drop never panics, blocks or calls user
//! code.
//!
//! *Checked by*: the `hand_over` and `unwind` models in
//! `loom-tests/admission.rs`, `tests/admission_model.rs`.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::counter::AdmissionCounter;
use super::error::{MergeError, SplitError};
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed, with_mut};

/// What both kinds of permit are: slots, and the counter they go back to.
struct Slots<C: Deref<Target = AdmissionCounter>> {
    counter: C,
    held: AtomicU32,
}

impl<C: Deref<Target = AdmissionCounter> + Clone> Slots<C> {
    fn new(counter: C, held: u32) -> Self {
        Self { counter, held: AtomicU32::new(held) }
    }

    fn split(&mut self, asked: usize) -> Result<Self, SplitError> {
        let held = with_mut(&mut self.held, |held| *held);
        match u32::try_from(asked) {
            Ok(taken) if 0 < taken && taken <= held => {
                with_mut(&mut self.held, |held| *held -= taken);
                Ok(Self::new(self.counter.clone(), taken))
            }
            _ => Err(SplitError::new(asked, held)),
        }
    }

    /// Takes the slots of `other` unless they belong to another counter. The
    /// sum is part of one `in_use`, so it fits.
    fn absorb(&mut self, other: &mut Self) -> bool {
        let same = std::ptr::eq(&*self.counter, &*other.counter);
        if same {
            let more = other.empty();
            with_mut(&mut self.held, |held| *held += more);
        }
        same
    }

    /// Takes the slots of a permit that nobody else can reach.
    fn empty(&mut self) -> u32 {
        with_mut(&mut self.held, std::mem::take)
    }

    fn hand_over(&self) -> Option<Self> {
        match self.held.swap(0, Relaxed) {
            0 => None,
            held => Some(Self::new(self.counter.clone(), held)),
        }
    }
}

impl<C: Deref<Target = AdmissionCounter>> Drop for Slots<C> {
    fn drop(&mut self) {
        let held = with_mut(&mut self.held, |held| *held);
        if held > 0 {
            self.counter.release(held);
        }
    }
}

/// The methods that both kinds of permit have.
macro_rules! permit {
    ($name:ident, $counter:ty $(, $lifetime:lifetime)?) => {
        impl$(<$lifetime>)? $name$(<$lifetime>)? {
            pub(super) fn holding(counter: $counter, slots: u32) -> Self {
                Self(Slots::new(counter, slots))
            }

            /// How many slots this permit holds: 0 once they were handed over.
            pub fn slots(&self) -> u32 {
                self.0.held.load(Relaxed)
            }

            /// Takes `slots` of the slots into a permit of their own. The
            /// counter is not touched.
            ///
            /// # Errors
            ///
            /// [`SplitError`] if `slots` is 0 or more than this permit holds,
            /// which then keeps them all.
            pub fn split(&mut self, slots: usize) -> Result<Self, SplitError> {
                self.0.split(slots).map(Self)
            }

            /// Takes over the slots of `other`. The counter is not touched.
            ///
            /// # Errors
            ///
            /// [`MergeError`] with `other` inside, untouched, if it belongs to
            /// another counter.
            pub fn merge(&mut self, mut other: Self) -> Result<(), MergeError<Self>> {
                match self.0.absorb(&mut other.0) {
                    true => Ok(()),
                    false => Err(MergeError { rejected: other }),
                }
            }

            /// Passes the slots to a new holder: the returned permit holds
            /// them, this one holds none and its drop gives nothing back.
            ///
            /// Works on a shared permit, whoever owns it. Between two that
            /// race, exactly one gets the slots; `None` says that they were
            /// handed over before. The slots are never free in between, so
            /// nobody else can take them and `in_use` does not move: this is
            /// how an eviction passes a victim's slot to the newcomer.
            ///
            /// # Memory ordering
            ///
            /// None: the old holder still runs, and what it wrote is not
            /// published to the new one.
            pub fn hand_over(&self) -> Option<Self> {
                self.0.hand_over().map(Self)
            }

            /// Lets go of the permit and keeps its slots in use for ever; only
            /// a raised limit makes up for them. (`mem::forget` does the same,
            /// less explicitly.)
            pub fn forget(mut self) {
                self.0.empty();
            }
        }

        impl$(<$lifetime>)? fmt::Debug for $name$(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("slots", &self.slots()).finish()
            }
        }
    };
}

/// Slots of an [`AdmissionCounter`], given back exactly once: when this is
/// dropped, on every path, an unwinding one included.
///
/// Comes from [`AdmissionCounter::try_acquire`]. Dropping it never panics,
/// blocks or calls user code.
#[must_use = "a permit that is dropped at once admits nobody"]
pub struct Permit<'a>(Slots<&'a AdmissionCounter>);

permit!(Permit, &'a AdmissionCounter, 'a);

/// A [`Permit`] that keeps its counter alive instead of borrowing it.
///
/// Comes from [`AdmissionCounter::try_acquire_owned`].
#[must_use = "a permit that is dropped at once admits nobody"]
pub struct OwnedPermit(Slots<Arc<AdmissionCounter>>);

permit!(OwnedPermit, Arc<AdmissionCounter>);
