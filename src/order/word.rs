//! Read after `mod.rs`. A lower bound of the keys of those that may go, and the word
//! that holds it.
//!
//! ```text
//!  63        48 47                               0
//! +------------+----------------------------------+
//! |  version   |     the bound's complement       |   zero: nobody may go
//! +------------+----------------------------------+
//! ```
//!
//! *Invariant*: while the version is the same, the bound only goes up. So a word never
//! comes back unless the version has gone round.
//!
//! *Linearization points*: lower, raise, clear → their CAS.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | lower's CAS | `Release` | the loads | a look does not see who has entered; a raise does not see what was lowered below | `a_look_sees_what_was_done_before_the_enter` |
//! | the load | `Acquire` | lower's CAS | a raise sees that a lower is counted, and not the word below that it lowered | `who_enters_a_group_as_another_leaves_is_found` |
//! | raise's and clear's CAS | `Release` | the loads | a search sees that one has left, not who was woken before, and says that nobody may go | `nobody_is_not_said_while_one_may_go` |
//! | a row's loads | `Acquire` | raise's and clear's CAS | the same, from the other side | `nobody_is_not_said_while_one_may_go` |
//! | the guess | `Relaxed` | nothing | the CAS confirms it | |
//!
//! *Bounds*: a thread that is held up between its load of a word and its raise of it
//! while exactly 65,536 lowers of that word, or a multiple, end on the same bound raises
//! it over what they announced. Then an entry is passed over until the next lower
//! that is at or below its key comes to the same word.

use crate::sync::atomic::{AtomicU64, Ordering::*, load_of_row, load_settled};

const VERSION_BITS: u32 = 16;
const BOUND_BITS: u32 = u64::BITS - VERSION_BITS;
const BOUND: u64 = (1 << BOUND_BITS) - 1;
const VERSION: u64 = 1 << BOUND_BITS;

/// The bound where nobody may go.
pub(super) const NOBODY: u64 = BOUND;

/// Keys from here on are not told apart.
pub(super) const MOST_KEY: u64 = NOBODY - 1;

/// `version:16 | complement:48`, as drawn in the module header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    pub(super) const fn bound(self) -> u64 {
        !self.0 & BOUND
    }

    /// How often it was lowered, modulo 2^16.
    pub(super) const fn version(self) -> u64 {
        self.0 >> BOUND_BITS
    }

    /// Not above `key`, and changed.
    fn lowered(self, key: u64) -> Self {
        let version = (self.0 & !BOUND).wrapping_add(VERSION);
        Self(version | !self.bound().min(key) & BOUND)
    }

    const fn raised(self, bound: u64) -> Self {
        Self(self.0 & !BOUND | !bound & BOUND)
    }
}

/// The bound of a slot or of a node above slots. All bytes zero: nobody may go.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Bound {
    word: AtomicU64,
}

impl Bound {
    pub(super) fn zero() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// Acquires what the lowers that it counts were preceded by.
    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// For who is about to lower it.
    #[inline]
    pub(super) fn guess(&self) -> Word {
        Word(load_settled(&self.word))
    }

    /// Not above `key` any more, if it is as it was `seen`; else what it is.
    #[inline]
    pub(super) fn try_lower(&self, seen: Word, key: u64) -> Result<(), Word> {
        let next = seen.lowered(key);
        match self.word.compare_exchange_weak(seen.0, next.0, Release, Relaxed) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// Not above `key` any more. Always writes: whoever raises it at the same time has to
    /// look again.
    #[inline]
    pub(super) fn lower(&self, key: u64) {
        let mut seen = self.guess();
        while let Err(now) = self.try_lower(seen, key) {
            seen = now;
        }
    }

    /// Raises it to `bound`, unless it has changed since it was `seen`.
    ///
    /// The `seen` word was loaded before whatever says that nothing below is below
    /// `bound`.
    #[inline]
    pub(super) fn raise(&self, seen: Word, bound: u64) -> bool {
        debug_assert!(seen.bound() < bound);
        self.word.compare_exchange(seen.0, seen.raised(bound).0, Release, Relaxed).is_ok()
    }

    /// Raises it to the least of what is below, if that can have kept it at `was`.
    /// Was it raised?
    #[inline]
    pub(super) fn raise_from(&self, was: u64, least_below: impl FnOnce() -> u64) -> bool {
        let seen = self.load();
        if seen.bound() != was {
            return false;
        }
        let least = least_below();
        least > was && self.raise(seen, least)
    }

    /// Nobody here may go, whatever was said: the bound that it was.
    pub(super) fn clear(&self) -> u64 {
        let mut seen = self.guess();
        while seen.bound() != NOBODY {
            match self.word.compare_exchange_weak(seen.0, seen.raised(NOBODY).0, Release, Relaxed) {
                Ok(_) => break,
                Err(now) => seen = Word(now),
            }
        }
        seen.bound()
    }
}

/// The place of the least bound, and that bound; any place, if nobody may go.
#[inline]
pub(super) fn least(bounds: &[Bound]) -> (usize, u64) {
    const LANES: usize = 4;
    // The greatest complement, with the place in the bits of the version. Several at
    // a time, for a comparison does not wait for the one before.
    let mut best = [0; LANES];
    for (place, bound) in (0..).zip(bounds) {
        let of = &mut best[place as usize % LANES];
        *of = u64::max(*of, load_of_row(&bound.word) << VERSION_BITS | place);
    }
    let best = best[0].max(best[1]).max(best[2].max(best[3]));
    ((best & ((1 << VERSION_BITS) - 1)) as usize, !(best >> VERSION_BITS) & BOUND)
}
