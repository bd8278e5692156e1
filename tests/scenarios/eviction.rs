//! Who makes room at capacity, and who never does.

use std::sync::Barrier;
use std::thread;

use headcount::{CapacityPolicy, Cause, CloseReason};

use crate::bench::{MS, anonymous, assert_empty, builder, evicting};

/// B is created but has not completed its handshake, A is busy, all slots are
/// taken: C is refused and B's handshake works.
#[test]
fn evict_pending() {
    for policy in evicting() {
        let (builder, clock) = builder(2);
        let gate = builder.at_capacity(policy).build().unwrap();
        let a = anonymous(&gate, 1).unwrap();
        let _request = a.enter().unwrap();
        let b = gate.reserve_anonymous(2).unwrap().commit().unwrap();
        clock.set(9);
        assert_eq!(anonymous(&gate, 3).unwrap_err().cause(), Cause::AtCapacity);
        b.establish().unwrap();
        assert!(b.enter().is_ok());
    }
}

/// A long call is the oldest: it is never the victim, and becomes one after it
/// ends, and the floor has passed.
#[test]
fn evict_inflight() {
    for policy in evicting() {
        let (builder, clock) = builder(1);
        let gate = builder.at_capacity(policy).build().unwrap();
        let session = anonymous(&gate, 1).unwrap();
        let call = session.enter().unwrap();
        clock.set(1000);
        assert_eq!(anonymous(&gate, 2).unwrap_err().cause(), Cause::AtCapacity);
        drop(call);
        if policy != CapacityPolicy::EvictOldest {
            let refused = anonymous(&gate, 2).unwrap_err();
            assert!(refused.retry_after() <= Some(5 * MS));
            clock.set(1005);
        }
        assert!(anonymous(&gate, 2).is_ok());
        assert_eq!(session.reason(), Some(CloseReason::Evicted));
    }
}

/// A request comes for a session that was just evicted: it learns that, and one
/// that came before is served to its end.
#[test]
fn evict_vs_request() {
    const ROUNDS: u32 = 500;
    let (builder, _clock) = builder(1);
    let gate = builder.at_capacity(CapacityPolicy::EvictOldest).build().unwrap();
    let (mut evicted, mut served) = (0, 0);
    for round in 0..ROUNDS {
        let session = anonymous(&gate, round).unwrap();
        let (handle, barrier) = (session.handle(), Barrier::new(2));
        let (request, newcomer) = thread::scope(|scope| {
            let request = scope.spawn(|| {
                barrier.wait();
                handle.enter()
            });
            barrier.wait();
            let newcomer = anonymous(&gate, ROUNDS);
            (request.join().unwrap(), newcomer)
        });
        match request {
            Ok(request) => {
                served += 1;
                assert_eq!(newcomer.unwrap_err().cause(), Cause::AtCapacity);
                assert_eq!(request.session().reason(), None);
            }
            Err(error) => {
                evicted += 1;
                assert_eq!(error.reason(), Some(CloseReason::Evicted));
                assert!(newcomer.is_ok());
            }
        }
        drop(session);
    }
    assert_eq!(evicted + served, ROUNDS);
    gate.expired();
    assert_empty(&gate);
}
