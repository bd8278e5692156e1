//! Interleavings of the subject counts, on a directory of two buckets that may
//! grow to four, under the reclaimer that frees as early as it may. A use after
//! a release, a double release and a leak fail every model here.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::linearize::{History, Spec};
use crate::product::{Limit, OwnedSubjectPermit, SubjectCounts};
use crate::support::{model, race, thread};

/// Hashes a subject to what it says.
#[derive(Default)]
pub struct Told(u64);

impl Hasher for Told {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("subjects write one u64");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A subject whose hash is chosen. Its low bits are the bucket; the list is in
/// the order of the reversed hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    hash: u64,
    name: u8,
}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

const fn subject(hash: u64, name: u8) -> Subject {
    Subject { hash, name }
}

/// Bucket 0; `A2` has the hash of `A`, `B` is next in order.
pub const A: Subject = subject(0b000, b'a');
pub const A2: Subject = subject(0b000, b'A');
pub const B: Subject = subject(0b100, b'b');
/// Bucket 1 of two or four, which nobody has used.
pub const C: Subject = subject(0b001, b'c');
/// Bucket 1 of two, 3 of four, behind `C`.
pub const D: Subject = subject(0b011, b'd');
/// In the buckets of `D`, behind it.
pub const E: Subject = subject(0b111, b'e');

pub type Counts = SubjectCounts<Subject, BuildHasherDefault<Told>>;
pub type Held = OwnedSubjectPermit<Subject, BuildHasherDefault<Told>>;

pub fn counts() -> Arc<Counts> {
    Arc::new(Counts::tiny(2, 4, BuildHasherDefault::default()))
}

pub fn acquire(counts: &Arc<Counts>, subject: Subject, limit: u32) -> Option<Held> {
    counts.try_acquire_owned(&subject, Limit::at_most(limit)).ok()
}

pub type Thread = Box<dyn FnOnce() + Send>;

/// What a thread of a model does with the map.
pub fn with(counts: &Arc<Counts>, run: impl FnOnce(&Arc<Counts>) + Send + 'static) -> Thread {
    let counts = Arc::clone(counts);
    Box::new(move || run(&counts))
}

/// How many hold permits of one subject, beside the map. Threads switch only at
/// a checked operation, so a step here is one with the acquire or release next
/// to it.
#[derive(Default)]
pub struct Ghost(AtomicU32);

impl Ghost {
    pub fn hold_and_drop(&self, permit: Option<Held>, limit: u32) {
        if let Some(permit) = permit {
            let inside = self.0.fetch_add(1, Relaxed) + 1;
            assert!(inside <= limit, "{inside} inside, the limit is {limit}");
            thread::yield_now();
            self.0.fetch_sub(1, Relaxed);
            drop(permit);
        }
    }
}

pub fn assert_empty(counts: &Counts) {
    assert_eq!((counts.nodes(), counts.subjects()), (0, 0), "something was left behind");
}

/// Each thread acquires and drops `A` under `limit`; `before` were held when
/// they began, and one of the threads drops those.
fn contenders<const THREADS: usize>(limit: u32, before: u32) {
    model(move || {
        let (counts, ghost) = (counts(), Arc::new(Ghost::default()));
        let mut held = Some((0..before).map(|_| acquire(&counts, A, limit)).collect::<Vec<_>>());
        ghost.0.fetch_add(before, Relaxed);
        race([(); THREADS].map(|()| {
            let (ghost, mut held) = (Arc::clone(&ghost), held.take());
            with(&counts, move |counts| {
                for permit in held.iter_mut().flatten() {
                    ghost.0.fetch_sub(1, Relaxed);
                    *permit = None;
                }
                ghost.hold_and_drop(acquire(counts, A, limit), limit);
            })
        }));
        assert_empty(&counts);
    });
}

#[test]
fn a_last_release_races_a_first_acquire() {
    contenders::<2>(1, 1);
}

#[test]
fn two_under_a_limit_of_one() {
    contenders::<2>(1, 0);
}

#[test]
fn three_under_a_limit_of_one() {
    contenders::<3>(1, 0);
}

/// With room for all, everybody is admitted to one entry: no count is lost and
/// none comes back with a dead node.
#[test]
fn two_help_a_removal_and_meet_in_one_new_entry() {
    model(|| {
        let counts = counts();
        let mut last = acquire(&counts, A, 3);
        race([
            with(&counts, move |_| drop(last.take())),
            with(&counts, |counts| acquire(counts, A, 3).expect("there is room").forget()),
            with(&counts, |counts| acquire(counts, A, 3).expect("there is room").forget()),
        ]);
        assert_eq!((counts.nodes(), counts.count(&A)), (1, 2));
    });
}

/// Whatever is left of the old entry, who holds a permit counts it.
#[test]
fn a_holder_is_counted_while_the_old_entry_dies() {
    model(|| {
        let counts = counts();
        let mut last = acquire(&counts, A, 2);
        race([
            with(&counts, move |_| drop(last.take())),
            with(&counts, |counts| {
                let _permit = acquire(counts, A, 2).expect("there is room");
                assert!(counts.count(&A) >= 1);
            }),
        ]);
        assert_empty(&counts);
    });
}

#[test]
fn a_permit_is_dropped_on_another_thread() {
    model(|| {
        let counts = counts();
        race([
            with(&counts, |counts| {
                let permit = acquire(counts, A, 2).expect("there is room");
                thread::spawn(move || drop(permit)).join().unwrap();
            }),
            with(&counts, |counts| drop(acquire(counts, A, 2).expect("there is room"))),
        ]);
        assert_empty(&counts);
    });
}

/// `one` dies while `other` enters behind it.
fn one_dies_as_another_enters(one: Subject, other: Subject) {
    model(move || {
        let counts = counts();
        let mut dying = acquire(&counts, one, 1);
        race([
            with(&counts, move |_| drop(dying.take())),
            with(&counts, move |counts| {
                acquire(counts, other, 1).expect("nobody else wants it").forget();
                assert_eq!(counts.count(&other), 1);
            }),
        ]);
        assert_eq!((counts.nodes(), counts.count(&one), counts.count(&other)), (1, 0, 1));
    });
}

#[test]
fn a_subject_enters_a_bucket_in_which_another_dies() {
    one_dies_as_another_enters(A, B);
}

#[test]
fn a_subject_enters_a_run_of_equal_hashes_in_which_another_dies() {
    one_dies_as_another_enters(A, A2);
}

/// The second to leave must not stay linked because the first, its
/// predecessor, leaves at the same time.
#[test]
fn neighbours_die_together() {
    model(|| {
        let counts = counts();
        let (mut one, mut other) = (acquire(&counts, A, 1), acquire(&counts, B, 1));
        race([
            with(&counts, move |_| drop(one.take())),
            with(&counts, move |_| drop(other.take())),
        ]);
        assert_empty(&counts);
    });
}

#[test]
fn neighbours_die_as_a_third_enters_between() {
    model(|| {
        let counts = counts();
        let (mut one, mut other) = (acquire(&counts, A, 1), acquire(&counts, B, 1));
        race([
            with(&counts, move |_| drop(one.take())),
            with(&counts, move |_| drop(other.take())),
            with(&counts, |counts| acquire(counts, A2, 1).unwrap().forget()),
        ]);
        assert_eq!((counts.nodes(), counts.count(&A2)), (1, 1));
    });
}

#[test]
fn one_subject_comes_twice_to_an_empty_bucket() {
    model(|| {
        let counts = counts();
        let enter = || with(&counts, |counts| _ = acquire(counts, C, 1).map(Held::forget));
        race([enter(), enter()]);
        assert_eq!((counts.nodes(), counts.count(&C)), (1, 1));
    });
}

#[test]
fn one_subject_comes_twice_behind_another_of_its_hash() {
    model(|| {
        let counts = counts();
        acquire(&counts, A, 1).unwrap().forget();
        let enter = || with(&counts, |counts| _ = acquire(counts, A2, 1).map(Held::forget));
        race([enter(), enter()]);
        assert_eq!((counts.nodes(), counts.count(&A2)), (2, 1));
    });
}

/// Each finds its own permit, whether it came in through the bucket or, while
/// the other was linking that, through an ancestor.
#[test]
fn two_subjects_come_to_an_unused_bucket() {
    model(|| {
        let counts = counts();
        let enter = |subject| {
            with(&counts, move |counts| {
                acquire(counts, subject, 1).unwrap().forget();
                assert_eq!(counts.count(&subject), 1);
            })
        };
        race([enter(C), enter(D)]);
        assert_eq!(counts.nodes(), 2);
    });
}

/// It came in through an ancestor while another thread linked its bucket, and
/// leaves through the bucket.
#[test]
fn a_subject_leaves_through_a_bucket_that_it_did_not_come_through() {
    model(|| {
        let counts = counts();
        race([
            with(&counts, |counts| acquire(counts, C, 1).unwrap().forget()),
            with(&counts, |counts| drop(acquire(counts, D, 1).unwrap())),
        ]);
        assert_eq!((counts.nodes(), counts.count(&C), counts.count(&D)), (1, 1, 0));
    });
}

#[test]
fn growth_races_an_insert() {
    model(|| {
        let counts = counts();
        race([
            with(&counts, |counts| counts.grow()),
            with(&counts, |counts| {
                acquire(counts, D, 1).unwrap().forget();
                assert_eq!(counts.count(&D), 1);
            }),
        ]);
        assert_eq!((counts.nodes(), counts.count(&D)), (1, 1));
    });
}

#[test]
fn growth_races_a_removal_and_a_return() {
    model(|| {
        let counts = counts();
        let mut held = acquire(&counts, D, 1);
        race([
            with(&counts, |counts| {
                counts.grow();
                drop(acquire(counts, D, 1));
            }),
            with(&counts, move |_| drop(held.take())),
        ]);
        assert_empty(&counts);
    });
}

/// The dummy that is being linked points to the one that dies, and a third
/// comes by on the old way.
#[test]
fn a_subject_dies_as_its_new_bucket_is_linked() {
    model(|| {
        let counts = counts();
        let mut dying = acquire(&counts, D, 1);
        counts.grow();
        race([
            with(&counts, move |_| drop(dying.take())),
            with(&counts, |counts| assert_eq!(counts.count(&E), 0)),
            with(&counts, |counts| assert_eq!(counts.count(&C), 0)),
        ]);
        assert_empty(&counts);
    });
}

#[test]
fn two_grow_at_once() {
    model(|| {
        let counts = counts();
        let grow = || with(&counts, |counts| counts.grow());
        race([grow(), grow()]);
        acquire(&counts, D, 1).unwrap().forget();
        assert_eq!(counts.count(&D), 1);
    });
}

/// The third meets the segment of one grower through the size of the other.
#[test]
fn two_grow_at_once_as_a_third_enters() {
    model(|| {
        let counts = counts();
        race([
            with(&counts, |counts| counts.grow()),
            with(&counts, |counts| counts.grow()),
            with(&counts, |counts| acquire(counts, D, 1).unwrap().forget()),
        ]);
        assert_eq!((counts.nodes(), counts.count(&D)), (1, 1));
    });
}

/// What is there all the time is met exactly once; what dies and comes back at
/// the end of its run, at most once.
#[test]
fn a_walk_races_a_removal_and_a_return() {
    model(|| {
        let counts = counts();
        let mut coming_back = acquire(&counts, A, 1);
        acquire(&counts, A2, 1).unwrap().forget();
        race([
            with(&counts, move |counts| {
                drop(coming_back.take());
                acquire(counts, A, 1).unwrap().forget();
            }),
            with(&counts, |counts| {
                let met = counts.snapshot();
                let times = |subject| met.iter().filter(|(other, _)| *other == subject).count();
                assert_eq!(times(A2), 1);
                assert!(times(A) <= 1);
                assert!(met.iter().all(|(_, count)| *count == 1));
            }),
        ]);
    });
}

/// The sequential map, whose entry goes at zero.
#[derive(Clone, Default)]
struct Sequential(HashMap<u8, u32>);

#[derive(Clone, Debug)]
enum Op {
    Acquire(u8, u32),
    Release(u8),
    Count(u8),
}

impl Spec for Sequential {
    type Op = Op;
    type Answer = u32;

    /// Acquire answers 1 or 0, release nothing, count the count.
    fn apply(&mut self, op: &Op) -> u32 {
        match *op {
            Op::Acquire(name, limit) => {
                let held = self.0.get(&name).copied().unwrap_or(0);
                if held < limit {
                    self.0.insert(name, held + 1);
                }
                (held < limit).into()
            }
            Op::Release(name) => {
                let held = self.0.remove(&name).expect("releases follow acquires");
                if held > 1 {
                    self.0.insert(name, held - 1);
                }
                0
            }
            Op::Count(name) => self.0.get(&name).copied().unwrap_or(0),
        }
    }
}

#[derive(Clone)]
struct Recorded {
    counts: Arc<Counts>,
    history: Arc<History<Sequential>>,
}

impl Recorded {
    fn acquire(&self, subject: Subject, limit: u32) -> Option<Held> {
        self.history.record(Op::Acquire(subject.name, limit), || {
            let permit = acquire(&self.counts, subject, limit);
            (permit.is_some().into(), permit)
        })
    }

    fn release(&self, subject: Subject, permit: Held) {
        self.history.record(Op::Release(subject.name), || (0, drop(permit)));
    }

    fn acquire_and_release(&self, subject: Subject, limit: u32) {
        if let Some(permit) = self.acquire(subject, limit) {
            self.release(subject, permit);
        }
    }

    fn count(&self, subject: Subject) {
        self.history.record(Op::Count(subject.name), || (self.counts.count(&subject), ()));
    }
}

fn linearizable<const THREADS: usize>(threads: [fn(&Recorded); THREADS]) {
    model(move || {
        let recorded = Recorded { counts: counts(), history: Arc::new(History::new()) };
        race(threads.map(|thread| -> Thread {
            let recorded = recorded.clone();
            Box::new(move || thread(&recorded))
        }));
        recorded.history.assert_linearizable(&Sequential::default());
        assert_empty(&recorded.counts);
    });
}

#[test]
fn one_subject_behaves_as_in_a_sequential_map() {
    linearizable([
        |r| r.acquire_and_release(A, 1),
        |r| {
            r.acquire_and_release(A, 1);
            r.count(A);
        },
    ]);
}

#[test]
fn a_run_behaves_as_in_a_sequential_map() {
    linearizable([
        |r| r.acquire_and_release(A, 1),
        |r| {
            r.acquire_and_release(A2, 1);
            r.count(A);
        },
    ]);
}

#[test]
fn a_bucket_being_linked_behaves_as_in_a_sequential_map() {
    linearizable([
        |r| {
            r.acquire_and_release(D, 2);
            r.count(C);
        },
        |r| r.acquire_and_release(C, 1),
    ]);
}

#[test]
fn a_third_that_counts_sees_what_a_sequential_map_would_say() {
    linearizable([
        |r| r.acquire_and_release(A, 1),
        |r| r.acquire_and_release(A, 1),
        |r| {
            r.count(A);
            r.count(A);
        },
    ]);
}
