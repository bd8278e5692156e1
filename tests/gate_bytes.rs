#![cfg(not(feature = "loom"))]
//! What a live session costs in bytes: all the heap that a gate takes for it,
//! its subject's entry and its timer included, with a tag and a subject of eight bytes and
//! every timeout there is. The
//! owner is the caller's to keep and is printed beside it. One test, since it
//! judges the heap.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::time::Duration;

use counting_alloc::{CountingAlloc, live_bytes};
use headcount::{Gate, Limit, Session};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

const SESSIONS: u64 = 100_000;

type Sessions = Vec<Session<u64, u64>>;

/// Bytes a session, so many of which `begin` makes in a gate of their own.
fn bytes_a_session(begin: impl Fn(&Gate<u64, u64>, u64) -> Session<u64, u64>) -> f64 {
    let mut sessions = Sessions::with_capacity(SESSIONS as usize);
    let before = live_bytes();
    let gate = Gate::builder()
        .limit(Limit::UNLIMITED)
        .subject_limit(Limit::at_most(1))
        .init_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(300))
        .max_lifetime(Duration::from_secs(3600))
        .build()
        .unwrap();
    sessions.extend((0..SESSIONS).map(|id| begin(&gate, id)));
    let taken = live_bytes() - before;
    assert_eq!(u64::from(gate.in_use()), SESSIONS);
    taken as f64 / SESSIONS as f64
}

#[test]
fn a_live_session_takes_at_most_170_bytes() {
    let own = bytes_a_session(|gate, id| gate.admit(Some(&id), id).unwrap());
    let anonymous = bytes_a_session(|gate, id| gate.admit_anonymous(id).unwrap());
    let pending = bytes_a_session(|gate, id| {
        let reservation = gate.reserve(Some(&id), id).unwrap();
        reservation.commit().unwrap()
    });
    let owner = size_of::<Session<u64, u64>>();
    println!(
        "{own:.1} bytes a session of a subject of its own, {anonymous:.1} anonymous, \
         {pending:.1} pending; and {owner} for its owner"
    );
    assert!(anonymous >= 16.0, "{anonymous}: a tag and its deadline are no less");
    assert!(own <= 170.0, "{own} bytes a session");
    assert!(pending <= 170.0, "{pending} bytes a pending session");
    assert!(anonymous <= own, "a subject costs bytes, an anonymous session {anonymous}");
}
