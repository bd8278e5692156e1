//! Read after `permit.rs`. How a permit comes about: the counter reserves, and a
//! permit owns what was reserved.
//!
//! *Invariant*: between a granted reservation and the permit that holds it
//! nothing can fail, so no slot is without an owner.
//!
//! *Checked by*: what checks `counter.rs`.

use std::sync::Arc;

use super::counter::AdmissionCounter;
use super::error::{AcquireManyError, AtCapacity};
use super::permit::{OwnedPermit, Permit};

impl AdmissionCounter {
    /// Takes one slot, or tells at once that there is none.
    ///
    /// # Errors
    ///
    /// [`AtCapacity`] if at an instant of the call `in_use >= limit`.
    pub fn try_acquire(&self) -> Result<Permit<'_>, AtCapacity> {
        self.reserve(1).map(|()| Permit::holding(self, 1))
    }

    /// Takes `slots` slots, all or none.
    ///
    /// # Errors
    ///
    /// [`AcquireManyError`]: `slots` is 0 or over `u32::MAX`, or at an instant
    /// of the call `in_use + slots > limit`.
    pub fn try_acquire_many(&self, slots: usize) -> Result<Permit<'_>, AcquireManyError> {
        let slots = slots_asked(slots)?;
        Ok(self.reserve(slots).map(|()| Permit::holding(self, slots))?)
    }

    /// [`try_acquire`](Self::try_acquire) for a holder that must not borrow
    /// the counter, such as a task or a session stored in a map.
    ///
    /// # Errors
    ///
    /// [`AtCapacity`] if at an instant of the call `in_use >= limit`.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit, AtCapacity> {
        self.reserve(1).map(|()| OwnedPermit::holding(Arc::clone(self), 1))
    }

    /// [`try_acquire_many`](Self::try_acquire_many) for a holder that must not
    /// borrow the counter.
    ///
    /// # Errors
    ///
    /// [`AcquireManyError`]: `slots` is 0 or over `u32::MAX`, or at an instant
    /// of the call `in_use + slots > limit`.
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        slots: usize,
    ) -> Result<OwnedPermit, AcquireManyError> {
        let slots = slots_asked(slots)?;
        Ok(self.reserve(slots).map(|()| OwnedPermit::holding(Arc::clone(self), slots))?)
    }
}

fn slots_asked(slots: usize) -> Result<u32, AcquireManyError> {
    match u32::try_from(slots) {
        Ok(0) => Err(AcquireManyError::NoSlots),
        Ok(slots) => Ok(slots),
        Err(_) => Err(AcquireManyError::TooManySlots { asked: slots }),
    }
}
