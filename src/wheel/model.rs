//! Read after `claim.rs`. What the models of a claim use, who know a timer by its place.

#![allow(missing_docs, missing_debug_implementations, reason = "for models only")]

use super::claim::{self, Lost, Unused};
use super::node::TimerId;
use super::timer::{LastHold, Timer};
use super::timer_wheel::TimerWheel;

#[derive(Clone, Copy)]
pub struct Place(TimerId);

#[derive(Clone, Copy)]
pub struct Seen(Unused);

impl Seen {
    pub fn since(self) -> u64 {
        self.0.since
    }
}

pub enum Look {
    Gone,
    Held,
    Unused(Seen),
}

/// Was the timer looked for?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookedFor(pub bool);

pub struct Claim<'a, T>(claim::Claim<'a, T>);

impl<T> Claim<'_, T> {
    #[allow(unsafe_code)]
    pub fn retire(self) -> Result<T, LookedFor> {
        // SAFETY: models end the handle of such a timer by `cancel_live` alone, or keep it.
        unsafe { self.0.retire() }.map_err(lost)
    }

    pub fn give_up(self) -> LookedFor {
        lost(self.0.give_up())
    }
}

pub fn place<T, C>(timer: &Timer<T, C>) -> Place {
    Place(timer.id())
}

pub fn look<T, C>(wheel: &TimerWheel<T, C>, place: Place) -> Look {
    match wheel.look(place.0) {
        claim::Look::Gone => Look::Gone,
        claim::Look::Held => Look::Held,
        claim::Look::Unused(seen) => Look::Unused(Seen(seen)),
    }
}

pub fn claim<T, C>(
    wheel: &TimerWheel<T, C>,
    place: Place,
    seen: Seen,
    claimant: usize,
) -> Result<Claim<'_, T>, LookedFor> {
    wheel.claim(place.0, seen.0, claimant).map(Claim).map_err(lost)
}

/// A timer that is held from the start.
pub fn insert_held<T, C>(
    wheel: &TimerWheel<T, C>,
    now: u64,
    idle: u64,
    payload: T,
) -> Option<Timer<T, C>> {
    wheel.insert_held_at(now, idle, payload)
}

pub fn cancel_live<T, C>(timer: Timer<T, C>) -> Result<T, Timer<T, C>> {
    timer.cancel_live()
}

pub fn hold<T, C>(timer: &Timer<T, C>) -> bool {
    timer.hold_owned().is_ok()
}

/// `Some` if it was the last hold.
pub fn release<T, C>(timer: &Timer<T, C>, now: u64) -> Option<LookedFor> {
    timer.release(now).map(looked_for)
}

/// The same, and the fixed deadline is set; `None` also if the timer has fired.
pub fn release_with_fixed<T, C>(timer: &Timer<T, C>, now: u64, at: u64) -> Option<LookedFor> {
    timer.release_with_fixed(now, Some(at)).ok().flatten().map(looked_for)
}

fn lost(lost: Lost) -> LookedFor {
    LookedFor(lost.looked_for_since.is_some())
}

fn looked_for(last: LastHold) -> LookedFor {
    LookedFor(last.is_looked_for)
}
