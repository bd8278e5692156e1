//! Interleavings of admissions under a limit, and of what ends one session with
//! what keeps it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::bench::{Bench, IDLE, LATE, TICK, Thread, builder, entering, outcome};
use crate::product::{Cause, CloseReason, Limit};
use crate::support::{model, race};

/// ... and one of them comes in: neither is refused for the other's attempt.
#[test]
fn two_admissions_never_exceed_the_limit() {
    model(|| {
        let bench = Bench::new(builder(1));
        let admitted = Arc::new(Mutex::new(Vec::new()));
        race([1, 2].map(|tag| -> Thread {
            let (bench, admitted) = (bench.clone(), Arc::clone(&admitted));
            Box::new(move || match bench.gate.reserve_anonymous(tag) {
                Ok(reservation) => admitted.lock().unwrap().push(reservation),
                Err(refused) => assert_eq!(refused.cause(), Cause::AtCapacity),
            })
        }));
        let admitted = std::mem::take(&mut *admitted.lock().unwrap());
        assert_eq!((admitted.len(), bench.gate.in_use()), (1, 1), "the limit is 1");
        drop(admitted);
        bench.assert_at_rest();
    });
}

/// Refused for the limit or not, its place in the rate window is free again.
#[test]
fn who_comes_to_nothing_gives_its_place_in_the_window_back() {
    model(|| {
        let bench = Bench::new(builder(1).rate(1, 4 * TICK));
        let (coming, setting) = (bench.clone(), bench.clone());
        race([
            Box::new(move || drop(coming.gate.reserve_anonymous(1))),
            Box::new(move || _ = setting.gate.set_limit(Limit::at_most(0))),
        ]);
        bench.gate.set_limit(Limit::at_most(2)).unwrap();
        let _session = bench.admit(2);
        let refused = bench.gate.reserve_anonymous(3).unwrap_err();
        assert_eq!(refused.cause(), Cause::RateLimited);
    });
}

#[test]
fn one_subject_never_exceeds_its_own_limit() {
    model(|| {
        let bench = Bench::new(builder(2).subject_limit(Limit::at_most(1)));
        let inside = Arc::new(AtomicU32::new(0));
        race([1, 2].map(|tag| -> Thread {
            let (bench, inside) = (bench.clone(), Arc::clone(&inside));
            Box::new(move || match bench.gate.reserve(Some(&7), tag) {
                Ok(reservation) => {
                    assert_eq!(inside.fetch_add(1, Relaxed), 0, "inside, the limit is 1");
                    assert_eq!(bench.gate.in_use_by(&7), 1);
                    inside.fetch_sub(1, Relaxed);
                    drop(reservation);
                }
                Err(refused) => assert_eq!(refused.cause(), Cause::SubjectAtLimit),
            })
        }));
        bench.assert_at_rest();
    });
}

#[test]
fn enter_or_expire() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        let (enter, entered) = entering(session.handle());
        race([enter, bench.driver(IDLE)]);
        let entered = entered.lock().unwrap().take().unwrap();
        match entered {
            Ok(work) => {
                assert_eq!((bench.told(), session.reason()), (vec![], None));
                bench.advance(LATE);
                assert_eq!(bench.told(), [], "not while it is busy");
                drop(work);
                bench.advance(2 * LATE);
            }
            Err(reason) => assert_eq!(reason, CloseReason::Idle),
        }
        assert_eq!(bench.told(), [(7, CloseReason::Idle)]);
        assert_eq!(bench.gate.stats().draining, 1);
        drop(session);
        bench.assert_at_rest();
    });
}

/// The last activity ends while a driver meets the timer: the session is not
/// forgotten.
#[test]
fn an_activity_that_ends_at_the_expiry_starts_the_idle_time_anew() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        let work = session.enter().unwrap();
        race([Box::new(move || drop(work)), bench.driver(IDLE)]);
        bench.advance(LATE);
        assert_eq!(bench.told(), [(7, CloseReason::Idle)]);
        drop(session);
        bench.assert_at_rest();
    });
}

/// A close, a timeout and the owner's drop: one of them is the reason, the slot
/// is freed once, and at most one party tells.
#[test]
fn of_three_that_end_a_session_one_gives_the_reason() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        let (handle, closer) = (session.handle(), session.handle());
        let (set, closed) = outcome();
        race([
            Box::new(move || drop(session)),
            Box::new(move || {
                let closed = closer.close(CloseReason::Closed);
                let late = closer.into_activity().map(|_| ()).expect_err("it has ended");
                let reason = closed.map_or_else(|before| before.reason, |()| CloseReason::Closed);
                assert_eq!(late.reason(), Some(reason), "told twice, differently");
                *set.lock().unwrap() = Some(closed);
            }),
            bench.driver(IDLE),
        ]);
        let reason = handle.reason().expect("it has ended");
        let closed = closed.lock().unwrap().take().unwrap();
        assert_eq!(closed.is_ok(), reason == CloseReason::Closed);
        assert_eq!(closed.err().map_or(reason, |before| before.reason), reason);
        match &bench.told()[..] {
            [] => {}
            told => assert_eq!((told, reason), (&[(7, reason)][..], CloseReason::Idle)),
        }
        assert_eq!(bench.gate.stats().ended(reason), 1);
        bench.assert_at_rest();
    });
}

/// The owner lives on: then who is told is told surely.
#[test]
fn a_session_that_a_driver_ends_is_told_of_once() {
    model(|| {
        let bench = Bench::new(builder(1).max_lifetime(2 * TICK));
        let session = bench.admit(7);
        let (enter, entered) = entering(session.handle());
        race([enter, bench.driver(IDLE)]);
        let reason = session.reason().expect("its lifetime is over");
        assert_eq!(bench.told(), [(7, reason)]);
        match entered.lock().unwrap().take().unwrap() {
            Ok(_work) => assert_eq!(reason, CloseReason::MaxLifetime, "it was busy"),
            Err(learned) => assert_eq!(learned, reason),
        }
        drop(session);
        bench.assert_at_rest();
    });
}

#[test]
fn two_drivers_tell_of_a_session_once() {
    model(|| {
        let bench = Bench::new(builder(1));
        let session = bench.admit(7);
        race([bench.driver(IDLE), bench.driver(IDLE)]);
        assert_eq!(bench.told(), [(7, CloseReason::Idle)]);
        drop(session);
        bench.assert_at_rest();
    });
}

#[test]
fn establish_or_init_timeout() {
    model(|| {
        let bench = Bench::new(builder(1).init_timeout(TICK));
        let session = bench.reserve(7).commit().unwrap();
        let handle = session.handle();
        let (set, established) = outcome();
        race([Box::new(move || *set.lock().unwrap() = Some(handle.establish())), bench.driver(1)]);
        match established.lock().unwrap().take().unwrap() {
            Ok(()) => {
                assert_eq!((bench.told(), session.reason()), (vec![], None));
                bench.advance(IDLE);
                assert_eq!(bench.told(), [(7, CloseReason::Idle)]);
            }
            Err(closed) => {
                assert_eq!(closed.reason, CloseReason::InitTimeout);
                assert_eq!(bench.told(), [(7, CloseReason::InitTimeout)]);
            }
        }
        drop(session);
        bench.assert_at_rest();
    });
}
