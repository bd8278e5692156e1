//! Steps at random, against those that may go in a map: the oldest first, and the least
//! recently active.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::order_tests::id;
use super::{Found, Look, Order, SlotId};

/// One step of the property tests. Numbers are taken from few, so that they meet.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter(usize),
    Leave(usize),
    /// Somebody begins to use it.
    Use(usize),
    /// Nobody uses it any more: it is woken, if a search has marked it.
    Free(usize),
    /// A waker of an entry that may have left long ago.
    LateWake(usize, u64),
    /// It is active, without being busy.
    Touch(usize),
    Pass(u64),
    /// Finds the first, without a claim.
    Search,
    /// ... and ends it.
    Evict,
}

const SLOTS: usize = 24;

/// Slots that share a group, a block, a tree, a chunk, a branch, or nothing.
fn slot(index: usize) -> SlotId {
    let numbers = [1, 2, 16, 17, 256, 257, 8192, 8193, 16_385, 30_000, 70_000, 70_001];
    id((index % SLOTS / 12) as u32, numbers[index % 12])
}

fn step() -> impl Strategy<Value = Step> {
    let index = || 0..SLOTS;
    prop_oneof![
        6 => index().prop_map(Step::Enter),
        2 => index().prop_map(Step::Leave),
        3 => index().prop_map(Step::Use),
        3 => index().prop_map(Step::Free),
        1 => (index(), 1_u64..60).prop_map(|(index, key)| Step::LateWake(index, key)),
        3 => index().prop_map(Step::Touch),
        2 => (1_u64..30).prop_map(Step::Pass),
        4 => Just(Step::Search),
        2 => Just(Step::Evict),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    created: u64,
    active: u64,
    busy: bool,
    marked: bool,
}

/// An order, and all that is known about it, in a map.
struct Model {
    order: Order,
    entries: BTreeMap<usize, Entry>,
    created: u64,
    now: u64,
    /// None: the oldest goes first.
    least_recent: Option<Recency>,
}

#[derive(Clone, Copy, Debug)]
struct Recency {
    quantum: u64,
    floor: u64,
}

impl Model {
    fn key(&self, entry: &Entry) -> u64 {
        if self.least_recent.is_some() { entry.active } else { entry.created }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Enter(index) => {
                if !self.entries.contains_key(&index) {
                    self.created += 1;
                    let (created, active) = (self.created, self.now);
                    let entry = Entry { created, active, busy: false, marked: false };
                    self.order.enter(slot(index), self.key(&entry)).expect("there is memory");
                    self.entries.insert(index, entry);
                }
            }
            Step::Leave(index) => {
                self.entries.remove(&index);
                self.order.leave(slot(index));
            }
            Step::Use(index) => {
                if let Some(entry) = self.entries.get_mut(&index) {
                    entry.busy = true;
                }
            }
            Step::Free(index) => self.free(index),
            // Only what is gone has a waker that is late.
            Step::LateWake(index, key) => self.order.wake(slot(index), key.min(self.now)),
            Step::Touch(index) => {
                if let Some(entry) = self.entries.get_mut(&index) {
                    entry.active = self.now;
                }
            }
            Step::Pass(ticks) => self.now += ticks,
            Step::Search => _ = self.search(),
            Step::Evict => {
                if let Some(first) = self.search() {
                    self.step(Step::Leave(first));
                }
            }
        }
    }

    fn free(&mut self, index: usize) {
        let Some(entry) = self.entries.get_mut(&index) else { return };
        if !entry.busy {
            return;
        }
        let marked = std::mem::take(&mut entry.marked);
        (entry.busy, entry.active) = (false, self.now);
        let key = self.key(&self.entries[&index]);
        if marked {
            self.order.wake(slot(index), key);
        }
    }

    fn search(&mut self) -> Option<usize> {
        let Recency { quantum, floor } =
            self.least_recent.unwrap_or(Recency { quantum: 0, floor: 0 });
        let not_after = self.least_recent.map_or(u64::MAX, |_| self.now.saturating_sub(floor));
        let mut may_go: Vec<(u64, usize)> = self
            .entries
            .iter()
            .filter(|(_, entry)| !entry.busy)
            .map(|(&index, entry)| (self.key(entry), index))
            .collect();
        may_go.sort_unstable();
        let least_recent = self.least_recent.is_some();
        let entries = &mut self.entries;
        let looked = self.order.search(
            |id| {
                let index = (0..SLOTS).find(|&index| slot(index) == id).expect("a slot in use");
                let Some(entry) = entries.get_mut(&index) else { return Look::Gone };
                if entry.busy {
                    entry.marked = true;
                    return Look::Busy;
                }
                let key = if least_recent { entry.active } else { entry.created };
                Look::MayGo { key, seen: (key, index) }
            },
            quantum,
            not_after,
        );
        match looked {
            Found::First { seen: (key, index), .. } => {
                let (least, _) = may_go[0];
                assert!(may_go.contains(&(key, index)), "{index} may not go");
                assert!(key <= least + quantum && key <= not_after, "{key} before {least}");
                Some(index)
            }
            Found::NotBefore(bound) => {
                let first = may_go.first().map(|&(key, _)| key);
                assert!(first.is_none_or(|key| key >= bound && key > not_after), "{first:?}");
                None
            }
            Found::Nobody => {
                assert_eq!(may_go, [], "who may go is not found");
                None
            }
        }
    }
}

fn run(steps: &[Step], least_recent: Option<Recency>) {
    let (order, entries) = (Order::new(2), BTreeMap::new());
    let mut model = Model { order, entries, created: 0, now: 1, least_recent };
    for &step in steps {
        model.step(step);
    }
    // In the end all that may go comes out, one after the other.
    (0..SLOTS).for_each(|index| model.free(index));
    model.now += 1000;
    while model.search().is_some_and(|first| {
        model.step(Step::Leave(first));
        true
    }) {}
    assert!(model.entries.is_empty(), "{:?} are left", model.entries);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..Default::default() })]

    #[test]
    fn the_oldest_goes_first(steps in prop::collection::vec(step(), 0..120)) {
        run(&steps, None);
    }

    #[test]
    fn the_least_recently_active_goes_first(
        steps in prop::collection::vec(step(), 0..120),
        quantum in 0_u64..20,
        floor in 0_u64..40,
    ) {
        run(&steps, Some(Recency { quantum, floor }));
    }
}
