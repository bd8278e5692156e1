//! Read after `record.rs`. What a driver does with the payload of a timer that has
//! fired: it ends the session, and reports the end if that is for this timer to do.

use super::phase::{End, Phase, ReportedBy, TimerKind};
use super::reason::{CloseReason, Ended};
use super::record::Record;
use crate::clock::Clock;
use crate::gate::core::TimerPayload;
use crate::sync::atomic::Ordering::Relaxed;

impl<T: Clone, C: Clock> TimerPayload<Record<T, C>> {
    /// Ends the session for which this timer fired, unless it had ended; returns the end
    /// if it is for this timer to report.
    pub(crate) fn expire(self) -> Option<Ended<T>> {
        let record = self.record.upgrade()?;
        let closes = record.core.closed();
        if let Some(reason) = closes {
            // The commit of a reservation fails by itself.
            let end = End::new(reason, ReportedBy::Caller);
            if record.phase.change(Phase::Reserved, Phase::Closing(end)).is_ok() {
                return None;
            }
        }
        let end = match self.kind {
            TimerKind::Idle => record.idle_end(),
            // The idle timers report the ends of a gate that is closed.
            TimerKind::Init | TimerKind::Life if closes.is_some() => return None,
            TimerKind::Life => self.end_for(CloseReason::MaxLifetime),
            // It fires early only if the gate was closed; else it has ended.
            TimerKind::Evicted => self.end_for(closes.unwrap_or(CloseReason::Evicted)),
            TimerKind::Init => {
                let end = self.end_for(CloseReason::InitTimeout);
                let ended = record.phase.change(Phase::Pending, Phase::Closing(end)).is_ok();
                return ended.then(|| {
                    record.core.tallies.ended(end);
                    record.retire_timers(end.reported_by);
                    Ended::new(record.tag.clone(), end.reason)
                });
            }
        };
        let won = record.end_for_good(end).map_or_else(|before| before, |()| end);
        let is_ours = won.reported_by == end.reported_by && record.owner_left.load(Relaxed) == 0;
        is_ours.then(|| Ended::new(record.tag.clone(), won.reason))
    }

    fn end_for(&self, reason: CloseReason) -> End {
        End::new(reason, ReportedBy::Driver(self.kind))
    }
}
