#![cfg(not(feature = "loom"))]
//! What an admission asks of the allocator, in a gate that has had as many sessions before:
//! one block for the session, one for a subject that is new. Its end asks for none, nor do
//! its requests; where a subject goes with it, one for several of these. One test, since it
//! judges the heap.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::sync::Arc;
use std::time::Duration;

use counting_alloc::{CountingAlloc, allocations};
use headcount::{CapacityPolicy, Gate, Limit, ManualClock, Session};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

type TestGate = Gate<u64, u64, Arc<ManualClock>>;
type TestSession = Session<u64, u64, Arc<ManualClock>>;

const MOST: u32 = 200;
const ROUNDS: u64 = 1000;
const KNOWN: u64 = 0;
/// The subjects that go together to whoever frees their memory, at least.
const SEVERAL: u64 = 8;

fn gate(policy: CapacityPolicy) -> (TestGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let gate = Gate::builder()
        .limit(Limit::at_most(MOST))
        .subject_limit(Limit::at_most(2 * MOST))
        .init_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(3600))
        .at_capacity(policy)
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    (gate, clock)
}

/// So many sessions at once, and all of them gone.
fn fill(gate: &TestGate) {
    let sessions: Vec<_> = (0..MOST).map(|tag| gate.admit(Some(&KNOWN), tag.into())).collect();
    assert!(sessions.iter().all(Result::is_ok));
}

/// Admits and ends; returns how many blocks the ends asked for in all.
fn ends(name: &str, most: u64, mut admit: impl FnMut(u64) -> TestSession) -> u64 {
    let mut at_ends = 0;
    for round in 0..ROUNDS {
        let (asked, session) = allocations(|| admit(round));
        assert!(asked <= most, "{name}: an admission asked for {asked} blocks, not {most}");
        let (asked, ()) = allocations(|| {
            drop(session.enter().unwrap());
            session.touch().unwrap();
            drop(session);
        });
        at_ends += asked;
    }
    at_ends
}

#[track_caller]
fn churn(name: &str, most: u64, admit: impl FnMut(u64) -> TestSession) {
    assert_eq!(ends(name, most, admit), 0, "{name}: blocks for requests and ends");
}

fn a_gate_with_room() {
    let (gate, _clock) = gate(CapacityPolicy::Reject);
    fill(&gate);
    let _holder = gate.admit(Some(&KNOWN), 0).unwrap();
    churn("a known subject", 1, |tag| gate.admit(Some(&KNOWN), tag).unwrap());
    churn("an anonymous one", 1, |tag| gate.admit_anonymous(tag).unwrap());
    churn("a handshake", 1, |tag| {
        let session = gate.reserve(Some(&KNOWN), tag).unwrap().commit().unwrap();
        session.establish().unwrap();
        session
    });
    let new = |tag| gate.admit(Some(&(tag + 1)), tag).unwrap();
    // The first ones make what all later ones use again.
    ends("a first subject", u64::MAX, new);
    let at_ends = ends("a new subject", 2, new);
    assert!(at_ends <= ROUNDS / SEVERAL, "{at_ends} blocks for the ends of {ROUNDS} subjects");
}

/// Each newcomer evicts, and the owner of who is evicted is dropped with it. Only then is
/// the block of the newcomer the only one: an end that nobody has reported asks for none.
fn a_full_gate_that_evicts(policy: CapacityPolicy) {
    let (gate, clock) = gate(policy);
    let mut sessions = std::collections::VecDeque::with_capacity(MOST as usize + 1);
    let (mut newest, mut at_ends) = (KNOWN, 0);
    for round in 0..ROUNDS {
        clock.advance(1000);
        newest += 1;
        let subject = if round < ROUNDS / 2 { KNOWN } else { newest };
        let (asked, session) = allocations(|| gate.admit(Some(&subject), round).unwrap());
        sessions.push_back(session);
        if sessions.len() <= MOST as usize {
            continue;
        }
        let most = if subject == KNOWN { 1 } else { 2 };
        assert!(asked <= most, "{policy:?}: an admission asked for {asked} blocks, not {most}");
        let (asked, ()) = allocations(|| {
            drop(sessions.pop_front());
            if round % 16 == 0 {
                gate.advance(round, |_| ());
            }
        });
        // Those who go now came with a subject of their own or not.
        if round < ROUNDS / 2 + u64::from(MOST) {
            assert_eq!(asked, 0, "{policy:?}: blocks for the end");
        }
        at_ends += asked;
    }
    assert!(at_ends <= ROUNDS / SEVERAL, "{policy:?}: {at_ends} blocks for {ROUNDS} ends");
}

#[test]
fn an_admission_asks_for_one_block_and_one_for_a_new_subject() {
    a_gate_with_room();
    for policy in [
        CapacityPolicy::EvictOldest,
        CapacityPolicy::EvictIdle { floor: Duration::from_millis(10) },
    ] {
        a_full_gate_that_evicts(policy);
    }
}
