//! Read after `search.rs`. The order as the gate's models have it: each operation is one
//! step, and so is what a search does before a look and after it. What it promises is what
//! `search.rs` does, and the models of that (`loom-tests/order.rs`) show that it keeps it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use loom::sync::atomic::{AtomicUsize, Ordering};

use super::search::{Found, Look, SlotId};
use super::tree::OutOfMemory;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// `None` where nobody may go.
    bound: Option<u64>,
    key: u64,
    is_there: bool,
    has_entered: bool,
    lowered: u32,
}

/// By branch and number.
type Slots = BTreeMap<(u32, u32), Slot>;

#[derive(Debug)]
pub(crate) struct Order {
    /// Never locked across a switch of threads.
    slots: Mutex<Slots>,
    /// Orders as the real one's words do, and lets the search switch threads.
    sibling: AtomicUsize,
}

impl Order {
    pub(crate) fn new(_: usize) -> Self {
        Self { slots: Mutex::default(), sibling: AtomicUsize::new(0) }
    }

    fn step<R>(&self, ordering: Ordering, step: impl FnOnce(&mut Slots) -> R) -> R {
        self.sibling.fetch_add(1, ordering);
        step(&mut self.slots.lock().expect("no step panics"))
    }

    fn lower(slot: &mut Slot, key: u64) {
        slot.bound = Some(slot.bound.map_or(key, |bound| bound.min(key)));
        slot.lowered += 1;
    }

    pub(crate) fn prepare(&self, id: SlotId, key: u64) -> Result<(), OutOfMemory> {
        self.step(Ordering::Relaxed, |slots| {
            let slot = slots.entry((id.branch, id.number)).or_default();
            (slot.key, slot.is_there) = (key, true);
        });
        Ok(())
    }

    pub(crate) fn enter_prepared(&self, id: SlotId, key: u64) -> bool {
        self.step(Ordering::Release, |slots| {
            let slot = slots.get_mut(&(id.branch, id.number)).filter(|slot| slot.is_there);
            let Some(slot) = slot else { return false };
            Self::lower(slot, key);
            if !slot.has_entered {
                slot.key = key;
            }
            !std::mem::replace(&mut slot.has_entered, true)
        })
    }

    pub(crate) fn wake(&self, id: SlotId, key: u64) {
        self.step(Ordering::Release, |slots| {
            slots.entry((id.branch, id.number)).and_modify(|slot| Self::lower(slot, key));
        });
    }

    pub(crate) fn leave(&self, id: SlotId) -> bool {
        self.step(Ordering::Release, |slots| {
            let Some(slot) = slots.get_mut(&(id.branch, id.number)) else { return false };
            (slot.bound, slot.key, slot.is_there) = (None, 0, false);
            std::mem::take(&mut slot.has_entered)
        })
    }

    pub(crate) fn key_of(&self, id: SlotId) -> Option<u64> {
        let slot =
            self.step(Ordering::Acquire, |slots| slots.get(&(id.branch, id.number)).copied());
        slot.map(|slot| slot.key).filter(|key| *key != 0)
    }

    pub(crate) fn search<S>(
        &self,
        mut look: impl FnMut(SlotId) -> Look<S>,
        quantum: u64,
        not_after: u64,
    ) -> Found<S> {
        let least = |slots: &mut Slots| {
            let may_go =
                slots.iter().filter_map(|(at, slot)| Some((slot.bound?, *at, slot.lowered)));
            may_go.min()
        };
        loop {
            let Some((bound, at, lowered)) = self.step(Ordering::Acquire, least) else {
                return Found::Nobody;
            };
            let id = SlotId { branch: at.0, number: at.1 };
            let latest = bound.saturating_add(quantum).min(not_after);
            let raised = match look(id) {
                Look::MayGo { key, seen } if key <= latest || key <= bound => {
                    if self.step(Ordering::Acquire, least).is_none_or(|now| now.0 != bound) {
                        continue;
                    }
                    return match key <= latest {
                        true => Found::First { id, seen },
                        false => Found::NotBefore(key),
                    };
                }
                Look::MayGo { key, .. } => Some(key),
                Look::Busy | Look::Gone => None,
            };
            self.step(Ordering::Relaxed, |slots| {
                let raise = |slot: &mut Slot| {
                    if slot.lowered == lowered && slot.bound == Some(bound) {
                        slot.bound = raised;
                    }
                };
                slots.entry(at).and_modify(raise);
            });
        }
    }
}
