//! Read after `world.rs`. What a slice of the model has in it, and what can happen.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use headcount_fleet::terms::Terms;

/// What a slice of the model has in it.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) processes: usize,
    /// How often each of them may join.
    pub(crate) lives: u64,
    pub(crate) limit: u32,
    pub(crate) terms: Terms,
    /// How many of the things below can happen, in all.
    pub(crate) faults: u32,
    pub(crate) can: &'static [Fault],
    /// For how many ticks a deposed primary takes writes, in truth.
    pub(crate) writes_for: u64,
    pub(crate) sessions: Sessions,
    /// Whether it begins when all have joined and the ledger has learned.
    pub(crate) joined: bool,
    /// Whether processes are put in an order, since they are alike.
    pub(crate) is_sorted: bool,
    pub(crate) seen: AtomicU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Crash,
    Leave,
    /// A request is served twice.
    Twice,
    /// A request or a reply is still under way as the process calls anew.
    Late,
    /// Once, as the protocol assumes.
    LeapForward,
    /// By more than the slack.
    LeapFar,
    LeapBack,
    RestartWithAll,
    RestartWithCopy,
    RestartWithNothing,
    /// A restart that only lost writes, and that its `run` does not show.
    UnseenLoss,
    /// A replica that has all is promoted, and the primary goes on.
    SecondPrimary,
    /// One that has an old copy.
    SecondPrimaryWithCopy,
    /// The clock of a process stands still for a tick.
    Suspend,
}

/// How sessions are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// As many as can be, and what is in use when the counter is asked is any number
    /// up to that.
    Any,
    /// Each for itself: it takes its slot, then the clock is read; a lapse ends none.
    Each,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Tick,
    Call { process: usize, want: u32, in_use: u32, late: bool },
    Serve { request: usize, server: usize },
    Receive { reply: usize },
    Copy,
    Take(usize),
    ReadClock(usize),
    End(usize),
    EndOld(usize),
    Fault { kind: Fault, of: usize },
}

/// What a search may have seen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// The whole limit is held after a process died with a share.
    DeadShareIsUsed,
    /// A process has a share in its second life.
    LapsedIsBack,
    /// A row grew in a later incarnation.
    GrowthAfterLearning,
    /// A slot was taken and given back, since the term was over.
    SlotGivenBack,
}

impl Slice {
    pub(crate) fn see(&self, seen: Seen) {
        self.seen.fetch_or(1 << seen as u32, Relaxed);
    }

    pub(crate) fn can(&self, fault: Fault) -> bool {
        self.can.contains(&fault)
    }
}
