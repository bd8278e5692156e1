//! The order step by step, its memory, and real threads.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::*};

use super::{Found, Look, Order, SlotId};

pub(super) fn id(branch: u32, number: u32) -> SlotId {
    SlotId { branch, number }
}

/// What nobody has marked may go under the key with which it entered.
fn entered(order: &Order) -> impl FnMut(SlotId) -> Look<u64> {
    |id| order.key_of(id).map_or(Look::Gone, |key| Look::MayGo { key, seen: key })
}

#[test]
fn the_oldest_comes_first_whatever_its_slot() {
    let order = Order::new(3);
    assert_eq!(order.search(entered(&order), 0, u64::MAX), Found::Nobody);
    // Far apart: each in a group, a block, a tree, a chunk, a branch of its own.
    let ids = [id(0, 9), id(0, 1), id(0, 17), id(2, 257), id(1, 8193), id(0, 60_000), id(2, 1)];
    for (&id, key) in ids.iter().zip(1..) {
        order.enter(id, key).expect("there is memory");
    }
    for (&id, key) in ids.iter().zip(1..) {
        let found = order.search(entered(&order), 0, u64::MAX);
        assert_eq!(found, Found::First { id, seen: key });
        order.leave(id);
        assert_eq!(order.key_of(id), None);
    }
    assert_eq!(order.search(entered(&order), 0, u64::MAX), Found::Nobody);
}

#[test]
fn the_highest_number_has_a_slot() {
    let order = Order::new(64);
    let last = id(63, (1 << 26) - 1);
    assert_eq!(order.key_of(last), None);
    order.leave(last);
    order.enter(last, 7).expect("there is memory");
    assert_eq!(order.key_of(last), Some(7));
    assert_eq!(order.search(entered(&order), 0, u64::MAX), Found::First { id: last, seen: 7 });
}

#[test]
fn keys_without_end_are_still_found() {
    let order = Order::new(1);
    let last = u64::MAX >> 1;
    order.enter(id(0, 1), last).expect("there is memory");
    let found = order.search(entered(&order), 0, u64::MAX);
    assert_eq!(found, Found::First { id: id(0, 1), seen: last });
}

#[test]
fn nobody_is_remembered_until_one_is_woken() {
    let order = Order::new(2);
    let ids: Vec<_> = (1..=1000).map(|number| id(number % 2, number)).collect();
    for (&id, key) in ids.iter().zip(1..) {
        order.enter(id, key).expect("there is memory");
    }
    let mut looks = 0;
    let mut all_busy = |order: &Order| {
        looks = 0;
        let found = order.search(
            |_| {
                looks += 1;
                Look::Busy::<()>
            },
            0,
            u64::MAX,
        );
        assert_eq!(found, Found::Nobody);
        looks
    };
    assert_eq!(all_busy(&order), 1000, "each is looked at once");
    assert_eq!(all_busy(&order), 0, "the roots remember");
    order.wake(ids[500], 501);
    assert_eq!(all_busy(&order), 1);
    assert_eq!(all_busy(&order), 0);
}

#[test]
fn a_late_wake_of_who_has_left_hides_nobody() {
    let order = Order::new(1);
    let [reused, other] = [id(0, 1), id(0, 2)];
    order.enter(reused, 1).expect("there is memory");
    order.leave(reused);
    order.enter(other, 2).expect("there is memory");
    order.wake(reused, 1);
    let first = |id, seen| Found::First { id, seen };
    assert_eq!(order.search(entered(&order), 0, u64::MAX), first(other, 2));
    order.enter(reused, 3).expect("there is memory");
    order.wake(reused, 1);
    assert_eq!(order.search(entered(&order), 0, u64::MAX), first(other, 2));
    order.leave(other);
    assert_eq!(order.search(entered(&order), 0, u64::MAX), first(reused, 3));
}

#[test]
fn the_floor_keeps_the_recent() {
    let order = Order::new(1);
    order.enter(id(0, 1), 100).expect("there is memory");
    let key = AtomicU64::new(100);
    let look = |_: SlotId| Look::MayGo { key: key.load(Relaxed), seen: () };
    assert_eq!(order.search(look, 10, 99), Found::NotBefore(100));
    // Within the quantum of its bound, but after the floor.
    key.store(105, Relaxed);
    assert_eq!(order.search(look, 10, 104), Found::NotBefore(105));
    assert_eq!(order.search(look, 10, 105), Found::First { id: id(0, 1), seen: () });
    // What is within the quantum writes nothing.
    key.store(115, Relaxed);
    assert_eq!(order.search(look, 10, 200), Found::First { id: id(0, 1), seen: () });
    assert_eq!(order.search(look, 10, 104), Found::NotBefore(115));
}

#[test]
#[should_panic(expected = "an order has 1 to 64 branches, not 65")]
fn too_many_branches_are_refused() {
    drop(Order::new(65));
}

/// A long churn: after every step, the memory is what the highest numbers in use need.
#[test]
fn memory_is_bounded_by_the_highest_number() {
    const BRANCHES: u32 = 3;
    let order = Order::new(BRANCHES as usize);
    assert_eq!(order.bytes(), 0);
    let (mut key, mut random) = (0, 0x9e37_79b9_7f4a_7c15_u64);
    let (mut used, mut highest) = (BTreeSet::new(), [0_u32; BRANCHES as usize]);
    for step in 0..60_000_u32 {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let (branch, most) = ((random >> 33) as u32 % BRANCHES, 1 + step / 3);
        let number = 1 + (random >> 40) as u32 % most;
        if used.insert((branch, number)) {
            key += 1;
            order.enter(id(branch, number), key).expect("there is memory");
            highest[branch as usize] = highest[branch as usize].max(number);
        } else if used.len() > 4000 {
            let found = order.search(entered(&order), 0, u64::MAX);
            let Found::First { id, .. } = found else { panic!("{found:?}") };
            order.leave(id);
            assert!(used.remove(&(id.branch, id.number)));
        } else {
            order.leave(id(branch, number));
            used.remove(&(branch, number));
        }
        let most: usize = highest.iter().map(|&highest| most_bytes(highest)).sum();
        assert!(order.bytes() <= most, "{} bytes, not {most}, at {step}", order.bytes());
    }
}

/// 16.5 bytes a number, rounded up to 256 of them; and 640 for 8,192, of which there may be
/// twice as many as are in use.
fn most_bytes(highest: u32) -> usize {
    let (blocks, trees) = (highest.div_ceil(256) as usize, highest.div_ceil(8192) as usize);
    blocks * 4224 + (2 * trees).saturating_sub(1) * 640
}

const GONE: u64 = 0;
const MARKED: u64 = 1;
const BUSY: u64 = 2;
const LIFE: u64 = 4;

/// Threads admit and evict, and use what is there. An entry's word: its life, whether
/// it is busy, whether it is marked.
struct Shared {
    order: Order,
    words: Vec<AtomicU64>,
    free: crossbeam_utils::CachePadded<std::sync::Mutex<Vec<u32>>>,
    created: AtomicU64,
}

impl Shared {
    fn new(slots: u32) -> Self {
        Self {
            order: Order::new(2),
            words: (0..slots).map(|_| AtomicU64::new(GONE)).collect(),
            free: std::sync::Mutex::new((0..slots).collect()).into(),
            created: AtomicU64::new(0),
        }
    }

    fn slot(index: u32) -> SlotId {
        id(index % 2, 1 + index / 2 * 37)
    }

    fn look(&self, at: SlotId) -> Look<(u32, u64)> {
        let index = at.branch + (at.number - 1) / 37 * 2;
        let word = &self.words[index as usize];
        let mut seen = word.load(Acquire);
        loop {
            if seen == GONE {
                return Look::Gone;
            }
            if seen & BUSY == 0 {
                let Some(key) = self.order.key_of(at) else { return Look::Gone };
                return Look::MayGo { key, seen: (index, seen) };
            }
            match word.compare_exchange(seen, seen | MARKED, AcqRel, Acquire) {
                Ok(_) => return Look::Busy,
                Err(now) => seen = now,
            }
        }
    }

    /// The key of the one that it evicted.
    fn evict(&self) -> Option<u64> {
        loop {
            let found = self.order.search(|id| self.look(id), 0, u64::MAX);
            let Found::First { id, seen: (index, word) } = found else { return None };
            let key = self.order.key_of(id);
            if self.words[index as usize].compare_exchange(word, GONE, AcqRel, Acquire).is_ok() {
                self.order.leave(id);
                self.free.lock().expect("no thread panics").push(index);
                return key;
            }
        }
    }

    fn admit(&self) -> bool {
        let Some(index) = self.free.lock().expect("no thread panics").pop() else { return false };
        let key = 1 + self.created.fetch_add(1, Relaxed);
        self.words[index as usize].store(key * LIFE, Release);
        self.order.enter(Self::slot(index), key).expect("there is memory");
        true
    }

    /// Uses the entry, if it is there and free.
    fn use_for_a_while(&self, index: u32) {
        let word = &self.words[index as usize];
        let seen = word.load(Acquire);
        if seen == GONE
            || seen & BUSY != 0
            || word.compare_exchange(seen, seen | BUSY, AcqRel, Acquire).is_err()
        {
            return;
        }
        if index % 3 == 0 {
            std::thread::yield_now();
        }
        if word.fetch_and(!(BUSY | MARKED), AcqRel) & MARKED != 0 {
            self.order.wake(Self::slot(index), seen / LIFE);
        }
    }
}

#[test]
fn threads_that_admit_evict_and_use_lose_nobody() {
    const THREADS: u64 = 4;
    const SLOTS: u32 = 64;
    let (shared, barrier) = (Shared::new(SLOTS), Barrier::new(THREADS as usize));
    let evicted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 1..=THREADS {
            let (shared, barrier, evicted) = (&shared, &barrier, &evicted);
            scope.spawn(move || {
                barrier.wait();
                let mut random = thread;
                for _ in 0..50_000 {
                    random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(thread);
                    match (random >> 33) % 4 {
                        0 | 1 => {
                            while !shared.admit() {
                                if shared.evict().is_some() {
                                    evicted.fetch_add(1, Relaxed);
                                }
                            }
                        }
                        2 => shared.use_for_a_while((random >> 40) as u32 % SLOTS),
                        _ => _ = evicted.fetch_add(shared.evict().is_some().into(), Relaxed),
                    }
                }
            });
        }
    });
    // At rest nobody is busy: all come out, in their order.
    let mut last = 0;
    let mut left = 0;
    while let Some(key) = shared.evict() {
        assert!(last < key, "{key} after {last}");
        (last, left) = (key, left + 1);
    }
    assert_eq!(evicted.load(Relaxed) + left, shared.created.load(Relaxed), "some were lost");
}
