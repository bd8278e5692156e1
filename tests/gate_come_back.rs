#![cfg(not(feature = "loom"))]
//! When a newcomer that finds the gate full is told to come back: never after the
//! first end by a timeout, and never by a timer that ends no session any more.

use std::sync::Arc;
use std::time::Duration;

use headcount::{
    Activity, CapacityPolicy, Cause, Clock, CloseReason, Gate, GateBuilder, Limit, ManualClock,
    Session, SessionHandle,
};
use proptest::prelude::*;

type Builder = GateBuilder<String, u32>;
type TestGate = Gate<String, u32, Arc<ManualClock>>;
type TestSession = Session<String, u32, Arc<ManualClock>>;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const IDLE: u64 = 300;
const INIT: u64 = 30;

fn ticks(ticks: u64) -> Duration {
    MS * u32::try_from(ticks).unwrap()
}

/// Nobody drives it.
fn gate(limit: u32, edit: impl FnOnce(Builder) -> Builder) -> (TestGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::builder().limit(Limit::at_most(limit)).may_lock_out_for_ever();
    let builder = edit(builder.init_timeout(ticks(INIT)).idle_timeout(ticks(IDLE)));
    (builder.clock(Arc::clone(&clock)).build().unwrap(), clock)
}

/// What the next newcomer is told, who finds the gate full.
#[track_caller]
fn told(gate: &TestGate) -> Option<Duration> {
    let refused = gate.admit_anonymous(0).expect_err("the gate is full");
    assert_eq!(refused.cause(), Cause::AtCapacity);
    refused.retry_after()
}

#[track_caller]
fn assert_told(gate: &TestGate, after: u64) {
    assert_eq!(told(gate), Some(ticks(after)));
}

fn pending(gate: &TestGate, tag: u32) -> TestSession {
    gate.reserve_anonymous(tag).unwrap().commit().unwrap()
}

#[test]
fn an_init_timeout_counts_until_the_session_is_established() {
    let (gate, clock) = gate(1, |gate| gate);
    let session = pending(&gate, 1);
    assert_told(&gate, INIT);
    clock.set(10);
    assert_told(&gate, INIT - 10);
    session.establish().unwrap();
    assert_told(&gate, IDLE);
    clock.set(INIT + 5);
    assert_told(&gate, IDLE - INIT + 5);
}

#[test]
fn a_session_that_is_established_before_anybody_asks_is_due_by_its_idle_time() {
    let (gate, _clock) = gate(1, |gate| gate.max_lifetime(ticks(IDLE)));
    pending(&gate, 1).establish().unwrap();
    let session = pending(&gate, 1);
    session.establish().unwrap();
    assert_told(&gate, IDLE);
}

#[test]
fn who_is_busy_does_not_count_and_counts_again_from_its_end() {
    let (gate, clock) = gate(2, |gate| gate);
    let first = gate.admit_anonymous(1).unwrap();
    clock.set(50);
    let _second = gate.admit_anonymous(2).unwrap();
    assert_told(&gate, IDLE - 50);
    let request = first.enter().unwrap();
    assert_told(&gate, IDLE);
    clock.set(60);
    assert_told(&gate, IDLE - 10);
    drop(request);
    assert_told(&gate, IDLE - 10);
}

#[test]
fn who_was_touched_makes_the_time_early_by_no_more_than_that() {
    let (gate, clock) = gate(2, |gate| gate);
    let first = gate.admit_anonymous(1).unwrap();
    clock.set(10);
    let _second = gate.admit_anonymous(2).unwrap();
    assert_told(&gate, IDLE - 10);
    clock.set(100);
    first.touch().unwrap();
    // Nobody else is due before the second is at 310.
    let early = told(&gate).unwrap();
    assert!((ticks(IDLE - 100)..=ticks(IDLE - 90)).contains(&early), "{early:?}");
    // The time that was known has passed: the next one is searched for.
    clock.set(IDLE);
    assert_told(&gate, 10);
}

#[test]
fn a_session_that_is_due_and_that_nobody_drives_is_told_as_the_next_tick() {
    let (gate, clock) = gate(1, |gate| gate);
    let _session = gate.admit_anonymous(1).unwrap();
    for now in [IDLE, IDLE + 1, 10 * IDLE] {
        clock.set(now);
        assert_told(&gate, 1);
    }
}

/// Ends a session, and returns what is left of it.
type End = fn(&TestGate, TestSession) -> Box<dyn std::any::Any>;

/// Ended in any way, its owner or a handle still there.
#[test]
fn who_has_ended_does_not_count() {
    let ends: [End; 4] = [
        |_, session| {
            session.close(CloseReason::Closed).unwrap();
            Box::new(session)
        },
        |_, session| {
            let handle = session.handle();
            let busy = session.enter().unwrap();
            session.close(CloseReason::Closed).unwrap();
            drop(busy);
            Box::new((handle, session))
        },
        |gate, session| {
            let handle: SessionHandle<_, _> = session.handle();
            drop(session);
            gate.set_limit(Limit::at_most(1)).unwrap();
            Box::new(handle)
        },
        |gate, session| {
            drop(session);
            gate.set_limit(Limit::at_most(1)).unwrap();
            Box::new(())
        },
    ];
    for is_asked_before in [true, false] {
        for end in ends {
            let (gate, clock) = gate(2, |gate| gate);
            let first = gate.admit_anonymous(1).unwrap();
            clock.set(100);
            let _second = gate.admit_anonymous(2).unwrap();
            if is_asked_before {
                assert_told(&gate, IDLE - 100);
            }
            let _kept = end(&gate, first);
            assert_told(&gate, IDLE);
        }
    }
}

#[test]
fn who_was_ended_by_a_timeout_and_still_holds_its_slot_does_not_count() {
    let (gate, clock) = gate(2, |gate| gate.max_lifetime(ticks(400)));
    let session = gate.admit_anonymous(1).unwrap();
    clock.set(200);
    let _second = gate.admit_anonymous(2).unwrap();
    session.touch().unwrap();
    assert!(told(&gate).unwrap() <= ticks(200), "the lifetime of the first");
    clock.set(400);
    session.touch().unwrap();
    assert_eq!(gate.expired().len(), 1, "the lifetime");
    assert_told(&gate, 100);
}

/// A timer that tells of an eviction ends no session. Who is busy may be evicted, at
/// the earliest, when the floor has passed from now.
#[test]
fn an_eviction_that_nobody_was_told_of_does_not_count() {
    let floor = ticks(20);
    let cases =
        [(CapacityPolicy::EvictIdle { floor }, floor), (CapacityPolicy::EvictOldest, SECOND)];
    for (policy, expected) in cases {
        let (gate, clock) = gate(1, |gate| gate.at_capacity(policy));
        let _victim = gate.admit_anonymous(1).unwrap();
        clock.set(100);
        let newcomer = gate.admit_anonymous(2).unwrap();
        let _request = newcomer.enter().unwrap();
        assert_eq!(told(&gate), Some(expected));
    }
}

#[test]
fn where_the_idle_go_the_floor_or_the_first_end_is_told_whichever_is_first() {
    let evict = |floor| CapacityPolicy::EvictIdle { floor: ticks(floor) };
    let (gate, clock) = gate(1, |gate| gate.at_capacity(evict(20)));
    let session = gate.admit_anonymous(1).unwrap();
    assert_told(&gate, 20);
    drop(session);
    let _session = pending(&gate, 1);
    assert_told(&gate, INIT);
    clock.set(INIT - 1);
    assert_told(&gate, 1);
}

/// Each combination of timeouts, and each state that holds a slot.
#[test]
fn what_no_timeout_will_end_is_told_as_a_second() {
    for (init, idle, life) in (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0)) {
        let (gate, _clock) = gate(1, |gate| {
            let gate = if init { gate } else { gate.no_init_timeout() };
            let gate = if idle { gate } else { gate.no_idle_timeout() };
            if life { gate.max_lifetime(ticks(IDLE + 100)) } else { gate }
        });
        let timeout = |is_on: bool, ticks: u64| if is_on { ticks } else { u64::MAX };
        let life = timeout(life, IDLE + 100);
        let first = |other: u64| Some(life.min(other)).filter(|&first| first < u64::MAX);
        let expected = |other| Some(first(other).map_or(SECOND, ticks));
        let case = format!("init {init}, idle {idle}, life {life}");

        let reservation = gate.reserve_anonymous(1).unwrap();
        assert_eq!(told(&gate), Some(SECOND), "{case}: no timeout ends a reservation");
        let session = reservation.commit().unwrap();
        assert_eq!(told(&gate), expected(timeout(init, INIT)), "{case}: pending");
        session.establish().unwrap();
        assert_eq!(told(&gate), expected(timeout(idle, IDLE)), "{case}: established");
        let request = session.enter().unwrap();
        assert_eq!(told(&gate), expected(u64::MAX), "{case}: busy");
        drop(request);
        assert_eq!(told(&gate), expected(timeout(idle, IDLE)), "{case}: busy no more");
        session.close(CloseReason::Closed).unwrap();
        assert_eq!(told(&gate), Some(SECOND), "{case}: draining");
    }
}

#[test]
fn timeouts_that_are_changed_count_for_who_has_them() {
    let (gate, _clock) = gate(2, |gate| gate);
    let _long = gate.admit_anonymous(1).unwrap();
    gate.set_idle_timeout(Some(ticks(10))).unwrap();
    let _request = {
        let short = gate.admit_anonymous(2).unwrap();
        assert_told(&gate, 10);
        let request = short.enter().unwrap();
        assert_told(&gate, IDLE);
        (request, short)
    };
    gate.set_idle_timeout(None).unwrap();
    assert_told(&gate, IDLE);
}

#[test]
fn under_a_limit_of_zero_it_is_no_use_to_come_back() {
    let (gate, _clock) = gate(2, |gate| gate);
    gate.set_limit(Limit::at_most(0)).unwrap();
    assert_eq!(told(&gate), None, "with nobody inside");
    gate.set_limit(Limit::at_most(2)).unwrap();
    let _sessions = [1, 2].map(|tag| gate.admit_anonymous(tag).unwrap());
    gate.set_limit(Limit::at_most(0)).unwrap();
    assert_eq!(told(&gate), None, "whoever leaves makes no room");
    gate.set_limit(Limit::at_most(1)).unwrap();
    assert_told(&gate, IDLE);
}

#[test]
fn the_other_causes_tell_what_they_know() {
    let (gate, _clock) = gate(1, |gate| {
        let nobody = gate.subject_override("nobody".to_owned(), Limit::at_most(0));
        nobody.subject_limit(Limit::at_most(1)).max_subject_len(6).rate(2, 7 * SECOND)
    });
    let _alice = gate.admit(Some("alice"), 1).unwrap();
    let told = |subject| {
        let refused = gate.admit(Some(subject), 2).unwrap_err();
        (refused.cause(), refused.retry_after())
    };
    assert_eq!(told("alice"), (Cause::SubjectAtLimit, Some(SECOND)));
    assert_eq!(told("nobody"), (Cause::SubjectAtLimit, None), "time does not mend it");
    assert_eq!(told("somebody"), (Cause::SubjectTooLong, None));
    assert_eq!(told("bob"), (Cause::AtCapacity, Some(ticks(IDLE))));
    gate.set_limit(Limit::at_most(3)).unwrap();
    let _bob = gate.admit(Some("bob"), 2).unwrap();
    assert_eq!(told("carol"), (Cause::RateLimited, Some(7 * SECOND)));
    gate.set_subject_limit(Limit::at_most(0));
    assert_eq!(told("alice"), (Cause::SubjectAtLimit, None));
    gate.close_all(CloseReason::Shutdown);
    for subject in ["alice", "nobody", "somebody", "bob"] {
        assert_eq!(told(subject), (Cause::ShutDown, None));
    }
}

/// A session as a newcomer's time depends on it.
struct Seen {
    session: Option<TestSession>,
    handle: SessionHandle<u32, Arc<ManualClock>>,
    busy: Vec<Activity<u32, Arc<ManualClock>>>,
    is_pending: bool,
    is_open: bool,
    life: u64,
    idle: u64,
    /// By its idle or its init timeout.
    due: u64,
    /// Every tick at which it was due as long as its timer has run.
    was_due: Vec<u64>,
}

impl Seen {
    fn is_running(&self) -> bool {
        self.is_open && self.busy.is_empty()
    }

    fn start(&mut self, due: u64) {
        self.due = self.due.max(due);
        self.was_due.push(self.due);
    }

    fn first_end(&self) -> Option<u64> {
        let due = self.is_running().then_some(self.due).into_iter();
        due.chain(self.is_open.then_some(self.life)).min()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Commit,
    Establish(usize),
    Enter(usize),
    Leave(usize),
    Touch(usize),
    Close(usize),
    DropOwner(usize),
    DropHandle(usize),
    SetIdle(u64),
    Wait(u64),
    Expire,
}

const LIFE: u64 = 60;

fn step() -> impl Strategy<Value = Step> {
    let index = 0_usize..6;
    prop_oneof![
        6 => Just(Step::Admit),
        3 => Just(Step::Commit),
        3 => index.clone().prop_map(Step::Establish),
        4 => index.clone().prop_map(Step::Enter),
        4 => index.clone().prop_map(Step::Leave),
        3 => index.clone().prop_map(Step::Touch),
        1 => index.clone().prop_map(Step::Close),
        2 => index.clone().prop_map(Step::DropOwner),
        1 => index.prop_map(Step::DropHandle),
        1 => (1_u64..30).prop_map(Step::SetIdle),
        4 => (1_u64..9).prop_map(Step::Wait),
        2 => Just(Step::Expire),
    ]
}

fn check(steps: Vec<Step>) {
    let (gate, clock) = gate(1, |gate| gate.init_timeout(5 * MS).max_lifetime(ticks(LIFE)));
    let mut idle = LIFE;
    let mut seen: Vec<Seen> = Vec::new();
    for step in steps {
        let now = clock.now();
        // Full or not, one more is let in, and then nobody.
        let set = |limit: u32| _ = gate.set_limit(Limit::at_most(limit)).unwrap();
        match step {
            Step::Admit | Step::Commit => {
                set(gate.in_use() + 1);
                let is_pending = matches!(step, Step::Commit);
                let session =
                    if is_pending { pending(&gate, 7) } else { gate.admit_anonymous(7).unwrap() };
                let handle = session.handle();
                let due = now + if is_pending { 5 } else { idle };
                seen.push(Seen {
                    session: Some(session),
                    handle,
                    busy: Vec::new(),
                    is_pending,
                    is_open: true,
                    life: now + LIFE,
                    idle,
                    due,
                    was_due: vec![due],
                });
            }
            Step::SetIdle(ticks_) => {
                idle = ticks_;
                gate.set_idle_timeout(Some(ticks(idle))).unwrap();
            }
            Step::Wait(wait) => clock.set(now + wait),
            Step::Expire => {
                _ = gate.expired();
                for seen in &mut seen {
                    seen.is_open &= seen.first_end().is_none_or(|end| end > now);
                }
            }
            Step::Establish(index) => {
                let Some(seen) = seen.get_mut(index) else { continue };
                // Who finds the idle timer fired ends the session; no timer fires undriven.
                if seen.handle.establish().is_ok() && std::mem::take(&mut seen.is_pending) {
                    seen.was_due.clear();
                    seen.due = 0;
                    seen.start(now + seen.idle);
                }
            }
            Step::Enter(index) => {
                let Some(seen) = seen.get_mut(index).filter(|seen| !seen.is_pending) else {
                    continue;
                };
                seen.busy.extend(seen.handle.enter());
                seen.was_due.clear();
            }
            Step::Leave(index) => {
                let Some(seen) = seen.get_mut(index).filter(|seen| !seen.busy.is_empty()) else {
                    continue;
                };
                seen.busy.pop();
                if seen.busy.is_empty() {
                    seen.start(now + seen.idle);
                }
            }
            Step::Touch(index) => {
                let Some(seen) = seen.get_mut(index).filter(|seen| !seen.is_pending) else {
                    continue;
                };
                if seen.handle.touch().is_ok() && seen.busy.is_empty() {
                    seen.start(now + seen.idle);
                }
            }
            Step::Close(index) => {
                let Some(seen) = seen.get_mut(index) else { continue };
                _ = seen.handle.close(CloseReason::Closed);
                seen.is_open = false;
            }
            Step::DropOwner(index) => {
                let Some(seen) = seen.get_mut(index) else { continue };
                seen.session = None;
                seen.is_open = false;
            }
            Step::DropHandle(index) if index < seen.len() => drop(seen.remove(index)),
            Step::DropHandle(_) => {}
        }
        if gate.in_use() == 0 {
            continue;
        }
        set(gate.in_use());
        let now = clock.now();
        let told = told(&gate).unwrap();
        let open = || seen.iter().filter(|seen| seen.is_open);
        let Some(first) = open().filter_map(Seen::first_end).min() else {
            assert_eq!(told, SECOND, "no timeout ends anybody");
            continue;
        };
        assert!(told <= ticks(first.saturating_sub(now).max(1)), "{told:?} is after {first}");
        let running = open().filter(|seen| seen.is_running());
        let was_due = running.flat_map(|seen| &seen.was_due).chain(open().map(|seen| &seen.life));
        let mut due = was_due.map(|&due| ticks(due.saturating_sub(now).max(1)));
        assert!(due.any(|due| due == told), "{told:?} at {now} is nobody's who runs out");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2048, ..Default::default() })]

    #[test]
    fn the_time_told_is_that_of_a_session_that_runs_out_and_never_after_the_first(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        check(steps);
    }
}
