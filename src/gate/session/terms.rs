//! Read after `phase.rs`. How a session begins, and its fixed timeouts.
//!
//! ```text
//!  63               62                                          0
//! +----------------+---------------------------------------------+
//! | waits for init | tick of the maximum lifetime, all 1 is never |
//! +----------------+---------------------------------------------+
//! ```
//!
//! *Waits for init*: the fixed deadline of the session's timer is the init timeout's while
//! the session is pending; else it is the lifetime's.

use crate::gate::core::Timeouts;
use crate::gate::settings::config::NEVER;
use crate::wheel::{Deadlines, FixedDeadline};

/// The fixed deadline of the timer is the init timeout's while the session is pending.
pub(super) const WAITS_FOR_INIT: u64 = 1 << 63;
pub(super) const LIFE_BITS: u64 = WAITS_FOR_INIT - 1;

/// How the session begins when it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InitialPhase {
    Pending,
    Established,
    /// Established, with an activity.
    Active,
}

/// The fixed timeouts of a session, in ticks, as they are at its reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// `NEVER` if the session does not begin pending.
    pub(super) init: u64,
    pub(super) life: u64,
}

impl Terms {
    pub(crate) fn now(timeouts: &Timeouts, initial: InitialPhase) -> Self {
        let is_pending = initial == InitialPhase::Pending;
        let init = if is_pending { timeouts.init() } else { NEVER };
        Self { init, life: timeouts.life() }
    }

    /// The commit sets the fixed deadline, no earlier than so long after it.
    pub(super) fn deadlines(&self, idle: u64) -> Deadlines {
        let fixed = match self.init.min(self.life) {
            NEVER => FixedDeadline::None,
            ticks => FixedDeadline::Later(ticks),
        };
        Deadlines { idle, fixed }
    }

    pub(super) fn has_fixed(&self) -> bool {
        self.init.min(self.life) < NEVER
    }
}

/// So many ticks after `now`, if that ever comes.
pub(super) fn ends(now: u64, ticks: u64) -> Option<u64> {
    (ticks < NEVER).then(|| now.saturating_add(ticks).min(LIFE_BITS - 1))
}
