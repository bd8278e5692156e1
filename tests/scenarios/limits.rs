//! Limits under a storm, under changes and under a flood by one client.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Barrier, Mutex};
use std::thread;

use headcount::{CapacityPolicy, Cause, CloseReason, Limit};

use crate::bench::{MS, anonymous, assert_empty, builder, gate};

/// 20 rounds of 32 that want in at once, where 10 may be.
#[test]
fn ratchet() {
    let (gate, _clock) = gate(10);
    let inside = AtomicU32::new(0);
    let kept = Mutex::new(Vec::new());
    let barrier = Barrier::new(32);
    thread::scope(|scope| {
        for client in 0..32 {
            let (gate, inside, kept, barrier) = (&gate, &inside, &kept, &barrier);
            scope.spawn(move || {
                for round in 0..20 {
                    barrier.wait();
                    let Ok(session) = anonymous(gate, client) else { continue };
                    assert!(inside.fetch_add(1, Relaxed) < 10, "inside, the limit is 10");
                    match (client + round) % 2 {
                        0 => kept.lock().unwrap().push(session),
                        _ => {
                            inside.fetch_sub(1, Relaxed);
                            drop(session);
                        }
                    }
                }
            });
        }
    });
    let mut kept = kept.into_inner().unwrap();
    kept.extend(std::iter::from_fn(|| anonymous(&gate, 99).ok()));
    assert_eq!((kept.len(), gate.in_use()), (10, 10));
    drop(kept);
    assert_empty(&gate);
}

/// A request ends the session, then its worker does.
#[test]
fn double_close() {
    let (gate, _clock) = gate(2);
    let _other = anonymous(&gate, 1).unwrap();
    let session = anonymous(&gate, 2).unwrap();
    let request = session.handle();
    request.close(CloseReason::Closed).unwrap();
    let again = request.close(CloseReason::Closed).unwrap_err();
    assert_eq!((again.reason, gate.in_use()), (CloseReason::Closed, 2));
    drop(session);
    assert_eq!(gate.in_use(), 1, "one slot freed");
    assert_eq!(request.close(CloseReason::Closed).unwrap_err().reason, CloseReason::Closed);
    assert_eq!(gate.in_use(), 1);
}

#[test]
fn rollback_limit_changed() {
    let (gate, _clock) = gate(5);
    for (limit, subject) in [(0, 0), (1, u32::MAX), (u32::MAX, 1), (5, 5)] {
        let reservation = gate.reserve(Some("a"), 1).unwrap();
        gate.set_limit(Limit::at_most(limit)).unwrap();
        gate.set_subject_limit(Limit::at_most(subject));
        gate.set_override("a".to_owned(), Limit::UNLIMITED);
        drop(reservation);
        gate.remove_override("a");
        assert_empty(&gate);
        gate.set_limit(Limit::at_most(5)).unwrap();
        gate.set_subject_limit(Limit::at_most(5));
    }
}

#[test]
fn zero_entries() {
    let (gate, _clock) = gate(1000);
    thread::scope(|scope| {
        for worker in 0..4 {
            let gate = &gate;
            scope.spawn(move || {
                for n in 0..25_000 {
                    // Every other subject is one that all workers come as.
                    let subject = if n % 2 == 0 { n } else { n * 4 + worker };
                    drop(gate.admit(Some(subject.to_string().as_str()), n));
                }
            });
        }
    });
    assert_empty(&gate);
}

/// One subject creates in a loop: nobody else is refused or ended for it.
#[test]
fn one_client_flood() {
    let (builder, _clock) = builder(100);
    let policy = CapacityPolicy::EvictOldest;
    let builder = builder.subject_limit(Limit::at_most(2)).at_capacity(policy);
    let gate = builder.build().unwrap();
    let others: Vec<_> = (0..50).map(|n| gate.admit(Some(&*n.to_string()), n).unwrap()).collect();
    let flood: Vec<_> = (0..10_000).filter_map(|n| gate.admit(Some("hostile"), n).ok()).collect();
    assert_eq!((flood.len(), gate.in_use_by("hostile")), (2, 2));
    assert_eq!(gate.stats().rejected(Cause::SubjectAtLimit), 9_998);
    assert!(others.iter().all(|session| session.enter().is_ok()));
    assert!(gate.admit(Some("another"), 0).is_ok());
}

#[test]
fn rate_then_cap() {
    let (builder, _clock) = builder(1);
    let gate = builder.rate(2, 1000 * MS).build().unwrap();
    let first = anonymous(&gate, 1).unwrap();
    for _ in 0..10 {
        assert_eq!(anonymous(&gate, 2).unwrap_err().cause(), Cause::AtCapacity);
    }
    drop(first);
    let second = anonymous(&gate, 3).expect("its place in the window was not used up");
    drop(second);
    let third = gate.set_limit(Limit::at_most(5)).map(|_| anonymous(&gate, 4));
    assert_eq!(third.unwrap().unwrap_err().cause(), Cause::RateLimited);

    // Who is refused for the rate evicts nobody.
    let (builder, _clock) = self::builder(1);
    let builder = builder.rate(1, 1000 * MS).at_capacity(CapacityPolicy::EvictOldest);
    let gate = builder.build().unwrap();
    let first = anonymous(&gate, 1).unwrap();
    assert_eq!(anonymous(&gate, 2).unwrap_err().cause(), Cause::RateLimited);
    assert_eq!(first.reason(), None);
}
