//! Read after `deadline.rs`. The one word on which every race about a timer is
//! decided.
//!
//! ```text
//!  63   61 60        44 43                         0
//! +-------+------------+----------------------------+
//! | state |   holds    |       idle deadline        |
//! +-------+------------+----------------------------+
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
//! first notes the word, by a seventh value of the state, then reads the fixed
//! deadline, then fires; and who changes the fixed deadline takes the note off
//! the word afterwards. A noted word says: nobody has changed the fixed deadline
//! since, and told of it. Only the owner of the link notes.

use super::deadline::Deadline;

/// See the table above. Zeroed memory is `Free`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Free = 0,
    Live = 1,
    Fired = 2,
    Done = 3,
    Cancelled = 4,
    Orphan = 5,
    Retired = 7,
}

/// `Live`, and noted.
const NOTED: u64 = 6;

/// `state:3 | holds:17 | deadline:44`, as drawn in the module header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const DEADLINE_BITS: u32 = 44;
const STATE_SHIFT: u32 = 61;
const ONE_HOLD: u64 = 1 << DEADLINE_BITS;
const DEADLINE: u64 = ONE_HOLD - 1;
/// As many holds as fit; of a live timer: it is sealed.
const HOLDS: u64 = (1 << STATE_SHIFT) - ONE_HOLD;

impl Word {
    /// Nobody's business but its owner's.
    pub(super) const FREE: Self = Self(0);

    /// A live timer that nobody holds.
    pub(super) const fn live(deadline: u64) -> Self {
        Self((State::Live as u64) << STATE_SHIFT | deadline)
    }

    /// A live timer that one holds.
    pub(super) const fn held(deadline: u64) -> Self {
        Self(Self::live(deadline).0 + ONE_HOLD)
    }

    pub(super) fn state(self) -> State {
        match self.0 >> STATE_SHIFT {
            0 => State::Free,
            1 | NOTED => State::Live,
            2 => State::Fired,
            3 => State::Done,
            4 => State::Cancelled,
            5 => State::Orphan,
            7 => State::Retired,
            other => unreachable!("no state {other} is ever written"),
        }
    }

    pub(super) const fn deadline(self) -> u64 {
        self.0 & DEADLINE
    }

    pub(super) const fn is_held(self) -> bool {
        self.0 & HOLDS != 0
    }

    pub(super) const fn with_state(self, state: State) -> Self {
        Self(self.0 & (HOLDS | DEADLINE) | (state as u64) << STATE_SHIFT)
    }

    pub(super) const fn is_noted(self) -> bool {
        self.0 >> STATE_SHIFT == NOTED
    }

    /// The word of a live timer, noted.
    pub(super) const fn noted(self) -> Self {
        Self(self.0 & (HOLDS | DEADLINE) | NOTED << STATE_SHIFT)
    }

    /// The word of a live timer, not noted.
    pub(super) const fn not_noted(self) -> Self {
        self.with_state(State::Live)
    }

    /// The word of a timer that fires by this deadline, or with its wheel.
    pub(super) const fn fired(self, by: Option<Deadline>) -> Self {
        let by = match by {
            None => 0,
            Some(Deadline::Idle) => 1,
            Some(Deadline::Fixed) => 2,
        };
        self.with_state(State::Fired).with_deadline(by)
    }

    /// The word of a retired timer whose link is gone: it has fired by no deadline.
    pub(super) const fn retired_and_unlinked(self) -> Self {
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

    /// The word with one more hold, or `None` if there is no room for it.
    pub(super) const fn held_once_more(self) -> Option<Self> {
        if self.0 & HOLDS >= HOLDS - ONE_HOLD { None } else { Some(Self(self.0 + ONE_HOLD)) }
    }

    /// The word of a timer that is held for good, by nobody: it can be touched
    /// and held no more.
    pub(super) const fn sealed(self) -> Self {
        Self(self.0 | HOLDS)
    }

    pub(super) const fn is_sealed(self) -> bool {
        self.0 & HOLDS == HOLDS
    }

    /// Can the timer be touched and held?
    pub(super) fn is_open(self) -> bool {
        self.state() == State::Live && !self.is_sealed()
    }

    /// The word with one hold less; the caller's is one of them.
    pub(super) const fn held_once_less(self) -> Self {
        Self(self.0 - ONE_HOLD)
    }
}
