//! Read after `mod.rs`. Where a deadline belongs: the geometry of the levels.
//!
//! *Origin*: Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987
//! (scheme 7). Each level has as many slots as one slot of the level above has
//! ticks, and the top level spans all ticks there are.
//!
//! ```text
//!  tick:   | level 7 |   ...   | level 2 | level 1 | level 0 |
//!            6 bits              6 bits    6 bits    6 bits
//! ```
//!
//! A deadline goes to the level of the highest group of bits in which it
//! differs from the present. A slot's *start* is the deadline with the groups
//! below cleared, the first tick that the slot stands for, so `start <=
//! deadline`, always. A slot is visited when its start has come, and what is
//! not due by then moves to a lower level, or wherever its touched deadline
//! belongs by now.

/// Bits of a tick that one level looks at.
#[cfg(not(feature = "loom"))]
pub(super) const BITS: u32 = 6;
#[cfg(not(feature = "loom"))]
pub(super) const LEVELS: usize = 8;

/// A wheel small enough to search: eight ticks.
#[cfg(feature = "loom")]
pub(super) const BITS: u32 = 1;
#[cfg(feature = "loom")]
pub(super) const LEVELS: usize = 3;

/// Slots of a level.
pub(super) const SLOTS: usize = 1 << BITS;

/// The last tick that a deadline may have. The one after it means "none".
pub(super) const MAX_TICK: u64 = {
    let spanned = if BITS as usize * LEVELS < 44 { 1 << (BITS as usize * LEVELS) } else { 1 << 44 };
    spanned - 2
};

/// No tick at all.
pub(super) const NO_TICK: u64 = MAX_TICK + 1;

/// So many ticks from now, or the last tick.
pub(super) fn deadline_after(now: u64, ticks: u64) -> u64 {
    now.saturating_add(ticks).min(MAX_TICK)
}

/// A slot of the wheel, by level and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) level: u32,
    pub(super) position: usize,
}

impl Place {
    /// Where `deadline` belongs when it is `now`.
    pub(super) fn of(deadline: u64, now: u64) -> Self {
        let differs = deadline ^ now.min(MAX_TICK);
        let level = if differs == 0 { 0 } else { differs.ilog2() / BITS };
        Self::at_level(deadline, level)
    }

    fn at_level(deadline: u64, level: u32) -> Self {
        Self { level, position: (deadline >> (BITS * level)) as usize % SLOTS }
    }

    pub(super) fn at(index: usize) -> Self {
        Self { level: (index / SLOTS) as u32, position: index % SLOTS }
    }

    pub(super) fn index(self) -> usize {
        self.level as usize * SLOTS + self.position
    }

    /// How often the level had turned when this slot stood for `tick`.
    pub(super) fn round_of(self, tick: u64) -> u64 {
        tick >> (BITS * (self.level + 1))
    }

    /// The first tick of this slot in that round.
    pub(super) fn start(self, round: u64) -> u64 {
        (round << BITS | self.position as u64) << (BITS * self.level)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn a_slot_starts_at_or_before_what_it_holds_and_after_the_present() {
        let ticks = [0, 1, 63, 64, 65, 4095, 4096, 262_143, 1 << 41, MAX_TICK - 1, MAX_TICK];
        for now in ticks {
            for deadline in ticks {
                let place = Place::of(deadline, now);
                let start = place.start(place.round_of(deadline));
                assert!(start <= deadline, "{deadline} seen from {now}");
                assert!(start > now || deadline <= now, "{deadline} seen from {now}");
                assert!((place.level as usize) < LEVELS && place.position < SLOTS);
                assert_eq!(Place::at(place.index()), place);
            }
        }
    }
}
