//! The auditor finds what is wrong.

use std::sync::Arc;

use headcount::ManualClock;

use crate::audit::{crowd, everybody_has_ended, rest};
use crate::room::{LIFE, Owner, Room, Tally, rooms};

fn room() -> (Room, Arc<ManualClock>, Tally) {
    let clock = Arc::new(ManualClock::new());
    let mut rooms = rooms(&clock).unwrap();
    (rooms.remove(0), clock, Tally::default())
}

/// One session on the table, of the gate that refuses.
fn one_session() -> (Room, Arc<ManualClock>, Tally) {
    let (room, clock, mut tally) = room();
    let session = room.gate.admit(Some("amber"), room.card(Some(0))).unwrap();
    tally.admitted += 1;
    assert!(room.put(0, Owner::Session(session)).unwrap().is_none());
    (room, clock, tally)
}

#[test]
fn what_is_right_passes() {
    let (room, clock, mut tally) = one_session();
    crowd(&room, &mut tally).unwrap();
    clock.advance(LIFE);
    everybody_has_ended(&room, &mut tally).unwrap();
    rest(&room, &mut tally).unwrap();
}

#[test]
fn a_slot_that_nobody_holds_is_found() {
    let (room, _clock, mut tally) = one_session();
    std::mem::forget(room.take(0));
    let error = crowd(&room, &mut tally).unwrap_err().to_string();
    assert_eq!(error, "slots in use: the gate says 1, there are 0");
}

#[test]
fn a_session_that_nobody_admitted_is_found() {
    let (room, _clock, mut tally) = one_session();
    tally.admitted -= 1;
    let error = crowd(&room, &mut tally).unwrap_err().to_string();
    assert_eq!(error, "admitted: the gate says 1, there are 0");
}

#[test]
fn an_end_that_nobody_was_told_of_is_found() {
    let (room, clock, mut tally) = one_session();
    clock.advance(LIFE);
    assert_eq!(room.gate.expired().len(), 1);
    let error = crowd(&room, &mut tally).unwrap_err().to_string();
    assert!(error.starts_with("told by a driver and by a close"), "{error}");
}

#[test]
fn a_session_that_outlives_its_time_is_found() {
    let (room, _clock, mut tally) = one_session();
    let error = everybody_has_ended(&room, &mut tally).unwrap_err().to_string();
    assert!(error.starts_with("sessions that outlive their time"), "{error}");
}

#[test]
fn a_tag_that_outlives_its_session_is_found() {
    let (room, _clock, mut tally) = one_session();
    let _tag = room.card(None);
    let error = rest(&room, &mut tally).unwrap_err().to_string();
    assert!(error.starts_with("tags of sessions that are gone"), "{error}");
}

#[test]
fn a_subject_over_its_limit_is_found() {
    let (room, _clock, _tally) = room();
    let open: headcount::Gate<String, _, _> =
        headcount::Gate::builder().clock(Arc::new(ManualClock::new())).build().unwrap();
    let puts = (0..5).map(|place| {
        let session = open.admit_anonymous(room.card(Some(0))).unwrap();
        room.put(place, Owner::Session(session)).map(drop)
    });
    let outcomes: Vec<_> = puts.collect();
    assert!(outcomes[..4].iter().all(Result::is_ok));
    let error = outcomes[4].as_ref().unwrap_err().to_string();
    assert_eq!(error, "5 of a subject are inside");
}
