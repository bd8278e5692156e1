//! Read after `lifetimes.rs`. The slot of a request, shared by all who work for it.
//!
//! *Invariant*: the slot is taken while anybody has a part in it: the request's
//! future and then its response's body by a [`Share`], what the handler started by
//! a [`Slot`]. One thing comes before that: a slot whose session has reached its
//! maximum lifetime is given up while only a body has a part in it.
//!
//! ```text
//!  31        3      2         1         0
//! +----------+----------+----------+---------+  body: the response was made
//! |  clones  | original |   over   |  body   |  over: at its maximum lifetime
//! +----------+----------+----------+---------+  original: it is in the extensions
//! ```
//!
//! *Giving up*: whoever makes the word `over` and `body` and nothing else. So of
//! the driver, who says `over`, the future, who says `body`, and who drops the
//! last clone, the last one does. It takes what the slot consists of out under the
//! lock, and drops it when all else is done: the drop of a user's tag runs then,
//! and may panic.
//!
//! *Layers*: where layers of this scope are around each other, one slot stands
//! for those of all: what is counted in the inner one's word is in the outer ones'.
//! The inner one's original counts there as what it came in the place of: the outer
//! original, or a clone, where something between the layers copies the extensions.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use headcount::{Activity, Clock, CloseReason, Session};
use http::Extensions;

use crate::lifetimes::{Expirable, Registration};

const BODY: u32 = 1;
const OVER: u32 = 2;
const ORIGINAL: u32 = 4;
const CLONE: u32 = 8;

/// The slot of a request, in its extensions under a layer of the scope *request*.
///
/// It is free when the response's body has ended and the last clone is gone. So a
/// handler clones it and moves the clone into work that may outlive the request,
/// because the client hangs up or the connection becomes another protocol's:
/// `spawn_blocking`, `tokio::spawn`, an upgrade.
///
/// ```
/// use headcount_tower::Slot;
///
/// async fn handler(request: http::Request<()>) -> &'static str {
///     let slot = request.extensions().get::<Slot>().cloned();
///     let work = tokio::task::spawn_blocking(move || {
///         let _slot = slot; // counted until the work is done, whoever waits for it
///         "done"
///     });
///     work.await.unwrap_or("failed")
/// }
/// ```
///
/// A response that upgrades the connection, a 101 or a 2xx to `CONNECT`, while
/// nobody has a clone is answered 500: what follows would be served uncounted.
#[must_use = "a slot that is dropped is counted no longer"]
pub struct Slot {
    shared: Arc<Shared>,
    /// What it counts for in the word: `ORIGINAL`, `CLONE`, or nothing any more.
    part: u32,
}

/// What the layer has of a slot: the future of its request, then its body.
pub(crate) struct Share(Arc<Shared>);

pub(crate) struct Shared<H: ?Sized = dyn SlotContents> {
    word: AtomicU32,
    /// That of the layer around this one, which goes after it.
    outer: Option<OuterSlot>,
    /// If the session has a maximum lifetime.
    registration: Option<Registration<Shared>>,
    /// Of who waits for more of the body, if it has.
    waiting: Mutex<Option<Waker>>,
    held: Mutex<H>,
}

struct OuterSlot {
    shared: Arc<Shared>,
    /// What the inner slot's original counts for in its word.
    part: u32,
}

/// What a slot consists of.
pub(crate) trait SlotContents: Send {
    fn is_over(&self) -> bool;
    /// All that it consists of, whose drop frees the slot.
    fn take(&mut self) -> Option<Contents>;
}

type Contents = Box<dyn Any + Send>;

/// The session of a request, and what keeps it from being idle.
pub(crate) struct InFlight<K: 'static, T, C: Clock>(Option<SessionInFlight<K, T, C>>);

type SessionInFlight<K, T, C> = (Session<K, T, C>, Activity<T, C>);

impl<K: 'static, T, C: Clock> InFlight<K, T, C> {
    pub(crate) const fn of(running: SessionInFlight<K, T, C>) -> Self {
        Self(Some(running))
    }
}

impl<K, T, C> SlotContents for InFlight<K, T, C>
where
    K: Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    fn is_over(&self) -> bool {
        let reason = self.0.as_ref().and_then(|(session, _)| session.reason());
        reason == Some(CloseReason::MaxLifetime)
    }

    fn take(&mut self) -> Option<Contents> {
        self.0.take().map(|running| Box::new(running) as Contents)
    }
}

impl Slot {
    /// The slot of a request that was let in, put into its extensions.
    pub(crate) fn offer(
        held: impl SlotContents + 'static,
        registration: Option<Registration<Shared>>,
        extensions: &mut Extensions,
    ) -> Share {
        let outer = extensions.remove::<Self>().map(Self::into_outer);
        let shared: Arc<Shared> = Arc::new(Shared {
            word: AtomicU32::new(ORIGINAL),
            outer,
            registration,
            waiting: Mutex::new(None),
            held: Mutex::new(held),
        });
        if let Some(registration) = &shared.registration {
            registration.enter(Arc::downgrade(&shared));
            // Its driver may have come before it had its place; the next time that
            // it comes is for another.
            if shared.is_over() {
                registration.leave();
                shared.end();
            }
        }
        extensions.insert(Self { shared: Arc::clone(&shared), part: ORIGINAL });
        Share(shared)
    }

    /// From here on an inner slot counts in its place.
    fn into_outer(mut self) -> OuterSlot {
        OuterSlot { shared: Arc::clone(&self.shared), part: std::mem::take(&mut self.part) }
    }

    /// Of each word in which it counts, and for what.
    fn each(&self, mut f: impl FnMut(&Shared, u32)) {
        let mut next = Some((&self.shared, self.part));
        while let Some((shared, part)) = next {
            f(shared, part);
            next = shared
                .outer
                .as_ref()
                .map(|outer| (&outer.shared, if part == ORIGINAL { outer.part } else { part }));
        }
    }
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        self.each(|shared, _| _ = shared.word.fetch_add(CLONE, AcqRel));
        Self { shared: Arc::clone(&self.shared), part: CLONE }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.part == 0 {
            return;
        }
        // Dropped when all words are up to date: if one's drop panics, the others
        // go all the same.
        let mut given_up = Vec::new();
        self.each(|shared, part| match part {
            ORIGINAL if shared.may_be_over() => {
                let before = shared.word.fetch_and(!ORIGINAL, AcqRel);
                given_up.extend(shared.settle(before & !ORIGINAL));
            }
            ORIGINAL => {}
            part => {
                let before = shared.word.fetch_sub(part, AcqRel);
                given_up.extend(shared.settle(before - part));
            }
        });
    }
}

impl Share {
    /// The response was made: what is left is its body.
    pub(crate) fn is_answered(&self) {
        if self.0.may_be_over() {
            let before = self.0.word.fetch_or(BODY, AcqRel);
            drop(self.0.settle(before | BODY));
        }
    }

    /// Has somebody a clone, who is counted by it?
    pub(crate) fn is_taken(&self) -> bool {
        self.0.word.load(Acquire) >= CLONE
    }

    /// Is it past its maximum lifetime?
    pub(crate) fn is_over(&self) -> bool {
        self.0.word.load(Acquire) & OVER != 0
    }

    /// Has this be woken when its lifetime is over; is it already?
    pub(crate) fn wakes(&self, waker: &Waker) -> bool {
        if !self.0.may_be_over() {
            return false;
        }
        let mut waiting = self.0.waiting();
        if !waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            *waiting = Some(waker.clone());
        }
        drop(waiting);
        self.is_over()
    }
}

impl<H: SlotContents + ?Sized> Shared<H> {
    /// Without a maximum lifetime the word counts clones, and the rest is not kept.
    fn may_be_over(&self) -> bool {
        self.registration.is_some()
    }

    /// What is to be dropped, which gives the slot up, if nothing but a body has a
    /// part in it, too long.
    #[must_use]
    fn settle(&self, word: u32) -> Option<Contents> {
        if word != BODY | OVER {
            return None;
        }
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expirable for Shared {
    fn is_over(&self) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).is_over()
    }

    fn end(&self) {
        let before = self.word.fetch_or(OVER, AcqRel);
        let _given_up = self.settle(before | OVER);
        let waiting = self.waiting().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
