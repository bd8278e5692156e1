//! Read after `visit.rs`. A driver's scan: every slot whose start has come is
//! visited, however late or stale it got there, so no insert has to be kept
//! out of a slot that was visited already.
//!
//! *Bottom up, from a snapshot of the bits*: a node that is linked again goes
//! to a slot that starts after `now`, unless a chain is left there that starts
//! before. Each slot is visited at most once and its chain taken once, so a
//! callback that inserts due timers cannot keep a scan going.
//!
//! *All*: a scan that fires all visits every slot, whatever the hint and its
//! start say.
//!
//! *In pieces*: a chain longer than `NODES_PER_PIECE` goes into the slot's rest at once,
//! where other drivers share it; what a driver has in hand, and what a
//! panic in the callback makes it link again, is at most a piece. A budget
//! ends a scan between two nodes. (Of two threads that take a long chain of
//! one slot at the same moment, the second finds the rest filled and keeps its
//! own.)
//!
//! *Linearization*: a timer fires at the CAS on its word (`visit.rs`). A timer
//! is seen by every scan that begins after its insert, after the insert that
//! began its chain, and after every scan and sweep that had it in hand, has
//! returned: its bit is set and the hint is low enough by then.
//!
//! *The hint* is raised at the end to the least start that the scan has seen
//! or linked, if nobody else lowered it since the scan began and nobody else
//! had nodes in hand. The scan's own lowerings are followed; those of others
//! mean that it may have missed one.
//!
//! *Progress*: lock-free, in O(levels + occupied slots + nodes visited),
//! whatever the distance between two calls.

use super::deadline::Deadline;
use super::hint::HintSnapshot;
use super::level::{LEVELS, NO_TICK, Place};
use super::shard::{Linked, Shard};
use super::slot::Chain;
use super::visit::{Purpose, TakenNodes, VisitOutcome};
use crate::sync::atomic::Ordering::*;

/// The most nodes that one thread takes at once.
#[cfg(not(feature = "loom"))]
pub(super) const NODES_PER_PIECE: u32 = 32;
#[cfg(feature = "loom")]
pub(super) const NODES_PER_PIECE: u32 = 1;

/// What a scan knows of the hint and of what it has passed.
struct Scan {
    /// The hint's word, if only this scan changed it; `None` once others did.
    hint: Option<HintSnapshot>,
    next: u64,
    fired: usize,
}

impl Scan {
    fn lowered(&mut self, (was, is): (HintSnapshot, HintSnapshot)) {
        self.hint = self.hint.filter(|&hint| hint == was).map(|_| is);
    }

    fn passed(&mut self, linked: &Linked) {
        self.next = self.next.min(linked.start);
        if let Some(lowered) = linked.lowered {
            self.lowered(lowered);
        }
    }
}

impl<T> Shard<T> {
    /// Fires what is due at `now`, or all, and returns how many that were. Looks at
    /// `budget` nodes at most, and leaves there what it did not use; 0 left
    /// means that there may be more.
    pub(super) fn advance(
        &self,
        now: u64,
        purpose: Purpose,
        budget: &mut usize,
        f: &mut impl FnMut(T, Deadline),
    ) -> usize {
        if !purpose.visits(self.hint.load().tick(), now) {
            return 0;
        }
        let taker = self.begin_taking();
        let mut scan = Scan { hint: taker.alone_since, next: NO_TICK, fired: 0 };
        let occupied = self.occupied.each_ref().map(|level| level.load(Acquire));
        for (level, mut bits) in occupied.into_iter().enumerate().take(LEVELS) {
            while bits != 0 {
                let position = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let place = Place { level: level as u32, position };
                let start = self.slot(place).earliest(&self.arena, place);
                match start {
                    Some(start) if !purpose.visits(start, now) => {
                        scan.next = scan.next.min(start);
                        continue;
                    }
                    Some(_) => self.drain(place, (now, purpose), budget, &mut scan, f),
                    None => {}
                }
                if *budget == 0 {
                    return scan.fired;
                }
                if let Some(left) = self.settle(place) {
                    scan.passed(&left);
                }
            }
        }
        if let Some(hint) = scan.hint {
            self.hint.raise(hint, scan.next);
        }
        scan.fired
    }

    /// Visits what is in a slot whose start has come.
    fn drain(
        &self,
        place: Place,
        (now, purpose): (u64, Purpose),
        budget: &mut usize,
        scan: &mut Scan,
        f: &mut impl FnMut(T, Deadline),
    ) {
        let mut is_taken = false;
        loop {
            let most = NODES_PER_PIECE.min(u32::try_from(*budget).unwrap_or(NODES_PER_PIECE));
            let taken =
                self.take_some(place, now, most, &mut is_taken, |lowered| scan.lowered(lowered));
            let Some(mut taken) = taken else { return };
            while *budget > 0 {
                let Some(number) = taken.next() else { break };
                *budget -= 1;
                match self.visit(number, now, purpose) {
                    VisitOutcome::Fired(payload, by) => {
                        scan.fired += 1;
                        f(payload, by);
                    }
                    VisitOutcome::Relinked(linked) => scan.passed(&linked),
                    VisitOutcome::Freed => {}
                }
            }
            if *budget == 0 {
                return;
            }
        }
    }

    /// Some nodes of a slot: of its rest, or else of its chain, which is taken
    /// if it was not before.
    pub(super) fn take_some(
        &self,
        place: Place,
        now: u64,
        most: u32,
        is_taken: &mut bool,
        lowered: impl FnOnce((HintSnapshot, HintSnapshot)),
    ) -> Option<TakenNodes<'_, T>> {
        let slot = self.slot(place);
        let rest =
            || slot.pop_rest(&self.arena, most).map(|chain| TakenNodes::new(self, chain, now));
        if let Some(taken) = rest() {
            return Some(taken);
        }
        if std::mem::replace(is_taken, true) {
            return None;
        }
        let (start, first) = slot.take(place)?;
        if let Some(len) = self.len_of_short(first) {
            return Some(TakenNodes::new(self, Chain { first, len }, now));
        }
        if !slot.fill_rest(first) {
            // Another thread filled it since: this one keeps its own.
            return Some(TakenNodes::new(self, Chain { first, len: u32::MAX }, now));
        }
        lowered(self.announce(place, start));
        rest()
    }

    /// The length of the caller's chain, if it is one piece.
    fn len_of_short(&self, first: u32) -> Option<u32> {
        let (mut number, mut len) = (first, 0);
        while number != 0 {
            len += 1;
            if len > NODES_PER_PIECE {
                return None;
            }
            number = self.arena.next(number);
        }
        Some(len)
    }
}
