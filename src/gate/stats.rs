//! Read after `session/phase.rs`. What a gate has done so far, by cause and reason.
//!
//! *Ground rule*: a refusal writes only its own thread's line (`sync/tally.rs`), so a
//! client that is refused slows nobody down.
//!
//! *At rest*: admitted = the sum of the ends + the sessions that live; what is
//! draining = the sum of the ends − the owners that left.

use super::decide::rejected::Cause;
use super::session::phase::End;
use super::session::reason::CloseReason;
use crate::sync::tally::Tally;

const LEFT: usize = 0;
const ADMITTED: usize = 1;
const REJECTED: usize = 2;
const ENDED: usize = REJECTED + Cause::ALL.len();
const SUMS: usize = ENDED + CloseReason::ALL.len();

#[derive(Debug)]
pub(super) struct Tallies {
    sums: Tally<SUMS>,
}

impl Tallies {
    pub(super) fn new() -> Self {
        Self { sums: Tally::new() }
    }

    pub(super) fn admitted(&self) {
        self.sums.add_one(ADMITTED);
    }

    pub(super) fn rejected(&self, cause: Cause) {
        self.sums.add_one(REJECTED + cause as usize);
    }

    pub(super) fn ended(&self, end: End) {
        self.sums.add_one(ENDED + end.reason as usize);
    }

    pub(super) fn left(&self) {
        self.sums.add_one(LEFT);
    }

    pub(super) fn stats(&self, in_use: u32) -> Stats {
        // The owners that left are read first: each left after an end.
        let left = self.sums.sum(LEFT);
        let stats = Stats {
            in_use,
            draining: 0,
            admitted: self.sums.sum(ADMITTED),
            rejected: std::array::from_fn(|cause| self.sums.sum(REJECTED + cause)),
            ended: std::array::from_fn(|reason| self.sums.sum(ENDED + reason)),
        };
        let ended: u64 = stats.ended.iter().sum();
        Stats { draining: ended.saturating_sub(left), ..stats }
    }
}

/// What a gate holds now and what it has done so far.
///
/// The figures are read one after another: each is exact, and together they
/// are one instant's picture only at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The slots that are taken, by reservations and by sessions whose owner lives,
    /// except evicted ones.
    pub in_use: u32,
    /// The sessions that have ended and whose owner still lives. They hold their slots;
    /// an eviction alone has passed the gate's slot on.
    pub draining: u64,
    /// The sessions ever admitted.
    pub admitted: u64,
    rejected: [u64; Cause::ALL.len()],
    ended: [u64; CloseReason::ALL.len()],
}

impl Stats {
    /// How many were refused for this cause.
    pub fn rejected(&self, cause: Cause) -> u64 {
        self.rejected[cause as usize]
    }

    /// How many sessions have ended for this reason.
    pub fn ended(&self, reason: CloseReason) -> u64 {
        self.ended[reason as usize]
    }
}
