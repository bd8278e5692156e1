//! Read after `once.rs`. The slots whose requests have a maximum lifetime, for the
//! driver of their gate.
//!
//! A driver is told of each session that has reached its lifetime, by its tag,
//! which says nothing of the request. So for each that it is told of it gives up
//! the first of these slots whose session has: of as many as it is told of, all
//! are found, in about the order of their beginning.
//!
//! *Locks*: the list's is taken before a slot's. Nothing is dropped under either,
//! for a slot that goes takes itself off the list.

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::first_time::FirstTime;

/// A slot that can be given up.
pub(crate) trait Expirable {
    /// Has its session reached its maximum lifetime?
    fn is_over(&self) -> bool;
    /// The slot is given up as soon as nobody works in it.
    fn end(&self);
}

pub(crate) struct Lifetimes<S: ?Sized> {
    next: AtomicU64,
    slots: Mutex<BTreeMap<u64, Weak<S>>>,
    drivers: AtomicUsize,
    nobody_drives: FirstTime,
}

impl<S: Expirable + ?Sized> Lifetimes<S> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            next: AtomicU64::new(0),
            slots: Mutex::default(),
            drivers: AtomicUsize::new(0),
            nobody_drives: FirstTime::default(),
        })
    }

    /// A place for a slot of this layer, which it takes with `enter`.
    pub(crate) fn register(self: &Arc<Self>, layer: &'static Location<'static>) -> Registration<S> {
        if self.drivers.load(Relaxed) == 0 && self.nobody_drives.is_first() {
            tracing::warn!(
                %layer,
                "the gate of this layer has a maximum lifetime, and nobody gives up the slots of \
                 requests that reach it: drive the gate by `GateLayer::reap_on_tokio`, or hand \
                 `GateLayer::on_end` to the driver that it has"
            );
        }
        Registration { lifetimes: Arc::clone(self), key: self.next.fetch_add(1, Relaxed) }
    }

    /// A driver was told that a session has reached its lifetime.
    pub(crate) fn one_is_over(&self) {
        let mut alive = Vec::new();
        let found = {
            let mut slots = self.slots();
            let found = slots.iter().find_map(|(key, slot)| {
                let slot = slot.upgrade()?;
                let is_over = slot.is_over();
                alive.push(slot);
                is_over.then_some(*key)
            });
            found.and_then(|key| slots.remove(&key))
        };
        if let Some(slot) = found.and_then(|slot| slot.upgrade()) {
            slot.end();
        }
        drop(alive);
    }
}

impl<S: ?Sized> Lifetimes<S> {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<S>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one slot in the list; the slot leaves it with this.
pub(crate) struct Registration<S: ?Sized> {
    lifetimes: Arc<Lifetimes<S>>,
    key: u64,
}

impl<S: ?Sized> Registration<S> {
    pub(crate) fn enter(&self, slot: Weak<S>) {
        self.lifetimes.slots().insert(self.key, slot);
    }

    pub(crate) fn leave(&self) {
        self.lifetimes.slots().remove(&self.key);
    }
}

impl<S: ?Sized> Drop for Registration<S> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Somebody drives, while this lives.
pub(crate) struct Driver<S: ?Sized>(Arc<Lifetimes<S>>);

impl<S: Expirable + ?Sized> Driver<S> {
    pub(crate) fn of(lifetimes: &Arc<Lifetimes<S>>) -> Self {
        lifetimes.drivers.fetch_add(1, Relaxed);
        Self(Arc::clone(lifetimes))
    }

    pub(crate) fn one_is_over(&self) {
        self.0.one_is_over();
    }
}

impl<S: ?Sized> Drop for Driver<S> {
    fn drop(&mut self) {
        self.0.drivers.fetch_sub(1, Relaxed);
    }
}
