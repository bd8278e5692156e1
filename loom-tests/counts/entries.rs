//! Interleavings of entries that come, die and come back: one subject's own, and
//! those of neighbours in one list.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::bench::{A, A2, B, C, Ghost, Held, Subject, acquire, assert_empty, counts, with};
use crate::support::{model, race, thread};

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
