//! Read after `session/expire.rs`. The drive of a gate: sessions end by their
//! timeouts, and each end is reported to exactly one driver.
//!
//! *Progress*: lock-free, as the wheel's `advance` is. `close_all` is wait-free,
//! but for the wake-up of drivers that sleep.

use crate::clock::Clock;
use crate::gate::handle::Gate;
use crate::gate::session::reason::{CloseReason, Ended};
use crate::gate::session::record::RecordRef;
use crate::wheel::Deadline;

impl<K: 'static, T: Clone, C: Clock> Gate<K, T, C> {
    /// Ends the sessions whose timeouts have come at tick `now`, calls `f` once with
    /// each session that a timeout, an eviction or the gate's close has ended, and
    /// returns how many those were.
    ///
    /// `f` drops the session's owner, or has it dropped. It is not called for a
    /// session whose owner is gone already, nor for one that a caller has
    /// [closed](crate::SessionHandle::close).
    ///
    /// Any thread may call this, several at once; `f` may use the gate.
    /// A `now` that is ahead of the gate's clock puts off the timeouts of what is reserved
    /// or in use.
    ///
    /// # Panics
    ///
    /// Whatever `f` or the tag's `clone` panics with. That session has ended and is not
    /// reported again; what else is due ends at the next call.
    pub fn advance(&self, now: u64, mut f: impl FnMut(Ended<T>)) -> usize {
        let mut reported = 0;
        let mut report = |ended: Option<Ended<T>>| {
            if let Some(ended) = ended {
                reported += 1;
                f(ended);
            }
        };
        for record in self.core.unreported.take() {
            report(record.to_report());
        }
        let mut fired = |record: RecordRef<T, C>, by| report(record.timer_has_fired(by));
        match self.core.closed() {
            None => self.core.wheel.advance_with_deadline(now, fired),
            Some(_) => self.core.wheel.fire_all(now, |record| fired(record, Deadline::Idle)),
        };
        reported
    }

    /// The sessions that [`advance`](Self::advance) reports, now by the gate's clock.
    pub fn expired(&self) -> Vec<Ended<T>> {
        let mut expired = Vec::new();
        self.advance(self.core.now(), |ended| expired.push(ended));
        expired
    }
}

impl<K: 'static, T, C: Clock> Gate<K, T, C> {
    /// A tick before which [`advance`](Self::advance) has nothing to do, for
    /// the sessions there are now; `None` if there is none.
    pub fn next_deadline(&self) -> Option<u64> {
        self.core.next_deadline()
    }

    /// Closes the gate for good: it admits nobody any more, and every session
    /// ends for this reason. The next [`advance`](Self::advance) reports each.
    ///
    /// No activity begins after this. An admission that overlaps this call may
    /// still be granted; its session ends too, at the next `advance` after it.
    pub fn close_all(&self, reason: CloseReason) {
        self.core.close(reason);
        self.core.alarm.ring();
    }
}
