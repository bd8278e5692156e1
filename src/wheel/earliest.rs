//! Read after `timer_wheel.rs`. Which timer fires first if nobody touches, holds or
//! cancels any more: a search through all nodes, for a caller who keeps what it finds.
//!
//! *What it finds*: the least deadline of the live timers that nobody holds and whose
//! idle time is in a range, and the timer that has it.
//!
//! *What it may miss*: a timer that is released while the search goes on, after its
//! node was looked at. The search looks at a held timer by a CAS of its word to
//! itself. So of that look and the release one comes first: the search sees the
//! release, or the releaser sees what the searcher did before it began. Whoever
//! keeps what was found needs that (`gate/decide/first_end.rs`).
//!
//! *Memory orderings*: the CAS is `AcqRel` (`node.rs`); without that half of the
//! above is lost (`the_time_told_follows_who_leaves_during_the_search`).
//!
//! *Progress*: the search is lock-free and looks at every node that was ever made.
//! The other operations look at one.

use std::ops::Range;

use super::node::{NUMBER_BITS, Number};
use super::shard::Shard;
use super::timer::Spot;
use super::timer_wheel::TimerWheel;
use super::word::State;

/// A timer of a wheel, by its place: the timer that is there, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    shard: u32,
    number: Number,
}

impl TimerId {
    /// There are at most 64 shards.
    pub(crate) const fn bits(self) -> u32 {
        self.shard << NUMBER_BITS | self.number
    }

    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self { shard: bits >> NUMBER_BITS, number: bits & ((1 << NUMBER_BITS) - 1) }
    }
}

impl<T> Shard<T> {
    /// When the timer of this node fires if it is left alone; `None` if it is not
    /// live, or held, or its idle time not one of these.
    fn fires_at(&self, number: Number, idle: &Range<u64>) -> Option<u64> {
        let node = self.arena.get(number)?;
        let mut word = node.word();
        loop {
            if word.state() != State::Live || !idle.contains(&node.idle()) {
                return None;
            }
            if !word.is_held() {
                return Some(word.deadline());
            }
            match node.decide(word, word) {
                Ok(()) => return None,
                Err(other) => word = other,
            }
        }
    }
}

impl<T, C> TimerWheel<T, C> {
    /// The least deadline of the live timers with such an idle time that nobody holds,
    /// and whose it is.
    pub(crate) fn earliest(&self, idle: Range<u64>) -> Option<(u64, TimerId)> {
        let mut earliest: Option<(u64, TimerId)> = None;
        for index in 0..self.shards.len() {
            let shard = self.shard(index);
            for number in 1..=shard.arena.made() {
                let Some(deadline) = shard.fires_at(number, &idle) else { continue };
                if earliest.is_none_or(|(least, _)| deadline < least) {
                    earliest = Some((deadline, TimerId { shard: index as u32, number }));
                }
            }
        }
        earliest
    }

    /// The deadline of the timer that is in this place, if it is live and nobody
    /// holds it.
    pub(crate) fn deadline_of(&self, id: TimerId) -> Option<u64> {
        let word = self.shard(id.shard as usize).node(id.number).word();
        (word.state() == State::Live && !word.is_held()).then(|| word.deadline())
    }

    /// Is the timer in this place live, and held by nobody? Asked by a write, so
    /// whoever ends it later sees what the caller did before.
    pub(crate) fn confirm_unheld(&self, id: TimerId) -> bool {
        let node = self.shard(id.shard as usize).node(id.number);
        let mut word = node.word();
        while word.state() == State::Live && !word.is_held() {
            match node.decide(word, word) {
                Ok(()) => return true,
                Err(other) => word = other,
            }
        }
        false
    }

    /// Is it this place in this wheel?
    pub(crate) fn is_at(&self, id: TimerId, spot: &Spot<T, C>) -> bool {
        spot.number == id.number && self.shards[id.shard as usize] == spot.shared
    }
}
