//! Read after `record.rs`. A timer of a session has fired: the session ends, and one
//! driver reports the end.
//!
//! *Why it ends*, if nothing has ended it before: the gate was closed; or the timer fired
//! by its idle deadline; or by its fixed one, which is that of the init timeout
//! until the session is established, and then that of the lifetime.
//!
//! *Establish, the init timeout*: `establish` moves the fixed deadline first, which
//! decides whether the timer has fired by it, and then changes the phase. So a
//! timer that has fired by the init timeout finds the session pending for ever, and one
//! that finds it established has fired by the lifetime. (One that finds it pending may
//! have fired by the lifetime while a call of `establish` stands between the
//! two: then that call returns that the init timeout has ended the session.)

use super::phase::{End, Phase, ReportedBy};
use super::reason::{CloseReason, Ended};
use super::record::Record;
use crate::clock::Clock;
use crate::wheel::Deadline;

impl<T: Clone, C: Clock> Record<T, C> {
    /// Ends the session whose timer fired by this deadline, unless it had ended; returns
    /// the end if it is for the caller to report.
    pub(crate) fn timer_has_fired(&self, by: Deadline) -> Option<Ended<T>> {
        if let Some(reason) = self.core.closed() {
            // The commit of a reservation fails by itself.
            let end = End::new(reason, ReportedBy::Caller);
            if self.phase.change(Phase::Reserved, Phase::Closing(end)).is_ok() {
                return None;
            }
        }
        self.expire(by);
        self.to_report()
    }

    /// The end, if there is one and it is for a driver to report. Only for who has the
    /// timer's payload.
    pub(crate) fn to_report(&self) -> Option<Ended<T>> {
        let reason = self.phase.to_be_reported()?;
        Some(Ended::new(self.tag.clone(), reason))
    }
}

impl<T, C> Record<T, C> {
    /// Ends the session whose timer has fired by this deadline; returns the end that
    /// stands.
    pub(super) fn expire(&self, by: Deadline) -> End {
        let reason = match (self.core.closed(), by) {
            (Some(reason), _) => reason,
            (None, Deadline::Idle) => CloseReason::Idle,
            (None, Deadline::Fixed) => {
                let end = End::new(CloseReason::InitTimeout, ReportedBy::Driver);
                if self.waits_for_init()
                    && self.phase.change(Phase::Pending, Phase::Closing(end)).is_ok()
                {
                    self.core.tallies.ended(end);
                    return end;
                }
                CloseReason::MaxLifetime
            }
        };
        let end = End::new(reason, ReportedBy::Driver);
        self.end(end).map_or_else(|before| before, |()| end)
    }
}
