//! Interleavings of the directory: buckets that are linked as subjects come and go,
//! and its growth.

use super::bench::{C, D, E, acquire, assert_empty, counts, with};
use crate::support::{model, race};

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
