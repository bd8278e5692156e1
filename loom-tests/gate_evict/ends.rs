//! Interleavings of evictions in which somebody goes: the owner of a session whose record
//! an evictor has, the last handle of a gate where ends wait to be reported, a busy
//! session's last activity while a search passes it. Nothing leaks, and nobody is forgotten.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::bench::{FLOOR, IDLE, Outcome, SetClock, TICK, Thread, of, thread};
use crate::product::{CapacityPolicy, CloseReason, Gate, GateBuilder, Limit, Session};
use crate::support::{model, model_with, race};

/// Counts those that are there. The drop of a bad one panics.
struct Tag {
    number: u32,
    is_bad: bool,
    live: Arc<AtomicU32>,
}

impl Clone for Tag {
    fn clone(&self) -> Self {
        self.live.fetch_add(1, Relaxed);
        Self { number: self.number, is_bad: false, live: Arc::clone(&self.live) }
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Relaxed);
        if self.is_bad && !std::thread::panicking() {
            // Without the hook, which would print in each execution.
            resume_unwind(Box::new("the tag's drop panics"));
        }
    }
}

type TestGate = Gate<u32, Tag, SetClock>;
type TestSession = Session<u32, Tag, SetClock>;

/// Whoever was active before may go by now.
const LATER: u64 = 3;
const OLDEST: CapacityPolicy = CapacityPolicy::EvictOldest;
const LEAST_RECENTLY_ACTIVE: CapacityPolicy = CapacityPolicy::EvictIdle { floor: FLOOR };

struct Bench {
    gate: TestGate,
    clock: SetClock,
    live: Arc<AtomicU32>,
}

impl Bench {
    fn new(limit: u32, policy: CapacityPolicy) -> Self {
        Self::built(limit, policy, |builder| builder)
    }

    fn built(
        limit: u32,
        policy: CapacityPolicy,
        more: impl FnOnce(GateBuilder<u32, Tag, SetClock>) -> GateBuilder<u32, Tag, SetClock>,
    ) -> Self {
        let clock = SetClock::default();
        let builder = Gate::builder()
            .limit(Limit::at_most(limit))
            .no_init_timeout()
            .may_lock_out_for_ever()
            .idle_timeout(IDLE as u32 * TICK)
            .at_capacity(policy)
            .clock(clock.clone());
        let gate = more(builder).build().expect("a good configuration");
        Self { gate, clock, live: Arc::default() }
    }

    fn tag(&self, number: u32) -> Tag {
        self.live.fetch_add(1, Relaxed);
        Tag { number, is_bad: false, live: Arc::clone(&self.live) }
    }

    fn bad_tag(&self, number: u32) -> Tag {
        let mut tag = self.tag(number);
        tag.is_bad = true;
        tag
    }

    fn admit(&self, number: u32) -> TestSession {
        self.gate.admit_anonymous(self.tag(number)).expect("there is room")
    }

    /// The last handle of the gate goes: nothing of it is left but what others have. (That
    /// nothing else is, loom sees by its counts of references.)
    fn close(self) -> Arc<AtomicU32> {
        self.live
    }
}

/// A newcomer that keeps its reservation to the end.
fn coming(bench: &Bench, number: u32) -> (Thread, Outcome<bool>) {
    let (gate, tag) = (bench.gate.clone(), bench.tag(number));
    thread(move || gate.reserve_anonymous(tag).is_ok())
}

/// ... by which somebody is told who lets go of it.
#[test]
fn a_search_that_passes_a_busy_session_and_its_leave_do_not_miss_each_other() {
    for policy in [OLDEST, LEAST_RECENTLY_ACTIVE] {
        model(move || {
            let bench = Bench::new(1, policy);
            let session = bench.admit(7);
            let activity = session.enter().unwrap();
            bench.clock.0.store(LATER, Relaxed);
            let gate = bench.gate.clone();
            race([Box::new(move || _ = gate.finds_victim()), Box::new(move || drop(activity))]);
            bench.clock.0.store(2 * LATER, Relaxed);
            assert!(bench.gate.finds_victim(), "nothing is in flight in it");
            drop(session);
        });
    }
}

/// The same of a session that begins, whose lifetime is set in the step that lets go of it.
#[test]
fn a_search_that_passes_a_reservation_and_its_commit_do_not_miss_each_other() {
    model(|| {
        let bench = Bench::built(2, OLDEST, |gate| gate.max_lifetime(6 * TICK));
        let (gate, tag) = (bench.gate.clone(), bench.tag(7));
        let (come, session) = thread(move || gate.admit_anonymous(tag).expect("there is room"));
        let gate = bench.gate.clone();
        race([come, Box::new(move || _ = gate.finds_victim())]);
        assert!(bench.gate.finds_victim(), "nothing is in flight in it");
        drop(of(&session));
    });
}

/// A touch spoils an evictor's claim, and a search meets the claim before: whoever has
/// made it tells that the session may go.
#[test]
fn a_session_whose_claim_is_lost_is_found_again() {
    model(|| {
        let bench = Bench::new(1, OLDEST);
        let session = bench.admit(7);
        let (come, came) = coming(&bench, 8);
        let (gate, clock, handle) = (bench.gate.clone(), bench.clock.clone(), session.handle());
        race([
            come,
            Box::new(move || {
                clock.0.store(1, Relaxed);
                _ = handle.touch();
                gate.finds_victim();
            }),
        ]);
        assert!(of(&came), "nothing was in flight in the session");
        assert_eq!(session.reason(), Some(CloseReason::Evicted));
    });
}

/// An evictor has seen the oldest, whose owner leaves; its timer's node becomes that of
/// the youngest, which looks the same. There is an older one all the time.
#[test]
fn the_youngest_is_not_evicted_for_the_place_of_the_oldest() {
    model_with(1, || {
        let bench = Bench::new(2, OLDEST);
        let (oldest, older) = (bench.admit(7), bench.admit(8));
        let (come, came) = coming(&bench, 10);
        let (gate, tag) = (bench.gate.clone(), bench.tag(9));
        let (replace, youngest) = thread(move || {
            drop(oldest);
            gate.admit_anonymous(tag).expect("the older one may go")
        });
        race([come, replace]);
        assert!(of(&came));
        assert_eq!(of(&youngest).reason(), None, "{:?} for the older one", older.reason());
    });
}

/// Nobody drives: what the evictor has handed on goes with the owner or with the gate.
#[test]
fn nothing_is_left_of_an_evicted_session_that_nobody_was_told_of() {
    model(|| {
        let bench = Bench::new(1, OLDEST);
        let session = bench.admit(7);
        let (come, _came) = coming(&bench, 8);
        race([come, Box::new(move || drop(session))]);
        assert_eq!(bench.gate.in_use(), 0);
        assert_eq!(bench.close().load(Relaxed), 0, "tags");
    });
}

/// The owner leaves while an evictor takes the timer's payload out of its node, which
/// another session's timer would have next.
#[test]
fn an_owner_that_leaves_does_not_free_the_node_that_an_evictor_empties() {
    model(|| {
        let bench = Bench::new(1, OLDEST);
        let session = bench.admit(7);
        let (evictor, gate, tag) = (bench.gate.clone(), bench.gate.clone(), bench.tag(9));
        race([
            Box::new(move || _ = evictor.makes_room()),
            Box::new(move || {
                drop(session);
                drop(gate.reserve_anonymous(tag));
            }),
        ]);
        assert_eq!(bench.gate.in_use(), 0);
        assert_eq!(bench.close().load(Relaxed), 0, "tags");
    });
}

/// What a call has ended and reported, and an evictor was about to, waits for no driver.
#[test]
fn no_driver_is_called_for_an_end_that_a_call_has_reported() {
    model(|| {
        let bench = Bench::new(1, OLDEST);
        let (session, gate) = (bench.admit(7), bench.gate.clone());
        let handle = session.handle();
        let (close, closed) = thread(move || handle.close(CloseReason::Closed).is_ok());
        race([Box::new(move || _ = gate.makes_room()), close]);
        let is_reported = of(&closed);
        assert_ne!(bench.gate.next_deadline() == Some(0), is_reported);
    });
}

/// The last handle of the gate is the evictor's, and the session outlives it or not.
#[test]
fn the_last_handle_of_a_gate_may_go_while_an_end_waits_to_be_reported() {
    model(|| {
        let bench = Bench::new(1, OLDEST);
        let (session, tag) = (bench.admit(7), bench.tag(8));
        let Bench { gate, live, .. } = bench;
        race([
            Box::new(move || {
                let newcomer = gate.reserve_anonymous(tag);
                drop(gate);
                drop(newcomer);
            }),
            Box::new(move || drop(session)),
        ]);
        assert_eq!(live.load(Relaxed), 0, "tags");
    });
}

/// An owner that leaves takes out of the list what nobody wants, and has in hand what
/// others want, while the last handle of the gate goes.
#[test]
fn nothing_is_put_back_into_the_list_of_a_gate_that_is_gone() {
    model(|| {
        let bench = Bench::new(2, OLDEST);
        let evicted = [bench.admit(6), bench.admit(7)];
        let newcomers = [8, 9].map(|tag| bench.gate.reserve_anonymous(bench.tag(tag)).unwrap());
        let [stays, leaves] = evicted;
        let Bench { gate, live, .. } = bench;
        race([Box::new(move || drop(gate)), Box::new(move || drop(leaves))]);
        drop(newcomers);
        drop(stays);
        assert_eq!(live.load(Relaxed), 0, "tags");
    });
}

/// The timer has fired, and the driver that has its payload lets go of it, while the owner
/// leaves: the handle that stays has a timer to ask.
#[test]
fn a_handle_has_a_timer_to_ask_whoever_leaves() {
    model(|| {
        let bench = Bench::new(1, CapacityPolicy::Reject);
        let session = bench.admit(7);
        let handle = session.handle();
        let (gate, asking) = (bench.gate.clone(), handle.clone());
        race([
            Box::new(move || {
                gate.advance(IDLE, drop);
                asking.touch().expect_err("it has ended");
            }),
            Box::new(move || drop(session)),
        ]);
        let reason = handle.reason().expect("it has ended");
        let refused = handle.into_activity().map(drop).expect_err("it has ended");
        assert_eq!(refused.reason(), Some(reason));
        assert_eq!(bench.close().load(Relaxed), 0, "tags");
    });
}

/// A call ends the session in the evictor's name and its owner leaves, so that the evictor
/// has the last reference while nobody owns the slot yet: the tag's drop does not lose it.
#[test]
fn a_slot_that_passes_outlives_a_panic_where_a_call_ended_the_session() {
    model(|| {
        let bench = Bench::new(1, OLDEST);
        let session = bench.gate.admit_anonymous(bench.bad_tag(7)).expect("there is room");
        let (gate, tag) = (bench.gate.clone(), bench.tag(8));
        race([
            Box::new(move || {
                let come = || drop(gate.reserve_anonymous(tag));
                _ = catch_unwind(AssertUnwindSafe(come));
            }),
            Box::new(move || {
                let leave = || {
                    _ = session.touch();
                    drop(session);
                };
                _ = catch_unwind(AssertUnwindSafe(leave));
            }),
        ]);
        assert_eq!(bench.gate.in_use(), 0);
        // It may be the last to have the tag.
        _ = catch_unwind(AssertUnwindSafe(|| drop(bench)));
    });
}
