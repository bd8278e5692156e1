//! A lookup and an acquire from the place that it found, while others come and go
//! there: what an admission of the gate does with the map.

use std::sync::Arc;

use crate::counts::{A, A2, B, C, Counts, D, Ghost, Held, Subject, acquire, assert_empty};
use crate::counts::{counts, with};
use crate::product::Limit;
use crate::support::{model, race};

/// Refused by the lookup, or by the acquire, or granted.
pub fn look_then_acquire(counts: &Arc<Counts>, subject: Subject, limit: u32) -> Option<Held> {
    counts.look_then_acquire(&subject, Limit::at_most(limit))
}

/// `change` happens to a map in which `held` are, while `subject`, for which there
/// is room, is looked up and acquired. Then so many permits of it are there, and
/// so many entries.
fn room_while(
    held: &'static [Subject],
    change: impl Fn(&Arc<Counts>, Vec<Held>) + Copy + Send + Sync + 'static,
    subject: Subject,
    (permits, nodes): (u32, usize),
) {
    model(move || {
        let counts = counts();
        let mut held: Vec<_> =
            held.iter().map(|&held| acquire(&counts, held, 3).unwrap()).collect();
        race([
            with(&counts, move |counts| change(counts, std::mem::take(&mut held))),
            with(&counts, move |counts| {
                look_then_acquire(counts, subject, 3).expect("there is room").forget();
                assert!(counts.count(&subject) >= 1);
            }),
        ]);
        assert_eq!((counts.count(&subject), counts.nodes()), (permits, nodes));
    });
}

#[test]
fn the_entry_that_was_found_dies() {
    room_while(&[A], |_, held| drop(held), A, (1, 1));
}

#[test]
fn the_entry_that_was_found_dies_and_comes_back() {
    let change = |counts: &Arc<Counts>, held| {
        drop(held);
        acquire(counts, A, 3).unwrap().forget();
    };
    room_while(&[A], change, A, (2, 1));
}

#[test]
fn the_subject_comes_into_the_gap_that_was_found() {
    room_while(&[], |counts, _| acquire(counts, A, 3).unwrap().forget(), A, (2, 1));
}

/// Behind another of its hash, where all of that hash come in.
#[test]
fn the_subject_comes_to_the_end_of_the_run_that_was_looked_at() {
    room_while(
        &[A2],
        |counts, held| {
            held.into_iter().for_each(Held::forget);
            acquire(counts, A, 3).unwrap().forget();
        },
        A,
        (2, 2),
    );
}

#[test]
fn the_subject_comes_into_the_gap_and_leaves() {
    room_while(&[], |counts, _| drop(acquire(counts, A, 3)), A, (1, 1));
}

#[test]
fn another_comes_into_the_gap() {
    room_while(&[], |counts, _| acquire(counts, A2, 3).unwrap().forget(), A, (1, 2));
}

#[test]
fn the_entry_before_the_gap_dies() {
    room_while(&[A], |_, held| drop(held), B, (1, 1));
}

#[test]
fn the_entry_behind_the_gap_dies() {
    room_while(&[B], |_, held| drop(held), A, (1, 1));
}

#[test]
fn a_bucket_is_linked_in_the_gap() {
    room_while(&[], |counts, _| assert_eq!(counts.count(&C), 0), D, (1, 1));
}

#[test]
fn the_map_grows_around_the_gap() {
    room_while(&[], |counts, _| counts.grow(), D, (1, 1));
}

/// Who is at its limit throughout is refused, whoever dies before it.
#[test]
fn a_lookup_finds_the_entry_behind_one_that_dies() {
    model(|| {
        let counts = counts();
        let mut dying = acquire(&counts, A2, 1);
        acquire(&counts, A, 1).unwrap().forget();
        race([
            with(&counts, move |_| drop(dying.take())),
            with(&counts, |counts| assert!(look_then_acquire(counts, A, 1).is_none())),
        ]);
        assert_eq!((counts.count(&A), counts.nodes()), (1, 1));
    });
}

/// Each looks and acquires under a limit of one; one of them drops, before that,
/// a permit that was there.
fn lookups_under_a_limit_of_one<const THREADS: usize>(before: bool) {
    model(move || {
        let (counts, ghost) = (counts(), Arc::new(Ghost::default()));
        let mut held = before.then(|| acquire(&counts, A, 1).unwrap());
        race([(); THREADS].map(|()| {
            let (ghost, mut held) = (Arc::clone(&ghost), held.take());
            with(&counts, move |counts| {
                drop(held.take());
                ghost.hold_and_drop(look_then_acquire(counts, A, 1), 1);
            })
        }));
        assert_empty(&counts);
    });
}

#[test]
fn two_lookups_under_a_limit_of_one() {
    lookups_under_a_limit_of_one::<2>(false);
}

#[test]
fn two_lookups_as_the_last_permit_goes() {
    lookups_under_a_limit_of_one::<2>(true);
}
