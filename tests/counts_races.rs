#![cfg(not(feature = "loom"))]
//! Real threads on the subject counts, beside `counts_stress.rs`: that nobody
//! is refused who has room, that permits may change hands, that a walk tells
//! the truth.

#[path = "support/deep.rs"]
mod deep;

#[path = "support/hashers.rs"]
mod hashers;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
use std::sync::{Arc, Barrier, Mutex};

use deep::usual_or_deep;
use headcount::{Limit, OwnedSubjectPermit, SubjectCounts};

const THREADS: usize = 4;

fn name(number: usize) -> String {
    format!("tenant {number:08}")
}

fn on_threads(work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        let work = &work;
        (0..THREADS).for_each(|thread| _ = scope.spawn(move || work(thread)));
    });
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn of(thread: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1))
    }

    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most
    }
}

/// Every thread holds one of a subject at most, and the limit is their number,
/// so each refusal would be a wrong one, however often the subject dies.
fn nobody_is_refused<S>(counts: SubjectCounts<String, S>, subjects: usize)
where
    S: BuildHasher + Send + Sync,
{
    let names: Vec<_> = (0..subjects).map(name).collect();
    on_threads(|thread| {
        let mut random = Random::of(thread);
        for _ in 0..usual_or_deep(200_000, 2_000_000) {
            let subject = &*names[random.below(subjects)];
            let permit = counts.try_acquire(subject, Limit::at_most(THREADS as u32));
            let _held = permit.expect("there is room for everybody");
            assert!((1..=THREADS as u32).contains(&counts.count(subject)));
        }
    });
    assert_eq!(counts.subjects(), 0);
}

#[test]
fn with_room_for_everybody_nobody_is_refused() {
    for subjects in [1, 2, 8] {
        nobody_is_refused(SubjectCounts::new(), subjects);
    }
    nobody_is_refused(SubjectCounts::<_, hashers::OneHash>::default(), 4);
    nobody_is_refused(SubjectCounts::<_, hashers::TopBits>::default(), 8);
}

/// Permits go to a place where any thread takes them from, so most are dropped
/// on another thread than they were acquired on.
fn permits_change_hands<S>(counts: SubjectCounts<String, S>, subjects: usize)
where
    S: BuildHasher + Send + Sync,
{
    const LIMIT: u32 = 3;
    type Place<S> = Mutex<Option<(usize, OwnedSubjectPermit<String, S>)>>;
    let counts = Arc::new(counts);
    let names: Vec<_> = (0..subjects).map(name).collect();
    let held: Vec<_> = (0..subjects).map(|_| AtomicU32::new(0)).collect();
    let places: Vec<Place<S>> = (0..64).map(|_| Mutex::new(None)).collect();
    let barrier = Barrier::new(THREADS);
    on_threads(|thread| {
        let mut random = Random::of(thread);
        for _ in 0..4 {
            for _ in 0..usual_or_deep(50_000, 500_000) {
                let index = random.below(subjects);
                let permit = counts.try_acquire_owned(&*names[index], Limit::at_most(LIMIT));
                let put = permit.ok().map(|permit| {
                    let now = held[index].fetch_add(1, AcqRel) + 1;
                    assert!(now <= LIMIT, "{now} hold {}", names[index]);
                    (index, permit)
                });
                let place = &places[random.below(places.len())];
                let taken = std::mem::replace(&mut *place.lock().unwrap(), put);
                if let Some((index, permit)) = taken {
                    held[index].fetch_sub(1, AcqRel);
                    drop(permit);
                }
            }
            barrier.wait();
            for (name, held) in names.iter().zip(&held).skip(thread).step_by(THREADS) {
                assert_eq!(counts.count(&**name), held.load(Acquire), "{name}");
            }
            if thread == 0 {
                let met = counts.snapshot();
                let in_places = places.iter().filter(|place| place.lock().unwrap().is_some());
                let total: u32 = met.iter().map(|(_, count)| count).sum();
                assert_eq!(total as usize, in_places.count());
                let alive = held.iter().filter(|held| held.load(Acquire) > 0);
                assert_eq!(met.len(), alive.count());
            }
            barrier.wait();
        }
    });
    drop(places);
    assert_eq!(counts.subjects(), 0);
}

#[test]
fn permits_change_hands_and_no_count_is_lost() {
    for subjects in [1, 2, 8, 1000, 100_000] {
        permits_change_hands(SubjectCounts::new(), subjects);
    }
    permits_change_hands(SubjectCounts::<_, hashers::OneHash>::default(), 8);
    permits_change_hands(SubjectCounts::<_, hashers::EightHashes>::default(), 64);
}

/// Sets the flag however its scope ends, so that nobody waits for a test that
/// has failed.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// Three threads churn strangers, who also make the map grow, while one walks,
/// and on its way lets the others go ahead.
fn a_walk_tells_the_truth<S>(
    counts: SubjectCounts<String, S>,
    strangers: Range<usize>,
    walks: usize,
) where
    S: BuildHasher + Send + Sync,
{
    const STAY: usize = 60;
    const MOST: u32 = 2;
    let stay = (0..STAY).flat_map(|number| vec![number; number % 3 + 1]);
    let stay: Vec<_> =
        stay.map(|number| counts.try_acquire(&*name(number), Limit::UNLIMITED).unwrap()).collect();
    let names: Vec<_> = strangers.clone().map(name).collect();
    let done = AtomicBool::new(false);
    on_threads(|thread| {
        if thread == 0 {
            let _done = SetOnDrop(&done);
            for walk in 0..usual_or_deep(walks, 10 * walks) {
                let mut met = HashMap::new();
                counts.for_each(|subject, count| {
                    if (walk + met.len()) % 64 == 0 {
                        std::thread::yield_now();
                    }
                    let known = met.insert(subject, count);
                    assert_eq!(known, None, "one subject met twice");
                });
                for number in 0..STAY {
                    let count = met.remove(&name(number));
                    assert_eq!(count, Some(number as u32 % 3 + 1), "{}", name(number));
                }
                for (subject, count) in met {
                    let number: usize = subject.split(' ').nth(1).unwrap().parse().unwrap();
                    assert!(strangers.contains(&number), "{subject} was never there");
                    assert!((1..=MOST).contains(&count), "{subject} never held {count}");
                }
            }
            return;
        }
        let mut random = Random::of(thread);
        let mut held = Vec::new();
        while !done.load(Acquire) {
            for _ in 0..64 {
                let subject = &*names[random.below(names.len())];
                held.extend(counts.try_acquire(subject, Limit::at_most(MOST)).ok());
                if held.len() > names.len() / 4 {
                    drop(held.swap_remove(random.below(held.len())));
                }
            }
            // Where there are more threads than cores, the walk goes on soon.
            std::thread::yield_now();
        }
    });
    assert_eq!(counts.subjects(), STAY);
    drop(stay);
    assert_eq!(counts.subjects(), 0);
}

#[test]
fn a_walk_meets_who_stays_exactly_once_and_nobody_who_was_never_there() {
    a_walk_tells_the_truth(SubjectCounts::<_, RandomState>::new(), 1000..1010, 400);
    a_walk_tells_the_truth(SubjectCounts::<_, RandomState>::new(), 1000..9000, 50);
    a_walk_tells_the_truth(SubjectCounts::<_, hashers::OneHash>::default(), 1000..1010, 400);
    a_walk_tells_the_truth(SubjectCounts::<_, hashers::TopBits>::default(), 1000..1100, 300);
}
