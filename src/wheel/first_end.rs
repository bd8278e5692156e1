//! Read after `earliest.rs`. The first end, kept for the many who ask: each timer stands
//! for a session of the wheel's user, which ends when the timer fires, and a newcomer
//! that finds no room is told when the first one does.
//!
//! ```text
//!  63                        20 19         2 1     0
//! +----------------------------+------------+-------+   state 0: stale
//! |            tick            |  version   | state |         1: somebody searches
//! +----------------------------+------------+-------+         2: known
//! ```
//!
//! *What is told*: known → no session ends by a timeout before `tick`, which was
//! the deadline of a session that has not ended since, and is not in use. It lies before the
//! first end by as much as sessions were touched since the search, and never after it.
//! A tick of `NONE` says that no timeout will end a session.
//!
//! *Who raises it*: a search alone, through all timers (`wheel/earliest.rs`). A
//! refusal searches if the word is stale, if the tick has passed and its session
//! lives on, or if its session is in use. One searches at a time; a refusal meanwhile
//! is told the wheel's bound, which is never late, though a dead timer may lie behind it.
//!
//! *Who lowers it*: a timer that begins to run, if its deadline is before the tick.
//! During a search it lowers the tick, which the searcher has set to `NONE`; else it
//! makes the word stale. So admissions, and the ends of activities, read the word and write
//! it only if they come first.
//!
//! *Who makes it stale*: besides those, the end of the session whose deadline it is, and
//! its establishment, if it is the init timeout's.
//! `timer` says whose; its version is that of the word for which it was written.
//!
//! *Invariant*: while known, each running timer has a deadline at or after `tick`, unless
//! the thread that started it is still on its way here.
//!
//! *Why a search misses nothing*: it begins with a write to the word. A timer that
//! the search meets as held is looked at by a write, so who releases it later sees
//! that first write, and lowers the tick. A session that the search does not meet was
//! given its slot after the searcher has *heard* the gate's count (`hear`), which is a
//! write to the word that every reservation writes; so it sees the first
//! write likewise. (An eviction, which takes no slot of the count, hears it instead.)
//!
//! *Why no end goes unseen*: the searcher publishes, then looks at the timer once more,
//! by a write. If that timer has ended, the word becomes stale; who ends it later sees
//! what was published.
//!
//! *Linearization points*: told → the load of a known word, or the CAS that
//! publishes; begins, ends → their CAS, or the load that finds nothing to do.
//!
//! *Memory orderings*: here every access is `Relaxed`. What orders them are the writes of
//! the search to the timers, `AcqRel` (`wheel/node.rs`), and to the gate's count,
//! `AcqRel` (`admission/counter.rs`).
//!
//! | race | ruling | model that fails |
//! |---|---|---|
//! | search, an activity ends | the CAS on its timer's word | `the_time_told_follows_who_leaves_during_the_search` |
//! | search, a session is reserved | the CAS on the gate's count | `the_time_told_follows_who_comes_in_the_place_of_another_during_the_search` |
//! | search, the session that it finds ends | the second look | `the_time_told_is_not_that_of_a_session_that_ends_during_the_search` |
//!
//! *Progress*: wait-free but for the search; that is lock-free, in the number of timers
//! that there ever were at once. *Bounds*: a refusal that stands still between its two loads
//! for a multiple of 2^18 searches may take a wrong timer for the right one.

use crossbeam_utils::CachePadded;

use super::node::TimerId;
use super::timer_wheel::TimerWheel;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// An idle time that is as good as none, so far from the last tick that a deadline
/// says when it began.
pub(crate) const ENDLESS: u64 = TimerWheel::<()>::MAX_TICK / 2;

/// After every deadline.
const NONE: u64 = (1 << 44) - 1;

const VERSION_BITS: u32 = 18;
const STATE_BITS: u32 = 2;
const VERSION: u64 = (1 << VERSION_BITS) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stale = 0,
    Searching = 1,
    Known = 2,
}

/// `tick:44 | version:18 | state:2`, as drawn in the module header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word(u64);

impl Word {
    const fn new(tick: u64, version: u64, state: State) -> Self {
        Self(tick << (VERSION_BITS + STATE_BITS) | version << STATE_BITS | state as u64)
    }

    const fn tick(self) -> u64 {
        self.0 >> (VERSION_BITS + STATE_BITS)
    }

    const fn version(self) -> u64 {
        self.0 >> STATE_BITS & VERSION
    }

    const fn state(self) -> State {
        match self.0 & 3 {
            0 => State::Stale,
            1 => State::Searching,
            _ => State::Known,
        }
    }

    /// The first word of a search.
    const fn searching(self) -> Self {
        Self::new(NONE, (self.version() + 1) & VERSION, State::Searching)
    }

    const fn stale(self) -> Self {
        Self::new(self.tick(), self.version(), State::Stale)
    }
}

#[derive(Debug)]
pub(crate) struct FirstEnd(CachePadded<Words>);

#[derive(Debug)]
struct Words {
    /// `tick:44 | version:18 | state:2`, as drawn in the module header.
    word: AtomicU64,
    /// `version:32 | timer:32`.
    timer: AtomicU64,
}

impl FirstEnd {
    pub(crate) fn unknown() -> Self {
        let word = AtomicU64::new(Word::new(NONE, 0, State::Stale).0);
        Self(CachePadded::new(Words { word, timer: AtomicU64::new(0) }))
    }

    /// No timeout ends a session before this tick; `None` if none will.
    pub(crate) fn tick<T, C>(
        &self,
        now: u64,
        wheel: &TimerWheel<T, C>,
        hear: impl FnOnce(),
    ) -> Option<u64> {
        let mut seen = self.word();
        loop {
            match seen.state() {
                State::Known if self.holds(seen, now, wheel) => return tick_or_none(seen.tick()),
                State::Searching => return wheel.next_deadline(),
                State::Known | State::Stale => {}
            }
            let search = seen.searching();
            match self.change(seen, search) {
                Ok(()) => return self.search(search, wheel, hear),
                Err(other) => seen = other,
            }
        }
    }

    /// Is what is known still that of a session that runs out?
    fn holds<T, C>(&self, seen: Word, now: u64, wheel: &TimerWheel<T, C>) -> bool {
        if seen.tick() == NONE {
            return true;
        }
        let deadline = self.timer_of(seen).and_then(|timer| wheel.deadline_of(timer, seen.tick()));
        // A session that is due and that nobody drives stays the first.
        deadline.is_some_and(|deadline| now < seen.tick() || deadline <= now)
    }

    fn search<T, C>(
        &self,
        search: Word,
        wheel: &TimerWheel<T, C>,
        hear: impl FnOnce(),
    ) -> Option<u64> {
        hear();
        // What waits for ever is no timeout.
        let found = wheel.earliest(0..ENDLESS);
        let known = found.map_or(NONE, |(deadline, _)| deadline);
        if let Some((_, timer)) = found {
            self.0.timer.swap(search.version() << 32 | u64::from(timer.bits()), Relaxed);
        }
        let mut seen = search;
        let told = loop {
            let told = Word::new(known.min(seen.tick()), search.version(), State::Known);
            // Whose deadline it is that came meanwhile, nobody knows.
            let told = if seen.tick() < known { told.stale() } else { told };
            match self.change(seen, told) {
                Ok(()) => break told,
                Err(lowered) => seen = lowered,
            }
        };
        let ended = found.filter(|&(tick, timer)| !wheel.confirm_runs(timer, tick));
        if ended.is_some() && told.state() == State::Known {
            _ = self.change(told, told.stale());
        }
        tick_or_none(told.tick())
    }

    /// A timeout runs that ends a session at `deadline`.
    pub(crate) fn begins(&self, deadline: u64) {
        let mut seen = self.word();
        while seen.state() != State::Stale && deadline < seen.tick() {
            let lowered = match seen.state() {
                State::Searching => Word::new(deadline, seen.version(), State::Searching),
                _ => seen.stale(),
            };
            match self.change(seen, lowered) {
                Ok(()) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// The timer that was there ends no session any more.
    pub(crate) fn ends(&self, timer: TimerId) {
        let seen = self.word();
        if seen.state() != State::Known || seen.tick() == NONE {
            return;
        }
        if self.timer_of(seen) == Some(timer) {
            _ = self.change(seen, seen.stale());
        }
    }

    /// Whose deadline a known word has.
    fn timer_of(&self, known: Word) -> Option<TimerId> {
        let timer = self.0.timer.load(Relaxed);
        (timer >> 32 == known.version()).then_some(TimerId::of_bits(timer as u32))
    }

    fn word(&self) -> Word {
        Word(self.0.word.load(Relaxed))
    }

    fn change(&self, from: Word, to: Word) -> Result<(), Word> {
        match self.0.word.compare_exchange(from.0, to.0, Relaxed, Relaxed) {
            Ok(_) => Ok(()),
            Err(is) => Err(Word(is)),
        }
    }
}

fn tick_or_none(tick: u64) -> Option<u64> {
    (tick < NONE).then_some(tick)
}
