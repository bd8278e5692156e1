//! Read after `deadline.rs`. The one word on which every race about a timer is
//! decided.
//!
//! ```text
//!  63     62      61    60        44 43                         0
//! +------+-------+-------+------------+----------------------------+
//! | live | noted | looked|   holds    |       idle deadline        |
//! |  1   |       |  for  |            |                            |
//! +------+-------+-------+------------+----------------------------+
//!  63   60 59                     44 43                         0
//! +-------+-------------------------+----------------------------+
//! | state |     of a claim: whose   |       idle deadline        |
//! +-------+-------------------------+----------------------------+
//! ```
//!
//! Once the timer has fired the lowest bits say by which deadline.
//!
//! Who owns the node, by state. *Handle*: its `Timer`. *Link*: whoever takes
//! it out of its slot. *List*: whoever pops it from the free list.
//!
//! | state | handle | link | list | payload |
//! |---|---|---|---|---|
//! | `Free` | | | yes, or its one owner on the way there | |
//! | `Live` | yes | yes | | yes |
//! | `Fired` | yes, or the list after it | | | on its way out |
//! | `Done` | yes, or the list after it | | | |
//! | `Cancelled` | | yes | yes, or the inserter who popped it | |
//! | `Orphan` | | yes | | |
//! | `Retired` | yes | yes | | |
//!
//! Every transition is a compare-and-swap with one possible loser, who reads
//! again; two are not, because only one thread may make them: `Fired` →
//! `Done`, and whatever → `Free` or `Live` by the node's sole owner.
//!
//! *Noted*: a live timer's fixed deadline lies beside the word, and a driver
//! that fires by it has to know that nobody has changed it meanwhile. So the driver
//! first notes the word, then reads the fixed
//! deadline, then fires; and who changes the fixed deadline takes the note off
//! the word afterwards. A noted word says: nobody has changed the fixed deadline
//! since, and told of it. Only the owner of the link notes.
//!
//! *Looked for*: somebody looked for a timer that nobody holds and met this one held;
//! the release of the last hold takes the mark off and tells (`claim.rs`).
//!
//! *Claimed*: a live timer that nobody holds, and that one thread is about to retire
//! (`claim.rs`). To all but those who claim it is a timer that nobody holds, and a hold
//! takes the claim off. The claim says whose it is, since the node may have
//! become another timer's with otherwise the same word.

use super::deadline::Deadline;

/// See the table above. Zeroed memory is `Free`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Free = 0,
    Fired = 1,
    Done = 2,
    Cancelled = 3,
    Orphan = 4,
    Retired = 5,
    Live = 8,
}

/// `Live`, claimed; and the same, looked for.
const CLAIMED: u64 = 6;
const CLAIMED_LOOKED_FOR: u64 = 7;

/// As drawn in the module header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const DEADLINE_BITS: u32 = 44;
const STATE_SHIFT: u32 = 60;
const LIVE: u64 = 1 << 63;
const NOTED: u64 = 1 << 62;
const LOOKED_FOR: u64 = 1 << 61;
const ONE_HOLD: u64 = 1 << DEADLINE_BITS;
const DEADLINE: u64 = ONE_HOLD - 1;
const HOLDS: u64 = LOOKED_FOR - ONE_HOLD;
/// Different claimants that a word can name.
const CLAIMANTS: u64 = 1 << (STATE_SHIFT - DEADLINE_BITS);

impl Word {
    /// Nobody's business but its owner's.
    pub(super) const FREE: Self = Self(0);

    /// A live timer that nobody holds.
    pub(super) const fn live(deadline: u64) -> Self {
        Self(LIVE | deadline)
    }

    /// A live timer that one holds.
    pub(super) const fn held(deadline: u64) -> Self {
        Self(Self::live(deadline).0 + ONE_HOLD)
    }

    pub(super) fn state(self) -> State {
        match self.0 >> STATE_SHIFT {
            0 => State::Free,
            1 => State::Fired,
            2 => State::Done,
            3 => State::Cancelled,
            4 => State::Orphan,
            5 => State::Retired,
            _ => State::Live,
        }
    }

    pub(super) const fn deadline(self) -> u64 {
        self.0 & DEADLINE
    }

    pub(super) const fn is_claimed(self) -> bool {
        matches!(self.0 >> STATE_SHIFT, CLAIMED | CLAIMED_LOOKED_FOR)
    }

    /// Of a live timer that nobody holds or claims.
    pub(super) const fn is_unused_and_looked_for(self) -> bool {
        self.0 & LIVE != 0 && self.0 & HOLDS == 0 && self.is_looked_for()
    }

    pub(super) const fn is_held(self) -> bool {
        self.0 & LIVE != 0 && self.0 & HOLDS != 0
    }

    /// The word of a timer that is live no more.
    pub(super) fn with_state(self, state: State) -> Self {
        debug_assert_ne!(state, State::Live);
        Self(self.deadline() | (state as u64) << STATE_SHIFT)
    }

    pub(super) const fn is_noted(self) -> bool {
        self.0 & LIVE != 0 && self.0 & NOTED != 0
    }

    /// The word of a live timer, noted.
    pub(super) const fn noted(self) -> Self {
        Self(self.unclaimed().0 | NOTED)
    }

    /// The word of a live timer, not noted; a claimed one never is.
    pub(super) const fn not_noted(self) -> Self {
        if self.is_claimed() { self } else { Self(self.0 & !NOTED) }
    }

    /// Was a timer that nobody holds looked for, and this live one met?
    pub(super) const fn is_looked_for(self) -> bool {
        match self.0 >> STATE_SHIFT {
            CLAIMED => false,
            CLAIMED_LOOKED_FOR => true,
            _ => self.0 & LOOKED_FOR != 0,
        }
    }

    /// The word of a live timer, looked for.
    pub(super) const fn looked_for(self) -> Self {
        match self.is_claimed() {
            true => Self(self.0 | CLAIMED_LOOKED_FOR << STATE_SHIFT),
            false => Self(self.0 | LOOKED_FOR),
        }
    }

    /// The word of a live timer that is claimed by nobody, looked for by nobody.
    pub(super) const fn told(self) -> Self {
        Self(self.unclaimed().0 & !LOOKED_FOR)
    }

    /// The word of a live timer that nobody holds, claimed by this one.
    pub(super) const fn claimed_by(self, claimant: usize) -> Self {
        let state = if self.is_looked_for() { CLAIMED_LOOKED_FOR } else { CLAIMED };
        let claimant = claimant as u64 % CLAIMANTS;
        Self(state << STATE_SHIFT | claimant << DEADLINE_BITS | self.deadline())
    }

    /// The same claim as in this word, the timer as it was?
    pub(super) fn is_same_claim(self, claimed: Self) -> bool {
        self.is_claimed() && self.looked_for() == claimed.looked_for()
    }

    /// The same claim as in this word?
    pub(super) fn is_same_claimant(self, claimed: Self) -> bool {
        self.with_deadline(0).is_same_claim(claimed.with_deadline(0))
    }

    /// The word of a live timer, claimed by nobody.
    const fn unclaimed(self) -> Self {
        match self.0 >> STATE_SHIFT {
            CLAIMED => Self::live(self.deadline()),
            CLAIMED_LOOKED_FOR => Self(Self::live(self.deadline()).0 | LOOKED_FOR),
            _ => self,
        }
    }

    /// The word of a timer that fires by this deadline, or with its wheel.
    pub(super) fn fired(self, by: Option<Deadline>) -> Self {
        let by = match by {
            None => 0,
            Some(Deadline::Idle) => 1,
            Some(Deadline::Fixed) => 2,
        };
        self.with_state(State::Fired).with_deadline(by)
    }

    /// The word of a retired timer whose link is gone: it has fired by no deadline.
    pub(super) fn retired_and_unlinked(self) -> Self {
        self.fired(None).with_state(State::Done)
    }

    /// Of a timer that has fired: by which deadline.
    pub(super) const fn fired_by(self) -> Option<Deadline> {
        match self.deadline() {
            1 => Some(Deadline::Idle),
            2 => Some(Deadline::Fixed),
            _ => None,
        }
    }

    pub(super) const fn with_deadline(self, deadline: u64) -> Self {
        Self(self.0 & !DEADLINE | deadline)
    }

    /// The word of a live timer with one more hold, or `None` if there is no room
    /// for it.
    pub(super) const fn held_once_more(self) -> Option<Self> {
        let word = self.unclaimed().0;
        if word & HOLDS >= HOLDS - ONE_HOLD { None } else { Some(Self(word + ONE_HOLD)) }
    }

    /// The word with one hold less; the caller's is one of them.
    pub(super) const fn held_once_less(self) -> Self {
        Self(self.0 - ONE_HOLD)
    }
}
