//! Interleavings of the order of evictions: of groups of two slots, blocks of two groups,
//! trees of two blocks. So of the numbers 1 to 9, 2 shares a group with 1, 3 a block, 5 a
//! tree, and 9 is in a chunk of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::{Mutex, OnceLock};

use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicUsize;

use crate::linearize::{History, Spec};
use crate::product::order_model::{Found, Look, Order, SlotId};
use crate::support::{Shared, model, model_with, race};

/// The word of an entry, which its owner, its users and the searches decide on.
struct Word {
    word: AtomicUsize,
    /// Touched before each operation, as the product's atomics do it.
    sibling: AtomicUsize,
}

const FREE: usize = 0;
const BUSY: usize = 1;
const MARKED: usize = 2;
const GONE: usize = 3;

impl Word {
    fn new(word: usize) -> Self {
        Self { word: AtomicUsize::new(word), sibling: AtomicUsize::new(0) }
    }

    fn touched(&self) -> &AtomicUsize {
        self.sibling.fetch_add(1, Relaxed);
        &self.word
    }

    fn decide(&self, from: usize, to: usize) -> Result<usize, usize> {
        self.touched().compare_exchange(from, to, AcqRel, Acquire)
    }

    /// The state that it was.
    fn set(&self, to: usize) -> usize {
        self.touched().swap(to, AcqRel)
    }
}

/// An order, and the words of the entries with these numbers.
#[derive(Clone)]
struct Bench {
    order: Shared<Order>,
    words: Arc<Vec<(SlotId, Word)>>,
}

fn id(number: u32) -> SlotId {
    SlotId { branch: 0, number }
}

fn in_branch(branch: u32, number: u32) -> SlotId {
    SlotId { branch, number }
}

type Thread = Box<dyn FnOnce() + Send>;

impl Bench {
    /// Nobody has entered. All are in this state.
    fn new(ids: &[SlotId], word: usize) -> Self {
        let branches = ids.iter().map(|id| id.branch as usize + 1).max().expect("somebody");
        let words = ids.iter().map(|&id| (id, Word::new(word))).collect();
        Self { order: Shared::new(Order::new(branches)), words: Arc::new(words) }
    }

    fn thread(&self, body: impl FnOnce(&Self) + Send + 'static) -> Thread {
        let bench = self.clone();
        Box::new(move || body(&bench))
    }

    fn word(&self, id: SlotId) -> &Word {
        &self.words.iter().find(|(of, _)| *of == id).expect("an entry of this model").1
    }

    fn enter(&self, id: SlotId, key: u64) {
        self.order.enter(id, key).expect("there is memory");
    }

    /// What the gate answers: one step decides whether it is busy.
    fn look(&self, id: SlotId) -> Look<u64> {
        match self.word(id).decide(BUSY, MARKED) {
            Ok(_) | Err(MARKED) => Look::Busy,
            Err(FREE) => match self.order.key_of(id) {
                Some(key) => Look::MayGo { key, seen: key },
                None => Look::Gone,
            },
            Err(_) => Look::Gone,
        }
    }

    /// The key of the oldest that may go.
    fn oldest(&self) -> Option<u64> {
        match self.order.search(|id| self.look(id), 0, u64::MAX) {
            Found::First { seen, .. } => Some(seen),
            Found::NotBefore(bound) => panic!("all are before the end of time, so is {bound}"),
            Found::Nobody => None,
        }
    }

    /// Nobody uses it any more.
    fn free(&self, id: SlotId, key: u64) {
        if self.word(id).set(FREE) == MARKED {
            self.order.wake(id, key);
        }
    }

    /// It ends, and its number may be used again.
    fn end(&self, id: SlotId) {
        self.word(id).set(GONE);
        self.order.leave(id);
    }

    /// Ends the oldest: its key.
    fn evict(&self) -> Option<u64> {
        loop {
            match self.order.search(|id| self.look(id), 0, u64::MAX) {
                Found::First { id, seen } => {
                    if self.word(id).decide(FREE, GONE).is_ok() {
                        self.order.leave(id);
                        return Some(seen);
                    }
                }
                Found::NotBefore(bound) => panic!("all are before the end of time, so is {bound}"),
                Found::Nobody => return None,
            }
        }
    }

    /// When all threads are done, exactly these come out, one after the other.
    #[track_caller]
    fn assert_holds(&self, keys: &[u64]) {
        let all: Vec<u64> = std::iter::from_fn(|| self.evict()).collect();
        assert_eq!(all, keys);
    }
}

/// Nobody is ever busy: who has entered may go until it leaves. Fewer steps than a
/// `Bench` takes.
#[derive(Clone)]
struct NeverBusy(Shared<Order>);

impl NeverBusy {
    fn new() -> Self {
        Self(Shared::new(Order::new(1)))
    }

    fn thread(&self, body: impl FnOnce(&Self) + Send + 'static) -> Thread {
        let order = self.clone();
        Box::new(move || body(&order))
    }

    fn enter(&self, number: u32, key: u64) {
        self.0.enter(id(number), key).expect("there is memory");
    }

    fn leave(&self, number: u32) {
        self.0.leave(id(number));
    }

    /// The number of the oldest.
    fn oldest(&self) -> Option<u32> {
        let look = |id| self.0.key_of(id).map_or(Look::Gone, |key| Look::MayGo { key, seen: key });
        match self.0.search(look, 0, u64::MAX) {
            Found::First { id, .. } => Some(id.number),
            _ => None,
        }
    }

    /// When all threads are done, these come out, one after the other.
    #[track_caller]
    fn assert_holds(&self, numbers: &[u32]) {
        let next = || self.oldest().inspect(|&oldest| self.leave(oldest));
        let all: Vec<u32> = std::iter::from_fn(next).collect();
        assert_eq!(all, numbers);
    }
}

/// A search marks it as busy, while it is freed.
#[test]
fn who_is_woken_is_found() {
    model(|| {
        let bench = Bench::new(&[id(1)], BUSY);
        bench.enter(id(1), 1);
        race([
            bench.thread(|bench| _ = bench.oldest()),
            bench.thread(|bench| bench.free(id(1), 1)),
        ]);
        assert_eq!(bench.oldest(), Some(1), "it was passed over");
    });
}

/// ... by a search that is held up since, and this one sees the mark.
#[test]
fn who_is_woken_is_found_although_another_search_marked_it() {
    model(|| {
        let bench = Bench::new(&[id(1)], MARKED);
        bench.enter(id(1), 1);
        race([
            bench.thread(|bench| _ = bench.oldest()),
            bench.thread(|bench| bench.free(id(1), 1)),
        ]);
        assert_eq!(bench.oldest(), Some(1), "it was passed over");
    });
}

/// It is used, freed and used again, and the second to free it finds the mark, if there
/// is one.
#[test]
fn who_is_woken_twice_is_found() {
    model(|| {
        let bench = Bench::new(&[id(1)], BUSY);
        bench.enter(id(1), 1);
        race([
            bench.thread(|bench| _ = bench.oldest()),
            bench.thread(|bench| {
                bench.free(id(1), 1);
                bench.word(id(1)).set(BUSY);
                bench.free(id(1), 1);
            }),
        ]);
        assert_eq!(bench.oldest(), Some(1), "it was passed over");
    });
}

/// One leaves, and raises what is above; this one enters.
fn enters_as_another_leaves(number: u32) {
    model(move || {
        let order = NeverBusy::new();
        order.enter(1, 1);
        race([
            order.thread(|order| order.leave(1)),
            order.thread(move |order| order.enter(number, 2)),
        ]);
        order.assert_holds(&[number]);
    });
}

#[test]
fn who_enters_a_group_as_another_leaves_is_found() {
    enters_as_another_leaves(2);
}

#[test]
fn who_enters_a_block_as_another_leaves_is_found() {
    enters_as_another_leaves(3);
}

#[test]
fn who_enters_a_tree_as_another_leaves_is_found() {
    enters_as_another_leaves(5);
}

/// One leaves and this one enters, while a search finds bounds that are too low and raises
/// them. One preemption is enough: the search may read words as they were.
fn enters_as_a_search_raises(number: u32) {
    model_with(1, move || {
        let order = NeverBusy::new();
        order.enter(1, 1);
        race([
            order.thread(move |order| {
                order.leave(1);
                order.enter(number, 2);
            }),
            order.thread(|order| _ = order.oldest()),
        ]);
        order.assert_holds(&[number]);
    });
}

#[test]
fn a_search_raises_no_group_over_who_enters() {
    enters_as_a_search_raises(2);
}

#[test]
fn a_search_raises_no_block_over_who_enters() {
    enters_as_a_search_raises(3);
}

#[test]
fn a_search_raises_no_tree_over_who_enters() {
    enters_as_a_search_raises(5);
}

/// Two enter; the second finds somebody, whatever the first has done.
fn two_enter(first: u32, second: u32) {
    model_with(1, move || {
        let order = NeverBusy::new();
        race([
            order.thread(move |order| order.enter(first, 1)),
            order.thread(move |order| {
                order.enter(second, 2);
                assert!(order.oldest().is_some(), "it is passed over");
            }),
        ]);
        order.assert_holds(&[first, second]);
    });
}

#[test]
fn of_two_that_enter_a_group_each_is_found() {
    two_enter(1, 2);
}

#[test]
fn of_two_that_enter_a_block_each_is_found() {
    two_enter(1, 3);
}

#[test]
fn of_two_that_enter_a_tree_each_is_found() {
    two_enter(1, 5);
}

/// Both make the chunk, the block, or find it made.
#[test]
fn of_two_that_enter_a_new_chunk_each_is_found() {
    two_enter(9, 10);
}

/// A search comes by before the newcomer has told its key, or is there at all.
#[test]
fn who_enters_is_found_whoever_searches() {
    model(|| {
        let order = NeverBusy::new();
        race([order.thread(|order| order.enter(1, 1)), order.thread(|order| _ = order.oldest())]);
        order.assert_holds(&[1]);
    });
}

/// Stands for what an entry is: written before it enters.
struct Entry(UnsafeCell<u32>);

// SAFETY: written before the entry enters, read by looks; loom checks the order.
unsafe impl Sync for Entry {}

#[test]
fn a_look_sees_what_was_done_before_the_enter() {
    model(|| {
        let entry = Arc::new(Entry(UnsafeCell::new(0)));
        let order = Shared::new(Order::new(1));
        let (written, entered) = (Arc::clone(&entry), Shared::clone(&order));
        race([
            Box::new(move || {
                // SAFETY: as for `Sync`.
                written.0.with_mut(|entry| unsafe { *entry = 1 });
                entered.enter(id(1), 1).expect("there is memory");
            }) as Thread,
            Box::new(move || {
                let look = |_: SlotId| {
                    // SAFETY: as for `Sync`.
                    entry.0.with(|entry| unsafe { assert_eq!(*entry, 1) });
                    Look::MayGo { key: 1, seen: () }
                };
                order.search(look, 0, u64::MAX);
            }),
        ]);
    });
}

/// Its waker is late: it has left, and its number has a new owner.
#[test]
fn a_late_wake_hides_nobody() {
    model(|| {
        let order = NeverBusy::new();
        order.enter(1, 1);
        order.enter(2, 2);
        race([
            order.thread(|order| order.0.wake(id(1), 1)),
            order.thread(|order| {
                order.leave(1);
                order.enter(1, 3);
            }),
        ]);
        order.assert_holds(&[2, 1]);
    });
}

/// The older one may go before the younger may, so the younger is never the first.
fn the_older_is_woken_first(preemptions: usize, older: SlotId, younger: SlotId) {
    model_with(preemptions, move || {
        let bench = Bench::new(&[older, younger], BUSY);
        bench.enter(older, 1);
        assert_eq!(bench.oldest(), None);
        bench.enter(younger, 2);
        race([
            bench.thread(|bench| {
                let found = bench.oldest();
                assert_ne!(found, Some(2), "an older one could go whenever this could");
            }),
            bench.thread(move |bench| {
                bench.free(older, 1);
                bench.free(younger, 2);
            }),
        ]);
        bench.assert_holds(&[1, 2]);
    });
}

#[test]
fn the_first_of_a_tree_is_the_oldest() {
    the_older_is_woken_first(2, id(1), id(5));
}

#[test]
fn the_first_of_two_trees_is_the_oldest() {
    the_older_is_woken_first(1, id(9), id(1));
}

#[test]
fn the_first_of_two_branches_is_the_oldest() {
    the_older_is_woken_first(1, in_branch(0, 1), in_branch(1, 1));
}

/// One is woken before the other leaves: at no instant may nobody go.
fn one_is_woken_before_another_leaves(woken: SlotId, leaves: SlotId) {
    model(move || {
        let bench = Bench::new(&[woken, leaves], BUSY);
        bench.enter(woken, 1);
        assert_eq!(bench.oldest(), None);
        bench.word(leaves).set(FREE);
        bench.enter(leaves, 2);
        race([
            bench.thread(|bench| assert!(bench.oldest().is_some(), "one could always go")),
            bench.thread(move |bench| {
                bench.free(woken, 1);
                bench.end(leaves);
            }),
        ]);
        bench.assert_holds(&[1]);
    });
}

#[test]
fn nobody_is_not_said_while_one_may_go() {
    one_is_woken_before_another_leaves(in_branch(0, 1), in_branch(1, 1));
}

#[test]
fn nobody_is_not_said_of_a_tree_while_one_may_go() {
    one_is_woken_before_another_leaves(id(1), id(5));
}

/// Two evict: each ends another.
fn two_evict(first: u32, second: u32) {
    model(move || {
        let bench = Bench::new(&[id(first), id(second)], FREE);
        bench.enter(id(first), 1);
        bench.enter(id(second), 2);
        let evicted: Arc<Mutex<Vec<u64>>> = Arc::default();
        let evicts = || {
            let evicted = Arc::clone(&evicted);
            bench.thread(move |bench| {
                let key = bench.evict().expect("there is one for each");
                evicted.lock().expect("no thread panics").push(key);
            })
        };
        race([evicts(), evicts()]);
        let mut evicted = evicted.lock().expect("no thread panics").clone();
        evicted.sort_unstable();
        assert_eq!(evicted, [1, 2]);
        bench.assert_holds(&[]);
    });
}

#[test]
fn two_evictions_of_a_group_end_two() {
    two_evict(1, 2);
}

#[test]
fn two_evictions_of_a_tree_end_two() {
    two_evict(1, 5);
}

#[test]
fn two_evictions_of_one_entry_end_it_once() {
    model(|| {
        let bench = Bench::new(&[id(1)], FREE);
        bench.enter(id(1), 1);
        let ended = Arc::new(OnceLock::new());
        let evicts = || {
            let ended = Arc::clone(&ended);
            bench.thread(move |bench| {
                if let Some(key) = bench.evict() {
                    ended.set(key).expect("it was ended once");
                }
            })
        };
        race([evicts(), evicts()]);
        assert_eq!(ended.get(), Some(&1));
    });
}

/// A waker that is held up anywhere holds up no search: else this one would go on for ever.
#[test]
fn a_search_waits_for_no_waker() {
    model(|| {
        let order = NeverBusy::new();
        order.enter(2, 2);
        race([
            order.thread(|order| order.enter(1, 1)),
            order.thread(|order| assert!(order.oldest().is_some())),
        ]);
        order.assert_holds(&[1, 2]);
    });
}

/// Active since: the key of an entry goes up, and with it, by a search, its bound.
#[test]
fn who_is_active_while_its_bound_is_raised_is_found() {
    model(|| {
        let order = Shared::new(Order::new(1));
        let active = Arc::new(AtomicUsize::new(1));
        order.enter(id(1), 1).expect("there is memory");
        let search = |order: &Order, active: &AtomicUsize, quantum| {
            let look = |_: SlotId| Look::MayGo { key: active.load(Acquire) as u64, seen: () };
            order.search(look, quantum, 20)
        };
        let found = Found::First { id: id(1), seen: () };
        let (seen, used) = (Shared::clone(&order), Arc::clone(&active));
        let (searched, activity) = (Shared::clone(&order), Arc::clone(&active));
        race([
            Box::new(move || {
                used.swap(3, AcqRel);
                // A waker, late.
                seen.wake(id(1), 2);
            }) as Thread,
            Box::new(move || assert_eq!(search(&searched, &activity, 0), found)),
        ]);
        assert_eq!(search(&order, &active, 0), found);
        // Its bound is 3 by now: one look is enough.
        let looks = Cell::new(0);
        let look = |_: SlotId| {
            looks.set(looks.get() + 1);
            Look::MayGo { key: 3, seen: () }
        };
        assert_eq!((order.search(look, 0, 0), looks.get()), (Found::NotBefore(3), 1));
    });
}

/// Those that may go, by their keys.
#[derive(Clone)]
struct MayGo(Vec<u64>);

#[derive(Clone, Debug)]
enum Op {
    /// It may go from now on; or not.
    Frees(u64),
    Uses(u64),
    Finds,
}

impl Spec for MayGo {
    type Op = Op;
    type Answer = Option<u64>;

    fn apply(&mut self, op: &Op) -> Option<u64> {
        match *op {
            Op::Frees(key) => self.0.push(key),
            Op::Uses(key) => self.0.retain(|&other| other != key),
            Op::Finds => return self.0.iter().min().copied(),
        }
        None
    }
}

/// What searches find while entries are used and freed, as if each were one step.
#[test]
fn a_search_is_one_step() {
    model(|| {
        let bench = Bench::new(&[id(1), id(3)], BUSY);
        bench.enter(id(1), 1);
        assert_eq!(bench.oldest(), None);
        bench.word(id(3)).set(FREE);
        bench.enter(id(3), 2);
        let history = Arc::new(History::<MayGo>::new());
        let recorded = Arc::clone(&history);
        let others = Arc::clone(&history);
        race([
            bench.thread(move |bench| {
                recorded.record(Op::Finds, || (bench.oldest(), ()));
                recorded.record(Op::Finds, || (bench.oldest(), ()));
            }),
            bench.thread(move |bench| {
                others.record(Op::Frees(1), || (None, bench.free(id(1), 1)));
                others.record(Op::Uses(2), || (None, _ = bench.word(id(3)).set(BUSY)));
                others.record(Op::Frees(2), || (None, bench.free(id(3), 2)));
            }),
        ]);
        history.assert_linearizable(&MayGo(vec![2]));
    });
}
