//! Sequences of steps at random, beside a record of every tick at which a timer
//! would have ended a session.

use std::sync::Arc;

use headcount::{Activity, Clock, CloseReason, Limit, ManualClock, SessionHandle};
use proptest::prelude::*;

use crate::bench::{MS, SECOND, TestSession, gate, pending, ticks, told};

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
