//! Read after `rejected.rs`. The one word on which every race about a
//! session's end is decided.
//!
//! ```text
//!  31    24 23    16 15    8 7     0
//! +--------+--------+--------+------+   step 0: reserved, 1: pending,
//! | passed | teller | reason | step |        2: established, 3: closing
//! +--------+--------+--------+------+
//! ```
//!
//! *Invariant*: steps only go up, and nothing leaves closing: its reason and
//! teller never change. So a session has exactly one reason. (A reservation
//! becomes closing only if its gate is closed; then it is never committed.)
//!
//! *Linearization points*: commit, establish, end → their CAS, or the load or
//! failed CAS that found the session closing.
//!
//! *Passed*: an eviction closes the session and passes its slot on, by one CAS
//! (`evict.rs`).
//!
//! *Teller*: who tells the manager about the end, exactly one party whoever
//! made the CAS: the caller that closed it, or the driver that gets the payload
//! of one of its timers (`record.rs`), which the wheel fires once.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the CAS | `Release` | `load`, a failed CAS | who learns of an end misses what was done before it | `who_learns_of_an_end_sees_what_led_to_it` |
//! | `load`, a failed CAS | `Acquire` | the CAS | the same, from the other side | `who_learns_of_an_end_sees_what_led_to_it` |
//!
//! *Progress*: lock-free; the word changes three times at most, so wait-free.

use super::rejected::CloseReason;
use crate::sync::atomic::{AtomicU32, Ordering::*};

/// Who tells of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// The one whose call ended the session, by that call's return.
    Caller,
    /// The driver that gets the payload of this timer.
    Driver(Pulse),
}

/// The timers of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Idle,
    Init,
    Life,
    /// Started by an eviction.
    Evicted,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: CloseReason,
    pub(super) teller: Teller,
    /// The slot belongs to whoever evicted the session.
    pub(super) passes_slot: bool,
}

impl End {
    pub(super) const EVICTION: Self = Self {
        reason: CloseReason::Evicted,
        teller: Teller::Driver(Pulse::Evicted),
        passes_slot: true,
    };

    /// An end that leaves the slot with the session's owner.
    pub(super) const fn new(reason: CloseReason, teller: Teller) -> Self {
        Self { reason, teller, passes_slot: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
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
            Self::Closing(End { reason, teller, passes_slot }) => {
                let teller = match teller {
                    Teller::Caller => 0,
                    Teller::Driver(Pulse::Idle) => 1,
                    Teller::Driver(Pulse::Init) => 2,
                    Teller::Driver(Pulse::Life) => 3,
                    Teller::Driver(Pulse::Evicted) => 4,
                };
                (passes_slot as u32) << 24 | teller << 16 | (reason as u32) << 8 | 3
            }
        }
    }

    fn of_word(word: u32) -> Self {
        let teller = || match word >> 16 & 0xFF {
            0 => Teller::Caller,
            1 => Teller::Driver(Pulse::Idle),
            2 => Teller::Driver(Pulse::Init),
            3 => Teller::Driver(Pulse::Life),
            _ => Teller::Driver(Pulse::Evicted),
        };
        match word & 0xFF {
            0 => Self::Reserved,
            1 => Self::Pending,
            2 => Self::Established,
            _ => {
                let reason = CloseReason::ALL[(word >> 8 & 0xFF) as usize];
                Self::Closing(End { reason, teller: teller(), passes_slot: word >> 24 > 0 })
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct PhaseWord(AtomicU32);

impl PhaseWord {
    pub(super) fn reserved() -> Self {
        Self(AtomicU32::new(Phase::Reserved.word()))
    }

    pub(super) fn load(&self) -> Phase {
        Phase::of_word(self.0.load(Acquire))
    }

    /// From this phase to that, or what the phase is instead.
    pub(super) fn change(&self, from: Phase, to: Phase) -> Result<(), Phase> {
        match self.0.compare_exchange(from.word(), to.word(), AcqRel, Acquire) {
            Ok(_) => Ok(()),
            Err(is) => Err(Phase::of_word(is)),
        }
    }

    /// Ends the session, or tells how it had ended before.
    pub(super) fn end(&self, end: End) -> Result<(), End> {
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

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn every_phase_comes_back_from_its_word() {
        let pulses = [Pulse::Idle, Pulse::Init, Pulse::Life, Pulse::Evicted];
        let tellers = pulses.map(Teller::Driver).into_iter().chain([Teller::Caller]);
        let ends = CloseReason::ALL.into_iter().flat_map(|reason| {
            tellers.clone().map(move |teller| Phase::Closing(End::new(reason, teller)))
        });
        let ends = ends.chain([Phase::Closing(End::EVICTION)]);
        for phase in [Phase::Reserved, Phase::Pending, Phase::Established].into_iter().chain(ends) {
            assert_eq!(Phase::of_word(phase.word()), phase);
        }
    }
}
