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
use crate::sync::arc::Weak;
use crate::sync::atomic::Ordering::Relaxed;
use crate::wheel::Deadline;

impl<T: Clone, C: Clock> Record<T, C> {
    /// Ends the session whose timer fired by this deadline, unless it had ended; returns
    /// the end if it is for the caller to report.
    pub(crate) fn timer_has_fired(record: &Weak<Self>, by: Deadline) -> Option<Ended<T>> {
        let record = record.upgrade()?;
        if let Some(reason) = record.core.closed() {
            // The commit of a reservation fails by itself.
            let end = End::new(reason, ReportedBy::Caller);
            if record.phase.change(Phase::Reserved, Phase::Closing(end)).is_ok() {
                return None;
            }
        }
        let end = record.expire(by);
        // An evicted session has two timers; the first one that fires reports.
        let is_ours = end.reported_by == ReportedBy::Driver && record.settled.swap(1, Relaxed) == 0;
        is_ours.then(|| Ended::new(record.tag.clone(), end.reason))
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
