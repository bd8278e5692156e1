//! Interleavings of the gate's close with who comes and who is inside; and what was
//! written before an end is seen by who learns of it.

use loom::cell::UnsafeCell;

use super::bench::{Bench, IDLE, Thread, builder, entering, outcome};
use crate::product::{Cause, CloseReason};
use crate::support::{Shared, model, race};

#[test]
fn a_reservation_is_committed_and_told_of_or_neither() {
    model(|| {
        let bench = Bench::new(builder(1));
        let reservation = bench.reserve(7);
        let closing = bench.clone();
        let (set, committed) = outcome();
        race([
            Box::new(move || *set.lock().unwrap() = Some(reservation.commit())),
            Box::new(move || {
                closing.gate.close_all(CloseReason::Shutdown);
                closing.advance(0);
            }),
        ]);
        let committed = committed.lock().unwrap().take().unwrap();
        bench.advance(0);
        match committed {
            Ok(session) => {
                assert_eq!(session.reason(), Some(CloseReason::Shutdown));
                assert_eq!(bench.told(), [(7, CloseReason::Shutdown)]);
            }
            Err(refused) => {
                assert_eq!(refused.cause(), Cause::ShutDown);
                assert_eq!(bench.told(), []);
            }
        }
        bench.assert_at_rest();
    });
}

/// An admission that overlaps the close: the next advance ends its session.
#[test]
fn nobody_who_comes_as_the_gate_closes_is_left_inside() {
    model(|| {
        let bench = Bench::new(builder(1));
        let (coming, closing) = (bench.clone(), bench.clone());
        let (set, admitted) = outcome();
        race([
            Box::new(move || *set.lock().unwrap() = Some(coming.gate.admit_anonymous(7))),
            Box::new(move || {
                closing.gate.close_all(CloseReason::Shutdown);
                closing.advance(0);
            }),
        ]);
        let admitted = admitted.lock().unwrap().take().unwrap();
        bench.advance(0);
        assert_eq!(bench.gate.next_deadline(), None);
        match admitted {
            Ok(session) => {
                assert_eq!(session.reason(), Some(CloseReason::Shutdown));
                assert_eq!(bench.told(), [(7, CloseReason::Shutdown)]);
            }
            Err(refused) => assert_eq!(refused.cause(), Cause::ShutDown),
        }
        bench.assert_at_rest();
    });
}

#[test]
fn who_enters_as_the_gate_closes_is_told_the_reason_that_drivers_tell() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        let (enter, entered) = entering(session.handle());
        let closing = bench.clone();
        race([
            enter,
            Box::new(move || closing.gate.close_all(CloseReason::Shutdown)),
            bench.driver(IDLE),
        ]);
        let entered = entered.lock().unwrap().take().unwrap();
        bench.advance(IDLE);
        let reason = session.reason().expect("the gate was closed");
        assert_eq!(bench.told(), [(7, reason)]);
        if let Err(learned) = entered {
            assert_eq!(learned, reason);
        }
        drop(session);
        bench.assert_at_rest();
    });
}

/// Plain memory that is written before an end and read by who learns of it.
struct Why(UnsafeCell<u32>);

// SAFETY: the phase orders the accesses; loom checks each and fails on a race.
unsafe impl Sync for Why {}

#[test]
fn who_learns_of_an_end_sees_what_led_to_it() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        let why = Shared::new(Why(UnsafeCell::new(0)));
        let (closer, reader) = (session.handle(), session.handle());
        let (writes, reads) = (Shared::clone(&why), Shared::clone(&why));
        race([
            Box::new(move || {
                // SAFETY: nobody reads before the session has ended.
                writes.0.with_mut(|why| unsafe { *why = 1 });
                closer.close(CloseReason::Closed).unwrap();
            }),
            Box::new(move || {
                if reader.reason().is_some() {
                    // SAFETY: nobody writes after the session has ended.
                    assert_eq!(reads.0.with(|why| unsafe { *why }), 1);
                }
            }),
        ]);
        drop(session);
        bench.assert_at_rest();
    });
}

/// Writes, then closes the gate.
fn closer_of(bench: &Bench, why: &Shared<Why>) -> Thread {
    let (bench, why) = (bench.clone(), Shared::clone(why));
    Box::new(move || {
        // SAFETY: nobody reads before the gate is closed.
        why.0.with_mut(|why| unsafe { *why = 1 });
        bench.gate.close_all(CloseReason::Shutdown);
    })
}

#[test]
fn a_driver_sees_what_led_to_the_close_that_it_tells_of() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        let why = Shared::new(Why(UnsafeCell::new(0)));
        let (gate, reads) = (bench.gate.clone(), Shared::clone(&why));
        race([
            closer_of(&bench, &why),
            Box::new(move || {
                gate.advance(0, |ended| {
                    assert_eq!(ended.reason, CloseReason::Shutdown);
                    // SAFETY: nobody writes after the gate was closed.
                    assert_eq!(reads.0.with(|why| unsafe { *why }), 1);
                });
            }),
        ]);
        drop(session);
    });
}

#[test]
fn a_newcomer_sees_what_led_to_the_close_that_refuses_it() {
    model(|| {
        let bench = Bench::new(builder(1));
        let why = Shared::new(Why(UnsafeCell::new(0)));
        let (gate, reads) = (bench.gate.clone(), Shared::clone(&why));
        race([
            closer_of(&bench, &why),
            Box::new(move || {
                if let Err(refused) = gate.admit_anonymous(7) {
                    assert_eq!(refused.cause(), Cause::ShutDown);
                    // SAFETY: nobody writes after the gate was closed.
                    assert_eq!(reads.0.with(|why| unsafe { *why }), 1);
                }
            }),
        ]);
    });
}
