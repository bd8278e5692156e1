//! Sessions that time ends, in time and not before.

use std::collections::HashMap;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use headcount::{Cause, CloseReason, Gate, ManualClock};

use crate::bench::{MS, anonymous, assert_empty, builder, ended, evicting, gate};

/// Past the last tick of the wheel every session would be idle at once: no clock comes there
/// within a century.
#[test]
fn long_uptime() {
    let refused = |tick: Duration, clock: ManualClock| {
        let gate = Gate::<String>::builder().tick(tick).clock(clock).build();
        gate.err().map(|error| error.field())
    };
    for nanos in [1, 1_000, 179_000] {
        let tick = Duration::from_nanos(nanos);
        let gate = Gate::<String>::builder().tick(tick).build();
        assert_eq!(gate.unwrap_err().field(), "tick", "{tick:?}");
        assert_eq!(refused(tick, ManualClock::new()), Some("tick"));
    }
    const LAST: u64 = headcount::TimerWheel::<()>::MAX_TICK;
    for now in [LAST - 1, LAST, u64::MAX - 5, u64::MAX] {
        assert_eq!(refused(MS, ManualClock::at(now)), Some("tick"), "from {now}");
    }
    assert_eq!(refused(MS, ManualClock::at(LAST / 2)), None, "278 years are left");

    // The shortest tick, after a century but for a day.
    let (tick, idle, days) = (Duration::from_micros(180), 10_000, 36_525 - 1);
    let clock = Arc::new(ManualClock::new());
    let gate = Gate::<String>::builder()
        .tick(tick)
        .idle_timeout(tick * idle)
        .rate(1, tick * idle)
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let old = gate.admit(Some("a"), ()).unwrap();
    let request = old.enter().unwrap();
    let now = days * 24 * 60 * 60 * 1_000_000 / 180;
    clock.set(now);
    assert!(gate.expired().is_empty(), "a request is in flight");
    let young = gate.admit(Some("b"), ()).unwrap();
    drop(request);
    assert_eq!(gate.admit(Some("c"), ()).unwrap_err().cause(), Cause::RateLimited);
    clock.set(now + u64::from(idle) - 1);
    assert!(gate.expired().is_empty(), "nobody has been idle for so long");
    clock.set(now + u64::from(idle));
    assert_eq!(gate.expired().len(), 2);
    let reasons = [old, young].map(|session| session.reason());
    assert_eq!(reasons, [Some(CloseReason::Idle); 2]);
    assert!(gate.admit(Some("c"), ()).is_ok());
}

#[test]
fn idle_from_end() {
    let (gate, clock) = gate(1);
    let session = anonymous(&gate, 1).unwrap();
    let call = session.enter().unwrap();
    clock.set(1000);
    assert_eq!(ended(&gate), [], "longer than the idle timeout, and not killed");
    drop(call);
    clock.set(1019);
    assert_eq!(ended(&gate), [], "idle only from its end");
    clock.set(1020);
    assert_eq!(ended(&gate), [(1, CloseReason::Idle)]);
}

#[test]
fn initialized_never_sent() {
    let (gate, clock) = gate(1);
    let session = gate.reserve(Some("a"), 1).unwrap().commit().unwrap();
    clock.set(10);
    assert_eq!(ended(&gate), [(1, CloseReason::InitTimeout)]);
    drop(session);
    assert_empty(&gate);
}

#[test]
fn cap_without_reaper() {
    let refused = builder(10).0.no_idle_timeout().build().unwrap_err();
    assert_eq!(refused.field(), "idle_timeout");
    assert!(builder(10).0.no_idle_timeout().may_lock_out_for_ever().build().is_ok());
}

/// All slots are taken by clients that are gone: who is refused is told to come
/// back no later than the first of them expires, and then comes in.
#[test]
fn dead_lockout() {
    let (gate, clock) = gate(3);
    let mut sessions: HashMap<_, _> = (0..3)
        .map(|tag| {
            clock.set(u64::from(tag) * 5);
            (tag, anonymous(&gate, tag).unwrap())
        })
        .collect();
    let refused = anonymous(&gate, 9).unwrap_err();
    let after = refused.retry_after().unwrap().as_millis() as u64;
    assert!(10 + after <= 20, "{after}");
    clock.set(20);
    for (tag, reason) in ended(&gate) {
        assert_eq!((tag, reason), (0, CloseReason::Idle));
        sessions.remove(&tag);
    }
    assert!(anonymous(&gate, 9).is_ok());

    // Where the idle are evicted, nobody waits for the timeout.
    for policy in evicting() {
        let (builder, clock) = builder(3);
        let gate = builder.at_capacity(policy).build().unwrap();
        let _dead: Vec<_> = (0..3).map(|tag| anonymous(&gate, tag).unwrap()).collect();
        clock.set(5);
        assert!(anonymous(&gate, 9).is_ok());
    }
}

#[test]
fn touch_at_expiry() {
    for _ in 0..200 {
        let (gate, clock) = gate(1);
        let session = anonymous(&gate, 1).unwrap();
        clock.set(20);
        let barrier = Barrier::new(2);
        let (touched, ended_now) = thread::scope(|scope| {
            let touch = scope.spawn(|| {
                barrier.wait();
                session.touch()
            });
            barrier.wait();
            let ended_now = ended(&gate);
            (touch.join().unwrap(), ended_now)
        });
        match touched {
            Ok(()) => {
                assert_eq!(ended_now, []);
                clock.set(39);
                assert_eq!(ended(&gate), [], "it lives a full period");
                clock.set(40);
                assert_eq!(ended(&gate), [(1, CloseReason::Idle)]);
            }
            Err(closed) => {
                assert_eq!(closed.reason, CloseReason::Idle);
                assert_eq!(ended_now, [(1, CloseReason::Idle)], "once");
            }
        }
    }
}
