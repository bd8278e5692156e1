//! Read after `drive.rs`. The first deadline: a look at the timers themselves, by
//! one who takes none of them out.
//!
//! *Invariant*: nothing that is linked during the whole look is overlooked. A chain
//! that is only pushed to is followed safely; what somebody takes and links again
//! could be missed. Whoever takes nodes counts himself in `hands` first, and out when
//! they are linked again, so a look counts if nobody was counted when it began and
//! nobody has been since. If others keep coming, the hint is the answer, which is
//! early and never late.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | `hands`, before | `Acquire` | the end of a hand | what was linked again is not seen | `a_look_overlooks_no_timer` |
//! | heads, rests, words, links | `Acquire` | take, fire, and a link's store, which come after their maker was counted | nodes are seen gone, and nobody counted | `a_look_overlooks_no_timer` |
//!
//! *Progress*: lock-free, but bounded by the number of nodes only: where the timers
//! of the earliest slots are all cancelled or held, it looks on.

use super::deadline::Fixed;
use super::level::{LEVELS, MAX_TICK, NO_TICK, Place};
use super::node::Number;
use super::shard::Shard;
use super::timer_wheel::TimerWheel;
use super::word::{State, Word};
use crate::sync::atomic::Ordering::*;

/// Looks that others may spoil before the hint is the answer.
#[cfg(not(feature = "loom"))]
const TRIES: usize = 3;
#[cfg(feature = "loom")]
const TRIES: usize = 1;

impl<T, C> TimerWheel<T, C> {
    /// The first tick at which a timer will fire if none is touched or held from now
    /// on; `None` if none will. Unlike [`next_deadline`](Self::next_deadline) it
    /// is not that of a cancelled timer, nor of a held one, of which only the fixed
    /// deadline counts; and it knows of touches.
    ///
    /// For somebody who waits for an end, not for a driver: it looks at the timers of
    /// the earliest slots, and at further ones as long as those are all cancelled or
    /// held. While others drive the wheel all the time it may say what
    /// `next_deadline` says, which is no later.
    pub fn first_deadline(&self) -> Option<u64> {
        let first = self.each_shard().fold(NO_TICK, |first, shard| shard.first_before(first));
        Some(first).filter(|&tick| tick <= MAX_TICK)
    }
}

impl<T> Shard<T> {
    /// The first deadline of this shard, if it comes before that.
    fn first_before(&self, bound: u64) -> u64 {
        for _ in 0..TRIES {
            if self.hint.load().tick() >= bound {
                return bound;
            }
            let Some(since) = self.nobody_takes() else { continue };
            let first = self.look_for_first(bound);
            if first.is_some() && self.nobody_takes() == Some(since) {
                return first.unwrap_or(bound);
            }
        }
        self.hint.load().tick().min(bound)
    }

    /// `None` if others took what the look was at.
    fn look_for_first(&self, bound: u64) -> Option<u64> {
        let mut first = bound;
        for level in 0..LEVELS {
            let mut bits = self.occupied[level].load(Acquire);
            while bits != 0 {
                let position = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let place = Place { level: level as u32, position };
                let slot = self.slot(place);
                if slot.earliest(&self.arena, place).is_some_and(|start| start < first) {
                    for number in slot.firsts() {
                        first = first.min(self.first_in(number)?);
                    }
                }
            }
        }
        Some(first)
    }

    /// The first deadline in a chain, or `None` if it changed while it was followed.
    fn first_in(&self, mut number: Number) -> Option<u64> {
        let (mut first, mut most) = (NO_TICK, self.arena.made());
        while number != 0 {
            let linked = self.arena.get_numbered(number)?;
            first = first.min(fires_at(linked.node.word(), linked.node.fixed()));
            number = linked.next.load(Acquire);
            most = most.checked_sub(1)?;
        }
        Some(first)
    }
}

fn fires_at(word: Word, fixed: Fixed) -> u64 {
    let fixed = fixed.tick().unwrap_or(NO_TICK);
    match word.state() {
        State::Live if word.is_held() => fixed,
        State::Live => fixed.min(word.deadline()),
        _ => NO_TICK,
    }
}
