#![cfg(not(feature = "loom"))]
//! What the subject counts keep of subjects that are gone: the buckets, and of
//! the subjects nothing. One test at a time, since each judges the heap.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use counting_alloc::{CountingAlloc, live_bytes};
use headcount::{Limit, SubjectCounts};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

const ONE: Limit = Limit::at_most(1);

const MIB: usize = 1 << 20;

const THREADS: usize = 2;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `Debug` says of the number of buckets.
fn buckets<K: Eq, S>(counts: &SubjectCounts<K, S>) -> usize {
    let shown = format!("{counts:?}");
    let number = shown.split("buckets: ").nth(1).and_then(|rest| rest.split(',').next());
    number.expect("`Debug` shows the buckets").parse().unwrap()
}

/// Each of `THREADS` threads does `work`, and has ended when this returns.
fn on_threads(work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        // A scope does not wait for a thread's last destructors, a join does.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Every 128th pin collects; so many let everything go that may go.
fn collect(counts: &SubjectCounts<u64>) {
    (0..1 << 16).for_each(|_| assert_eq!(counts.count(&u64::MAX), 0));
}

#[test]
fn ten_million_subjects_come_and_go_and_leave_the_heap_as_it_was() {
    const SUBJECTS: usize = 10_000_000;
    const LIVE: usize = 1000;
    let _alone = alone();
    let start = live_bytes();
    let counts: SubjectCounts<String> = SubjectCounts::new();
    let most = AtomicUsize::new(0);
    on_threads(|thread| {
        let mut held = VecDeque::with_capacity(LIVE / THREADS);
        let mut subject = String::new();
        for turn in 0..SUBJECTS / THREADS {
            subject.clear();
            write!(subject, "tenant-{thread:04}-{turn:011}").unwrap();
            if held.len() == LIVE / THREADS {
                held.pop_front();
            }
            held.push_back(counts.try_acquire(&*subject, ONE).unwrap());
            if turn % 4096 == 0 {
                most.fetch_max(live_bytes(), Relaxed);
            }
        }
    });
    let kept = live_bytes().saturating_sub(start);
    let most = most.into_inner() - start;
    println!("{kept} bytes kept, {most} at most, {} buckets", buckets(&counts));
    assert_eq!(counts.subjects(), 0);
    assert!(kept < MIB, "{kept} bytes are kept, {most} were out at most");
}

/// What stays is 16 bytes a bucket, and of those there are at most twice as
/// many as there ever were subjects at once, rounded up to a power of two.
#[test]
fn a_million_subjects_at_once_leave_nothing_but_their_buckets() {
    const SUBJECTS: u64 = 1_000_000;
    let _alone = alone();
    let start = live_bytes();
    let counts: SubjectCounts<u64> = SubjectCounts::new();
    let held: Vec<_> = (0..SUBJECTS).map(|n| counts.try_acquire(&n, ONE).unwrap()).collect();
    let full = live_bytes() - start - held.capacity() * size_of_val(&held[0]);
    let buckets = buckets(&counts);
    drop(held);
    collect(&counts);
    let kept = live_bytes().saturating_sub(start);
    println!("{kept} bytes kept of {full}, {buckets} buckets");
    assert!(buckets <= 2 * (SUBJECTS as usize).next_power_of_two(), "{buckets} buckets");
    assert!(kept <= 16 * buckets + MIB, "{kept} bytes are kept for {buckets} buckets");
    drop(counts);
    let kept = live_bytes().saturating_sub(start);
    assert!(kept < MIB, "{kept} bytes outlive the map");
}

/// How many `Counted` there are, for each test that has them.
static SUBJECTS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// A subject that is known to be alive, with memory of its own.
#[derive(Hash, PartialEq, Eq)]
struct Counted<const TEST: usize>(Box<u64>);

impl<const TEST: usize> Counted<TEST> {
    fn new(number: u64) -> Self {
        SUBJECTS[TEST].fetch_add(1, Relaxed);
        Self(Box::new(number))
    }

    fn alive() -> usize {
        SUBJECTS[TEST].load(Relaxed)
    }
}

impl<const TEST: usize> Clone for Counted<TEST> {
    fn clone(&self) -> Self {
        Self::new(*self.0)
    }
}

impl<const TEST: usize> Drop for Counted<TEST> {
    fn drop(&mut self) {
        SUBJECTS[TEST].fetch_sub(1, Relaxed);
    }
}

/// The last subjects that a thread took out wait with it until they are so
/// many, or it ends.
const KEPT_BY_A_THREAD: usize = 64;

#[test]
fn subjects_are_dropped_and_not_kept_for_later() {
    type Subject = Counted<0>;
    let _alone = alone();
    let counts: SubjectCounts<Subject> = SubjectCounts::new();
    let pass = |first: u64| {
        for number in first..first + 200_000 {
            let subject = Subject::new(number);
            let permit = counts.try_acquire(&subject, ONE).unwrap();
            assert!(counts.try_acquire(&subject, ONE).is_err());
            drop(permit);
        }
    };
    on_threads(|thread| pass(thread as u64 * 1_000_000));
    collect(&SubjectCounts::new());
    assert_eq!(Subject::alive(), 0, "of threads that have ended");
    for round in 0..3 {
        pass(round * 1_000_000);
        collect(&SubjectCounts::new());
        let kept = Subject::alive();
        println!("{kept} subjects are kept by a thread that lives");
        assert!(kept <= KEPT_BY_A_THREAD, "{kept} after round {round}");
    }
}

#[test]
fn subjects_that_are_held_for_ever_go_with_the_map() {
    type Subject = Counted<1>;
    let _alone = alone();
    let counts: SubjectCounts<Subject> = SubjectCounts::new();
    for number in 0..5000 {
        counts.try_acquire(&Subject::new(number), ONE).unwrap().forget();
    }
    assert_eq!(Subject::alive(), 5000);
    drop(counts);
    assert_eq!(Subject::alive(), 0);
}
