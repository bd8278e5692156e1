//! Read after `adopt.rs`. Handles: the owner of a timer, and the guard that
//! keeps it from firing.
//!
//! *Invariant*: a handle's node is `Live`, `Fired`, `Done` or `Retired`, so nobody else
//! reuses it, and its idle time stays what it was. The payload of a retired timer may be
//! on its way out: so whoever retires timers of others has payloads that keep the handle. The fixed deadline is in
//! `fixed.rs`.
//!
//! *Linearization points*: touch → its CAS, or the load where the deadline is
//! late enough; cancel, hold, release, retire → their CAS, or the load that
//! finds the timer fired.
//!
//! *Memory orderings*: each of those CAS is `AcqRel` (`node.rs`), so that what
//! a toucher did before is seen by whoever the timer fires for, and a payload
//! that comes back by a cancel is whole (`cancel_or_fire_but_not_both`). A
//! touch that changes nothing loads `Relaxed` what it promises: a timer that
//! was seen live with this deadline does not fire before it.
//!
//! *Progress*: lock-free, independent of how many timers there are; none
//! touches the wheel's slots, none allocates. A hold's drop reads the clock.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::error::{Expired, HoldError};
use super::level::deadline_after;
use super::node::{Node, TimerId};
use super::shard::Shared;
use super::word::{State, Word};
use crate::clock::{Clock, SystemClock};
use crate::sync::atomic::Ordering::*;

/// The last hold of a timer is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastHold {
    pub(crate) deadline: u64,
    /// The tick at which it is gone, or the timer was touched after that.
    pub(crate) since: u64,
    /// The timer was met held by who looks for one that is not (`claim.rs`).
    pub(crate) is_looked_for: bool,
}

/// A timer in a [`TimerWheel`](crate::TimerWheel), by its owner: dropping it
/// cancels the timer, and drops the payload at once if it has not fired.
///
/// It may outlive the wheel; then it is expired, and its payload was dropped
/// with the wheel.
///
/// # Consistency
///
/// Of a touch, a hold or a cancel that races the firing exactly one wins, and
/// every call tells which: `Ok` and `Some` mean that the timer has not fired.
#[must_use = "dropping a timer cancels it"]
pub struct Timer<T, C = SystemClock> {
    shared: NonNull<Shared<T, C>>,
    node: NonNull<Node<T>>,
    /// A [`TimerId`], in a word: half a word beside a hole would be moved in pieces.
    id: usize,
    owns: PhantomData<T>,
}

// SAFETY: a payload leaves by the thread that cancels or that drives the
// wheel, so it must be `Send`; a shared handle only works on atomics and reads
// the clock.
#[allow(unsafe_code)]
unsafe impl<T: Send, C: Send + Sync> Send for Timer<T, C> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<T: Send, C: Send + Sync> Sync for Timer<T, C> {}

impl LastHold {
    pub(super) fn of(word: Word, deadline: u64, idle: u64) -> Self {
        let since = deadline.saturating_sub(idle);
        Self { deadline, since, is_looked_for: word.is_looked_for() }
    }
}

impl<T, C> Timer<T, C> {
    /// # Safety
    ///
    /// The node of this id was just inserted into the shard, which is the one of
    /// the id, and this is its one handle.
    #[allow(unsafe_code)]
    pub(super) unsafe fn new(shared: NonNull<Shared<T, C>>, id: TimerId) -> Self {
        // SAFETY: the shard is there until this handle has left it.
        let node = NonNull::from(unsafe { &shared.as_ref().shard }.node(id.number));
        Self { shared, node, id: id.bits() as usize, owns: PhantomData }
    }

    pub(super) fn node(&self) -> &Node<T> {
        // SAFETY: nodes never move and are there as long as the shard, which
        // is there until this handle has left it.
        #[allow(unsafe_code)]
        unsafe {
            self.node.as_ref()
        }
    }

    fn shared(&self) -> &Shared<T, C> {
        // SAFETY: the shard is there until this handle has left it.
        #[allow(unsafe_code)]
        unsafe {
            self.shared.as_ref()
        }
    }

    /// The tick at which the timer is to fire if nobody touches or holds it until
    /// then, or `None` if it has fired, or its wheel was dropped. It fires earlier
    /// if its [fixed deadline](Self::fixed_deadline) is earlier.
    pub fn deadline(&self) -> Option<u64> {
        let word = self.node().word();
        (word.state() == State::Live).then(|| word.deadline())
    }

    /// [`touch`](Self::touch), for a caller who knows the time.
    ///
    /// # Errors
    ///
    /// [`Expired`] if the timer has fired, or its wheel was dropped.
    pub fn touch_at(&self, now: u64) -> Result<(), Expired> {
        let node = self.node();
        let deadline = deadline_after(now, node.idle());
        let mut word = Word(node.word.load(Relaxed));
        loop {
            if word.state() != State::Live {
                return Err(Expired);
            }
            if deadline <= word.deadline() {
                return Ok(());
            }
            match node.decide(word, word.with_deadline(deadline)) {
                Ok(()) => return Ok(()),
                Err(other) => word = other,
            }
        }
    }

    /// Keeps the timer from firing for as long as the guard lives: for
    /// requests in flight, of which there may be many at once. At its
    /// [fixed deadline](Self::fixed_deadline) it fires nevertheless, and the guard
    /// then does nothing any more.
    ///
    /// # Errors
    ///
    /// [`HoldError::Expired`] if the timer has fired, or its wheel was dropped;
    /// [`HoldError::TooMany`] if it is held 131,070 times.
    pub fn hold(&self) -> Result<Hold<'_, T, C>, HoldError>
    where
        C: Clock,
    {
        self.hold_owned().map(|()| Hold { timer: self })
    }

    /// [`hold`](Self::hold) for a guard that owns a share of the timer. Each
    /// `Ok` is to be [released](Self::release) at most once.
    pub(crate) fn hold_owned(&self) -> Result<(), HoldError> {
        let mut word = self.node().word();
        loop {
            if word.state() != State::Live {
                return Err(HoldError::Expired);
            }
            let held = word.held_once_more().ok_or(HoldError::TooMany)?;
            match self.node().decide(word, held) {
                Ok(()) => return Ok(()),
                Err(other) => word = other,
            }
        }
    }

    /// A hold is gone: the idle time starts again. Only for who has one. `None` if this
    /// was not the last one, or the timer has fired.
    pub(crate) fn release(&self, now: u64) -> Option<LastHold> {
        let node = self.node();
        let deadline = deadline_after(now, node.idle());
        let mut word = node.word();
        // A held timer ends by its fixed deadline, `fire_all` and the wheel's drop.
        while word.state() == State::Live {
            let later = word.deadline().max(deadline);
            let released = word.held_once_less().with_deadline(later);
            if released.is_held() {
                match node.decide(word, released) {
                    Ok(()) => return None,
                    Err(other) => word = other,
                }
            } else {
                match node.decide(word, released.told()) {
                    Ok(()) => return Some(LastHold::of(word, later, node.idle())),
                    Err(other) => word = other,
                }
            }
        }
        None
    }

    /// Has the timer neither fired nor been retired?
    pub(crate) fn is_live(&self) -> bool {
        self.node().word().state() == State::Live
    }

    /// The timer does nothing from now on, though its handle stays: it is as if it had
    /// fired. Gives the payload back, or `None` if it had fired.
    #[allow(unsafe_code)]
    pub(crate) fn retire(&self) -> Option<T> {
        let node = self.node();
        let mut word = node.word();
        while word.state() == State::Live {
            match node.decide(word, word.with_state(State::Retired)) {
                Ok(()) => {
                    self.shared().shard.spent.fetch_add(1, Relaxed);
                    // SAFETY: who makes a timer `Retired` owns its payload; nobody
                    // fills the node again while this handle is there.
                    return Some(unsafe { node.take() });
                }
                Err(other) => word = other,
            }
        }
        None
    }

    /// [`retire`](Self::retire), which models race.
    #[cfg(feature = "loom")]
    #[doc(hidden)]
    pub fn retire_in_a_model(&self) -> Option<T> {
        self.retire()
    }

    /// By which it is known to who does not have it.
    pub(crate) fn id(&self) -> TimerId {
        TimerId::of_bits(self.id as u32)
    }

    /// Takes the timer out and gives its payload back, or `None` if it has
    /// fired, or its wheel was dropped.
    pub fn cancel(self) -> Option<T> {
        let timer = std::mem::ManuallyDrop::new(self);
        timer.leave()
    }

    /// [`cancel`](Self::cancel) of a timer that is live; else the handle again, and
    /// whoever has the payload may rely on it.
    #[allow(unsafe_code)]
    pub(crate) fn cancel_live(self) -> Result<T, Self> {
        let node = self.node();
        let mut word = node.word();
        while word.state() == State::Live {
            match node.decide(word, word.with_state(State::Cancelled)) {
                Ok(()) => {
                    let timer = std::mem::ManuallyDrop::new(self);
                    // SAFETY: who makes a live timer `Cancelled` owns its payload,
                    // until the node is on the free list.
                    let payload = unsafe { timer.node().take() };
                    // SAFETY: this handle is used no more.
                    unsafe { Shared::leave(timer.shared, timer.id().number) };
                    return Ok(payload);
                }
                Err(other) => word = other,
            }
        }
        Err(self)
    }

    /// Ends the handle. To be called once, as the last thing.
    #[allow(unsafe_code)]
    fn leave(&self) -> Option<T> {
        let node = self.node();
        let mut word = node.word();
        let payload = loop {
            let state = word.state();
            let is_spent = match state {
                State::Live => false,
                State::Retired => true,
                _ => {
                    self.shared().shard.spent.fetch_sub(1, Relaxed);
                    break None;
                }
            };
            match node.decide(word, word.with_state(State::Cancelled)) {
                Ok(()) if is_spent => {
                    self.shared().shard.spent.fetch_sub(1, Relaxed);
                    break None;
                }
                // SAFETY: who makes a live timer `Cancelled` owns its payload,
                // until the node is on the free list.
                Ok(()) => break Some(unsafe { node.take() }),
                Err(other) => word = other,
            }
        };
        // SAFETY: this handle is used no more.
        unsafe { Shared::leave(self.shared, self.id().number) };
        payload
    }
}

impl<T, C: Clock> Timer<T, C> {
    /// Puts the firing off to the timer's idle time from now. Never nearer than
    /// it was: for that, cancel and insert.
    ///
    /// `Ok` means that the timer will not fire before the new deadline, but for its
    /// [fixed deadline](Self::fixed_deadline), which no touch puts off. One
    /// compare-and-swap on the timer's own word; one load if the deadline is
    /// late enough already.
    ///
    /// # Errors
    ///
    /// [`Expired`] if the timer has fired, or its wheel was dropped.
    pub fn touch(&self) -> Result<(), Expired> {
        self.touch_at(self.shared().clock.now_rounded_up())
    }
}

impl<T, C> Drop for Timer<T, C> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl<T, C> fmt::Debug for Timer<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("deadline", &self.deadline()).finish_non_exhaustive()
    }
}

/// Keeps a [`Timer`] from firing, but for its
/// [fixed deadline](Timer::fixed_deadline). When the last one of a timer is dropped, its
/// idle time starts again: the deadline is then at least the idle time away.
#[must_use = "the timer may fire as soon as nothing holds it"]
pub struct Hold<'a, T, C: Clock = SystemClock> {
    pub(super) timer: &'a Timer<T, C>,
}

impl<T, C: Clock> Hold<'_, T, C> {
    /// Ends the hold, for a caller who knows the time.
    pub fn release_at(self, now: u64) {
        std::mem::ManuallyDrop::new(self).timer.release(now);
    }
}

impl<T, C: Clock> Drop for Hold<'_, T, C> {
    fn drop(&mut self) {
        self.timer.release(self.timer.shared().clock.now_rounded_up());
    }
}

impl<T, C: Clock> fmt::Debug for Hold<'_, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}
