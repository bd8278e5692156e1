#![cfg(not(feature = "loom"))]
//! The memory of a gate that evicts and that nobody drives, in a long churn: bounded by the
//! sessions whose owners are there, after every step. One test, since it judges the heap.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use counting_alloc::{CountingAlloc, live_bytes};
use headcount::{CapacityPolicy, Gate, Limit, ManualClock};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

const MOST: u32 = 100;
/// Owners that are slow to drop what was evicted.
const DRAINING: usize = 50;
const STEPS: u64 = 100_000;
/// For a few records that wait to be taken out, by each eviction's owner in turn.
const SLACK: usize = 64 * 200;

fn churn(policy: CapacityPolicy, step: impl Fn(u64) -> u64) {
    let clock = Arc::new(ManualClock::new());
    let gate: Gate<u64, u64, _> = Gate::builder()
        .limit(Limit::at_most(MOST))
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(3600))
        .at_capacity(policy)
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let mut sessions = VecDeque::with_capacity(MOST as usize + DRAINING + 1);
    let mut bound = usize::MAX;
    for tag in 0..STEPS {
        clock.advance(step(tag));
        sessions.push_back(gate.admit_anonymous(tag).expect("somebody may go"));
        if sessions.len() > MOST as usize + DRAINING {
            drop(sessions.pop_front());
        }
        if let Some(session) = sessions.get(sessions.len().saturating_sub(MOST as usize / 2)) {
            // Another order than that in which they came.
            session.touch().expect("it is young");
        }
        if tag == STEPS / 10 {
            bound = live_bytes() + SLACK;
        }
        let live = live_bytes();
        assert!(live <= bound, "{policy:?}: {live} bytes at step {tag}, {bound} are enough");
    }
    assert_eq!(gate.in_use(), MOST);
    let candidates = gate.candidates();
    assert!(candidates <= MOST as usize, "{candidates} candidates");
    drop(sessions);
    assert_eq!((gate.in_use(), gate.candidates()), (0, 0));
}

#[test]
fn a_gate_that_nobody_drives_keeps_no_more_than_its_sessions() {
    let before = live_bytes();
    churn(CapacityPolicy::EvictOldest, |tag| tag % 2);
    let after = live_bytes();
    assert!(after <= before + SLACK, "{} bytes are left of a gate that is gone", after - before);
    churn(CapacityPolicy::EvictIdle { floor: Duration::from_millis(10) }, |_| 1);
}
