//! Read after `timer.rs`. The fixed deadline of a timer, by its handle: a second
//! deadline that neither a touch nor a hold puts off.
//!
//! *For*: a maximum lifetime beside an idle time, in one node; or the time that
//! a handshake may take, which is moved to the lifetime when it is done.
//!
//! *Linearization points*: a change takes effect with its store of the fixed
//! deadline; its CAS on the word, which takes the note off (`word.rs`), decides
//! whether it came before the firing, or the load that finds the timer fired does.
//! Of two changes at once the last store stands.
//!
//! | race | ruling |
//! |---|---|
//! | change, fire by the old deadline | `visit.rs`: the firing notes the word, reads the deadline, fires from the noted word; the change takes the note off. `Ok`: the old deadline does not fire the timer any more |
//! | change, fire by the new deadline before the change's CAS | it came before: the change says that the timer has fired |
//! | change to an earlier tick, visitor that links again | the visitor reads the deadline again after its CAS; a change whose CAS comes later is late by no more than is promised |
//! | touch, hold | they keep the note and the fixed deadline; a firing that loses its CAS to one decides again, and fires |
//!
//! *Memory orderings*: in `visit.rs`. *Progress*: lock-free.

use super::deadline::{Deadline, Fixed};
use super::error::Expired;
use super::level::deadline_after;
use super::timer::{Hold, LastHold, Timer};
use super::word::{State, Word};
use crate::clock::Clock;

impl<T, C> Timer<T, C> {
    /// The tick at which the timer fires even if it is touched or held, or `None`
    /// if it has none, or has fired, or its wheel was dropped.
    pub fn fixed_deadline(&self) -> Option<u64> {
        let node = self.node();
        let is_live = node.word().state() == State::Live;
        node.fixed().tick().filter(|_| is_live)
    }

    /// Sets the fixed deadline, moves it or takes it away. `Ok` means that the
    /// timer has not fired by the one that it had, and will not.
    ///
    /// # Consistency
    ///
    /// A deadline at or after the earlier one of [`deadline`](Self::deadline) and
    /// [`fixed_deadline`](Self::fixed_deadline), as they are before the call, is
    /// exact; so is one that is as far ahead as
    /// [`FixedDeadline::Later`](crate::FixedDeadline::Later) promised, from a time that is
    /// no earlier than any that the wheel was advanced to. An earlier
    /// one may be late: the timer then fires, at the latest, when it would have
    /// fired if it had not been changed, touched or held any more. For an exact
    /// earlier one, cancel and insert.
    ///
    /// # Errors
    ///
    /// [`Expired`] if the timer has fired, or its wheel was dropped.
    pub fn set_fixed_deadline(&self, at: Option<u64>) -> Result<(), Expired> {
        self.change_fixed(at, |word| word).map(drop)
    }

    /// The same, and the end of a hold at `now`, in one step. Only for who has
    /// one. `None` if it was not the last one.
    pub(crate) fn release_with_fixed(
        &self,
        now: u64,
        at: Option<u64>,
    ) -> Result<Option<LastHold>, Expired> {
        let deadline = deadline_after(now, self.node().idle());
        let released = |word: Word| {
            let word = word.held_once_less().with_deadline(word.deadline().max(deadline));
            if word.is_held() { word } else { word.told() }
        };
        let before = self.change_fixed(at, released)?;
        let after = released(before);
        Ok((!after.is_held()).then(|| LastHold::of(before, after.deadline(), self.node().idle())))
    }

    /// Returns the word that was changed.
    fn change_fixed(
        &self,
        at: Option<u64>,
        change: impl Fn(Word) -> Word,
    ) -> Result<Word, Expired> {
        let node = self.node();
        node.set_fixed(Fixed::at(at));
        let mut word = node.word();
        while word.state() == State::Live {
            // A write even if there is no note: who notes later sees the store.
            match node.decide(word, change(word).not_noted()) {
                Ok(()) => return Ok(word),
                Err(other) => word = other,
            }
        }
        Err(Expired)
    }

    /// Which of its deadlines the timer has fired by; `None` if it has not, or was
    /// dropped with its wheel.
    pub fn expired_by(&self) -> Option<Deadline> {
        let word = self.node().word();
        matches!(word.state(), State::Fired | State::Done).then(|| word.fired_by()).flatten()
    }
}

impl<T, C: Clock> Hold<'_, T, C> {
    /// Ends the hold, for a caller who knows the time, and sets, moves or takes away
    /// the timer's fixed deadline in the same step: for something that has begun
    /// well, whose deadline is another one from now on.
    ///
    /// # Errors
    ///
    /// [`Expired`] if the timer has fired, or its wheel was dropped. See
    /// [`set_fixed_deadline`](Timer::set_fixed_deadline).
    pub fn release_with_fixed_deadline(self, now: u64, at: Option<u64>) -> Result<(), Expired> {
        std::mem::ManuallyDrop::new(self).timer.release_with_fixed(now, at).map(drop)
    }
}
