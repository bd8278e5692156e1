#![cfg(not(feature = "loom"))]
//! Limits by subject, changed while others read them and acquire under them.

use std::sync::atomic::{AtomicBool, Ordering::*};

use headcount::{Limit, Overrides, SubjectCounts};

/// Sets the flag however its scope ends, so that nobody waits for a test that
/// has failed.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// Runs `change` until three threads have each had `turns` of `read`.
fn while_changing(turns: usize, change: impl Fn(u32) + Sync, read: impl Fn() + Sync) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let change = &change;
        let (read, ended) = (&read, &done);
        scope.spawn(move || {
            let mut turn = 0;
            while !ended.load(Acquire) {
                change(turn);
                turn += 1;
            }
        });
        let _done = SetOnDrop(&done);
        let readers = [(); 3].map(|()| scope.spawn(move || (0..turns).for_each(|_| read())));
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// Its limit changes all the time, and others come and go around it, so that
/// the index moves its entry about.
#[test]
fn an_exception_never_gets_the_default() {
    let limits: Overrides<u64> = Overrides::new(Limit::at_most(1));
    limits.set(7, Limit::at_most(5));
    while_changing(
        100_000,
        |turn| {
            limits.set(7, Limit::at_most(5 + turn % 2 * 2));
            let other = u64::from(turn % 4000) + 100;
            match turn / 4000 % 2 {
                0 => _ = limits.set(other, Limit::at_most(9)),
                _ => _ = limits.remove(&other),
            }
            limits.set_default(Limit::at_most(turn % 3));
        },
        || {
            let limit = limits.limit_of(&7);
            assert!([5, 7].map(Limit::at_most).contains(&limit), "{limit}");
            let nobody = limits.limit_of(&8);
            assert!(nobody < Limit::at_most(3), "{nobody} for who is no exception");
        },
    );
}

#[test]
fn limits_that_move_never_admit_over_the_largest_and_drift_nothing() {
    const MOST: u32 = 3;
    let limits: Overrides<String> = Overrides::new(Limit::at_most(MOST));
    let jobs: SubjectCounts<String> = SubjectCounts::new();
    while_changing(
        100_000,
        |turn| match turn % 4 {
            0 => _ = limits.set_default(Limit::at_most(turn / 4 % (MOST + 1))),
            1 => _ = limits.set("alice".to_owned(), Limit::at_most(turn / 4 % (MOST + 1))),
            2 => _ = limits.remove("alice"),
            _ => _ = limits.set("exempt".to_owned(), Limit::UNLIMITED),
        },
        || {
            for subject in ["alice", "bob"] {
                let held = [(); 2].map(|()| jobs.try_acquire(subject, limits.limit_of(subject)));
                let count = jobs.count(subject);
                assert!(count <= MOST, "{subject} holds {count}");
                let own = held.iter().flatten().count() as u32;
                assert!(count >= own, "{count} are counted of {own}");
            }
        },
    );
    assert_eq!(jobs.subjects(), 0);
    limits.set_default(Limit::at_most(1));
    limits.remove("alice");
    assert_eq!(limits.limit_of("exempt"), Limit::UNLIMITED);
    for subject in ["alice", "bob"] {
        let _one = jobs.try_acquire(subject, limits.limit_of(subject)).unwrap();
        assert!(jobs.try_acquire(subject, limits.limit_of(subject)).is_err());
    }
}

/// A limit is lowered under those that are in, and raised by a thousand.
#[test]
fn a_lowered_limit_revokes_nothing_and_a_raised_one_admits_at_once() {
    let limits: Overrides<u64> = Overrides::new(Limit::at_most(10));
    let jobs: SubjectCounts<u64> = SubjectCounts::new();
    let try_one = || jobs.try_acquire(&7, limits.limit_of(&7));
    let mut held: Vec<_> = (0..10).map(|_| try_one().unwrap()).collect();
    limits.set(7, Limit::at_most(4));
    while held.len() > 4 {
        assert!(try_one().is_err());
        held.pop();
    }
    assert!(try_one().is_err());
    held.pop();
    held.push(try_one().unwrap());
    limits.set(7, Limit::at_most(10_000));
    held.extend((4..10_000).map(|_| try_one().unwrap()));
    assert!(try_one().is_err());
    limits.set(7, Limit::UNLIMITED);
    held.push(try_one().unwrap());
    assert_eq!(jobs.count(&7), 10_001);
}
