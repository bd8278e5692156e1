//! Interleavings of the gate: of one or two sessions, on a clock that stands
//! still, so that only drivers know that time passes.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::cell::UnsafeCell;

use crate::product::{
    Activity, Cause, Clock, CloseReason, Gate, GateBuilder, Limit, Reservation, Session,
    SessionHandle,
};
use crate::support::{Shared, model, race};

/// It is always 0 for who asks; drivers are told.
pub struct StandsStill;

impl Clock for StandsStill {
    fn now(&self) -> u64 {
        0
    }
}

type TestGate = Gate<u32, u32, StandsStill>;
type Handle = SessionHandle<u32, StandsStill>;
type Work = Activity<u32, StandsStill>;
type Thread = Box<dyn FnOnce() + Send>;

/// Idle after two ticks; at four, whatever was going on at 0 is long over.
const IDLE: u64 = 2;
const LATE: u64 = 4;
const TICK: Duration = Duration::from_millis(1);

fn builder(limit: u32) -> GateBuilder<u32, u32, StandsStill> {
    Gate::builder()
        .limit(Limit::at_most(limit))
        .no_init_timeout()
        .may_lock_out_for_ever()
        .idle_timeout(2 * TICK)
        .clock(StandsStill)
}

/// A gate and what its drivers were told.
#[derive(Clone)]
struct Bench {
    gate: TestGate,
    told: Arc<Mutex<Vec<(u32, CloseReason)>>>,
}

impl Bench {
    fn new(builder: GateBuilder<u32, u32, StandsStill>) -> Self {
        Self { gate: builder.build().expect("a good configuration"), told: Arc::default() }
    }

    fn admit(&self, tag: u32) -> Session<u32, u32, StandsStill> {
        self.gate.admit_anonymous(tag).expect("there is room")
    }

    fn reserve(&self, tag: u32) -> Reservation<u32, u32, StandsStill> {
        self.gate.reserve_anonymous(tag).expect("there is room")
    }

    fn advance(&self, now: u64) {
        self.gate.advance(now, |ended| {
            self.told.lock().unwrap().push((ended.tag, ended.reason));
        });
    }

    fn driver(&self, now: u64) -> Thread {
        let bench = self.clone();
        Box::new(move || bench.advance(now))
    }

    fn told(&self) -> Vec<(u32, CloseReason)> {
        self.told.lock().unwrap().clone()
    }

    /// Fails unless nothing is held and every session that was admitted has
    /// ended, for one reason each.
    #[track_caller]
    fn assert_at_rest(&self) {
        let stats = self.gate.stats();
        let ended: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
        assert_eq!((stats.in_use, stats.draining), (0, 0), "slots in use, sessions draining");
        assert_eq!(ended, stats.admitted, "ends for as many sessions");
        assert_eq!(self.gate.subjects(), 0);
    }
}

/// What a thread leaves for the check after the race.
type Outcome<R> = Arc<Mutex<Option<R>>>;

fn outcome<R>() -> (Outcome<R>, Outcome<R>) {
    let outcome = Arc::new(Mutex::new(None));
    (Arc::clone(&outcome), outcome)
}

fn entering(handle: Handle) -> (Thread, Outcome<Result<Work, CloseReason>>) {
    let (set, entered) = outcome();
    let thread = move || {
        let result = handle.into_activity();
        *set.lock().unwrap() = Some(result.map_err(|error| error.reason().expect("closed")));
    };
    (Box::new(thread), entered)
}

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
