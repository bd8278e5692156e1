//! Read after `timer_wheel.rs`. Which timer fires first if nobody touches, holds or
//! cancels any more: a search through all nodes, for a caller who keeps what it finds.
//!
//! *What it finds*: the least deadline at which a live timer fires, and the timer that
//! has it: its fixed deadline, and, if nobody holds it and its idle time is in a range,
//! its idle deadline.
//!
//! *What it may miss*: a timer that is released, or gets a fixed deadline, while the
//! search goes on, after its node was looked at. The search looks at a held timer by a CAS of its word to
//! itself, and then at its fixed deadline. So of that look and the release, or the change
//! of the fixed deadline, one comes first: the search sees it, or whoever made it sees
//! what the searcher did before it began. Whoever
//! keeps what was found needs that (`first_end.rs`).
//!
//! *Memory orderings*: the CAS is `AcqRel` (`node.rs`); without that half of the
//! above is lost (`the_time_told_follows_who_leaves_during_the_search`).
//!
//! *Progress*: the search is lock-free and looks at every node that was ever made.
//! The other operations look at one.

use std::ops::Range;

use super::deadline::Fixed;
use super::node::{Number, TimerId};
use super::shard::Shard;
use super::timer_wheel::TimerWheel;
use super::word::{State, Word};

impl<T> Shard<T> {
    /// When the timer of this node fires if it is left alone; `None` if it is not
    /// live, or only its idle deadline counts, which is held or not one of these.
    fn fires_at(&self, number: Number, idle: &Range<u64>) -> Option<u64> {
        let node = self.arena.get(number)?;
        let mut word = node.word();
        loop {
            if word.state() != State::Live {
                return None;
            }
            if !word.is_held() {
                let counts = idle.contains(&node.idle());
                return node
                    .fixed()
                    .tick()
                    .into_iter()
                    .chain(counts.then(|| word.deadline()))
                    .min();
            }
            match node.decide(word, word) {
                Ok(()) => return node.fixed().tick(),
                Err(other) => word = other,
            }
        }
    }
}

/// Does a timer with this word and this fixed deadline run out, of which it is said
/// that it fires at `tick`? A deadline that is held does not.
fn runs_out(word: Word, fixed: Fixed, tick: u64) -> bool {
    word.state() == State::Live && (!word.is_held() || fixed.tick() == Some(tick))
}

impl<T, C> TimerWheel<T, C> {
    /// The least deadline at which a live timer fires, and whose it is; idle deadlines
    /// only of timers that nobody holds, with such an idle time.
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

    /// The deadline of the timer that is in this place and was said to fire at `tick`, if
    /// it runs out.
    pub(crate) fn deadline_of(&self, id: TimerId, tick: u64) -> Option<u64> {
        // Nothing says that the caller has seen the chunk be made in which it lies.
        let node = self.shard(id.shard as usize).arena.get(id.number)?;
        let (word, fixed) = (node.word(), node.fixed());
        let deadline = if word.is_held() { tick } else { word.deadline() };
        let deadline = deadline.min(fixed.tick().unwrap_or(deadline));
        runs_out(word, fixed, tick).then_some(deadline)
    }

    /// Does the timer in this place fire at this very tick if it is left alone? It may be
    /// another one than was found there. Asked by a write, so whoever ends it later sees
    /// what the caller did before.
    pub(crate) fn confirm_runs(&self, id: TimerId, tick: u64) -> bool {
        let node = self.shard(id.shard as usize).node(id.number);
        let mut word = node.word();
        while word.state() == State::Live {
            match node.decide(word, word) {
                Ok(()) => {
                    let idle = Some(word.deadline()).filter(|_| !word.is_held());
                    return [idle, node.fixed().tick()].contains(&Some(tick));
                }
                Err(other) => word = other,
            }
        }
        false
    }
}
