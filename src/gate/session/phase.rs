//! Read after `reason.rs`. The one word on which every race about a
//! session's end is decided.
//!
//! ```text
//!  31    24 23       16 15    8 7     0
//! +--------+-----------+--------+------+   step 0: reserved, 1: pending,
//! | passes | reported  | reason | step |        2: established, 3: closing
//! |  slot  |    by     |        |      |
//! +--------+-----------+--------+------+
//! ```
//!
//! *Invariant*: steps only go up, and nothing leaves closing: the reason never changes, nor
//! who reports the end, but that it is nobody any more when the owner has left before a
//! driver came. So a session has exactly one reason. (A reservation
//! becomes closing only if its gate is closed; then it is never committed.)
//!
//! *Linearization points*: commit, establish, end → their CAS, or the load or
//! failed CAS that found the session closing.
//!
//! *Passes slot*: an eviction closes the session and passes its slot on, by one CAS
//! (`decide/evict.rs`).
//!
//! *Reported by*: exactly one party reports the end to the manager, whoever made the
//! CAS: the caller that closed the session, or the driver that gets the payload of
//! its timer (`expire.rs`).
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the CAS | `Release` | `load`, a failed CAS | who learns of an end misses what was done before it | `who_learns_of_an_end_sees_what_led_to_it` |
//! | `load`, a failed CAS | `Acquire` | the CAS | the same, from the other side | `who_learns_of_an_end_sees_what_led_to_it` |
//!
//! *Progress*: lock-free; the word changes three times at most, so wait-free.

use super::reason::CloseReason;
use crate::sync::atomic::{AtomicU32, Ordering::*};

/// Who reports an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportedBy {
    /// The one whose call ended the session, by that call's return.
    Caller,
    /// The driver that gets the payload of its timer.
    Driver,
    /// Nobody: the owner has left before a driver came.
    Nobody,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) reason: CloseReason,
    pub(crate) reported_by: ReportedBy,
    /// The slot belongs to whoever evicted the session.
    pub(crate) passes_slot: bool,
}

impl End {
    pub(crate) const EVICTION: Self =
        Self { reason: CloseReason::Evicted, reported_by: ReportedBy::Driver, passes_slot: true };

    /// An end that leaves the slot with the session's owner.
    pub(crate) const fn new(reason: CloseReason, reported_by: ReportedBy) -> Self {
        Self { reason, reported_by, passes_slot: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Reserved,
    Pending,
    Established,
    Closing(End),
}

impl Phase {
    const fn word(self) -> u32 {
        match self {
            Self::Reserved => 0,
            Self::Pending => 1,
            Self::Established => 2,
            Self::Closing(End { reason, reported_by, passes_slot }) => {
                let reported_by = match reported_by {
                    ReportedBy::Caller => 0,
                    ReportedBy::Driver => 1,
                    ReportedBy::Nobody => 2,
                };
                (passes_slot as u32) << 24 | reported_by << 16 | (reason as u32) << 8 | 3
            }
        }
    }

    fn of_word(word: u32) -> Self {
        let reported_by = || match word >> 16 & 0xFF {
            0 => ReportedBy::Caller,
            1 => ReportedBy::Driver,
            _ => ReportedBy::Nobody,
        };
        match word & 0xFF {
            0 => Self::Reserved,
            1 => Self::Pending,
            2 => Self::Established,
            _ => {
                let reason = CloseReason::ALL[(word >> 8 & 0xFF) as usize];
                Self::Closing(End {
                    reason,
                    reported_by: reported_by(),
                    passes_slot: word >> 24 > 0,
                })
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct PhaseWord(AtomicU32);

impl PhaseWord {
    pub(crate) fn reserved() -> Self {
        Self(AtomicU32::new(Phase::Reserved.word()))
    }

    pub(crate) fn load(&self) -> Phase {
        Phase::of_word(self.0.load(Acquire))
    }

    /// From this phase to that, or what the phase is instead.
    pub(crate) fn change(&self, from: Phase, to: Phase) -> Result<(), Phase> {
        match self.0.compare_exchange(from.word(), to.word(), AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(is) => Err(Phase::of_word(is)),
        }
    }

    /// Ends the session, or returns how it had ended before.
    pub(crate) fn end(&self, end: End) -> Result<(), End> {
        // A guess: most sessions that end were established.
        let mut phase = Phase::Established;
        loop {
            if let Phase::Closing(before) = phase {
                return Err(before);
            }
            match self.change(phase, Phase::Closing(end)) {
                Ok(()) => return Ok(()),
                Err(is) => phase = is,
            }
        }
    }
}

impl PhaseWord {
    /// The reason of an end that a driver is to report.
    pub(crate) fn to_be_reported(&self) -> Option<CloseReason> {
        match self.load() {
            Phase::Closing(End { reason, reported_by: ReportedBy::Driver, .. }) => Some(reason),
            _ => None,
        }
    }

    /// The owner leaves a session that has ended.
    pub(crate) fn report_to_nobody(&self) {
        if let Phase::Closing(end) = self.load() {
            if end.reported_by == ReportedBy::Driver {
                let untold = End { reported_by: ReportedBy::Nobody, ..end };
                // Nothing else leaves closing.
                _ = self.change(Phase::Closing(end), Phase::Closing(untold));
            }
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn every_phase_comes_back_from_its_word() {
        let reporters = [ReportedBy::Driver, ReportedBy::Caller, ReportedBy::Nobody];
        let ends = CloseReason::ALL.into_iter().flat_map(|reason| {
            reporters.map(move |reported_by| Phase::Closing(End::new(reason, reported_by)))
        });
        let ends = ends.chain([Phase::Closing(End::EVICTION)]);
        for phase in [Phase::Reserved, Phase::Pending, Phase::Established].into_iter().chain(ends) {
            assert_eq!(Phase::of_word(phase.word()), phase);
        }
    }
}
