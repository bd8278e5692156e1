#![cfg(not(feature = "loom"))]
//! What happened to other session managers, each under the name by which it is
//! known, and does not happen here.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use headcount::{
    CapacityPolicy, Cause, CloseReason, Gate, GateBuilder, Limit, ManualClock, Rejected, Session,
    SessionHandle,
};

type Clock = Arc<ManualClock>;
type TestGate = Gate<String, u32, Clock>;
type TestSession = Session<String, u32, Clock>;

const MS: Duration = Duration::from_millis(1);

/// Idle after 20 ticks, to be established within 10.
fn builder(limit: u32) -> (GateBuilder<String, u32, Clock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::builder()
        .limit(Limit::at_most(limit))
        .init_timeout(10 * MS)
        .idle_timeout(20 * MS)
        .clock(Arc::clone(&clock));
    (builder, clock)
}

fn gate(limit: u32) -> (TestGate, Clock) {
    let (builder, clock) = builder(limit);
    (builder.build().unwrap(), clock)
}

fn anonymous(gate: &TestGate, tag: u32) -> Result<TestSession, Rejected> {
    gate.admit_anonymous(tag)
}

fn ended(gate: &TestGate) -> Vec<(u32, CloseReason)> {
    gate.expired().into_iter().map(|ended| (ended.tag, ended.reason)).collect()
}

#[track_caller]
fn assert_empty(gate: &TestGate) {
    let stats = gate.stats();
    let ends: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
    assert_eq!((stats.in_use, stats.draining, gate.subjects()), (0, 0, 0));
    assert_eq!(ends, stats.admitted);
}

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

/// A future that gives its place up once, for the tests that drop it there.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// The future that makes a session is dropped at each of its awaits.
#[test]
fn cancel_everywhere() {
    let (builder, clock) = builder(1);
    let gate = builder.rate(1, 1000 * MS).subject_limit(Limit::at_most(1)).build().unwrap();
    let create = || async {
        let reservation = gate.reserve(Some("a"), 1)?;
        Yield(false).await;
        let session = reservation.commit()?;
        Yield(false).await;
        session.establish().expect("it has just begun");
        let request = session.enter().expect("it is established");
        Yield(false).await;
        drop(request);
        Ok::<_, Rejected>(session)
    };
    for awaits in 1..=3 {
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut future = pin!(create());
            for _ in 0..awaits {
                assert!(future.as_mut().poll(&mut context).is_pending());
            }
            assert_eq!((gate.in_use(), gate.in_use_by("a")), (1, 1));
        }
        assert_empty(&gate);
        if awaits > 1 {
            // It was committed, so it counts against the rate.
            assert_eq!(gate.admit(Some("a"), 2).unwrap_err().cause(), Cause::RateLimited);
        }
        clock.advance(1000);
    }
}

/// A tag whose code panics where it is told to.
struct Touchy {
    clone_panics: bool,
    drop_panics: bool,
}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        if self.clone_panics {
            resume_unwind(Box::new("clone"));
        }
        Self { clone_panics: false, drop_panics: false }
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        if self.drop_panics && !thread::panicking() {
            resume_unwind(Box::new("drop"));
        }
    }
}

/// A subject whose hash panics if its name is empty.
#[derive(Clone, PartialEq, Eq)]
struct Subject(&'static str);

impl std::hash::Hash for Subject {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        if self.0.is_empty() {
            resume_unwind(Box::new("hash"));
        }
        self.0.hash(state);
    }
}

#[test]
fn panic_everywhere() {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::<Subject, Touchy>::builder().idle_timeout(20 * MS);
    let gate = builder.clock(Arc::clone(&clock)).build().unwrap();
    let quiet = || Touchy { clone_panics: false, drop_panics: false };
    let bystander = gate.admit(Some(&Subject("b")), quiet()).unwrap();
    let _busy = bystander.enter().unwrap();

    let hashed = catch_unwind(AssertUnwindSafe(|| _ = gate.admit(Some(&Subject("")), quiet())));
    assert!(hashed.is_err());
    assert_eq!(gate.in_use(), 1, "nothing was taken");

    let drops = Touchy { clone_panics: false, drop_panics: true };
    let session = gate.admit(Some(&Subject("a")), drops).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(session))).is_err());
    assert_eq!((gate.in_use(), gate.subjects()), (1, 1), "the slots are back");

    let drops = Touchy { clone_panics: false, drop_panics: true };
    let reservation = gate.reserve(Some(&Subject("a")), drops).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(reservation))).is_err());
    assert_eq!((gate.in_use(), gate.subjects()), (1, 1));

    let clones = Touchy { clone_panics: true, drop_panics: false };
    let session = gate.admit(Some(&Subject("a")), clones).unwrap();
    let other = gate.admit(Some(&Subject("a")), quiet()).unwrap();
    clock.set(20);
    let told = AtomicU32::new(0);
    let advance = || {
        let counted = |_| _ = told.fetch_add(1, Relaxed);
        catch_unwind(AssertUnwindSafe(|| gate.advance(20, counted)))
    };
    assert!(advance().is_err());
    assert!(advance().is_ok());
    assert_eq!(told.load(Relaxed), 1, "the other is told of all the same");
    assert_eq!(session.reason(), Some(CloseReason::Idle));

    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _owned = (session, other);
        resume_unwind(Box::new("worker"));
    }));
    assert!(panicked.is_err());
    assert_eq!((gate.in_use(), gate.subjects(), gate.stats().draining), (1, 1, 0));
    assert_eq!(bystander.reason(), None, "untouched");
}

/// Each way to make room.
fn evicting() -> [CapacityPolicy; 2] {
    [CapacityPolicy::EvictOldest, CapacityPolicy::EvictIdle { floor: 5 * MS }]
}

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

/// The client goes while its call runs: the session is busy until the handler
/// lets go.
#[test]
fn disconnect_running() {
    let (gate, clock) = gate(1);
    let session = anonymous(&gate, 1).unwrap();
    let client = session.handle();
    let handler = client.clone().into_activity().unwrap();
    drop(client);
    clock.set(1000);
    assert_eq!(ended(&gate), []);
    drop(handler);
    clock.set(1020);
    assert_eq!(ended(&gate), [(1, CloseReason::Idle)]);
}

/// Calls are known by ids that a client may use twice, and a cancelled one gets
/// no answer: each is over when its guard goes, however that comes about.
#[test]
fn cancelled_request() {
    let (gate, clock) = gate(1);
    let session = anonymous(&gate, 1).unwrap();
    let mut calls = HashMap::new();
    calls.insert("id 1", session.enter().unwrap());
    let replaced = calls.insert("id 1", session.enter().unwrap());
    assert!(replaced.is_some());
    drop(replaced);
    clock.set(100);
    assert_eq!(ended(&gate), [], "the second of the same id is under way");
    calls.remove("id 1"); // cancelled
    calls.remove("id 1"); // and again
    clock.set(120);
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

/// The session is closed during a long call: it is told apart from those that
/// are admitted until its owner lets go.
#[test]
fn drain_overlap() {
    let (gate, _clock) = gate(2);
    let session = anonymous(&gate, 1).unwrap();
    let call = session.enter().unwrap();
    session.close(CloseReason::Closed).unwrap();
    let stats = gate.stats();
    assert_eq!((stats.in_use, stats.draining), (1, 1));
    assert_eq!(call.session().reason(), Some(CloseReason::Closed));
    assert!(session.enter().is_err(), "no new call");
    drop(call);
    assert_eq!(gate.stats().draining, 1, "until the owner lets go");
    drop(session);
    assert_empty(&gate);
}

#[test]
fn server_shutdown() {
    let (gate, _clock) = gate(10);
    let sessions = Arc::new(Mutex::new(HashMap::new()));
    for tag in 0..10 {
        sessions.lock().unwrap().insert(tag, anonymous(&gate, tag).unwrap());
    }
    let map = Arc::clone(&sessions);
    let (done, all_gone) = std::sync::mpsc::channel();
    let reaper = gate
        .reap(move |ended| {
            let mut map = map.lock().unwrap();
            drop(map.remove(&ended.tag));
            if map.is_empty() {
                done.send(()).unwrap();
            }
        })
        .unwrap();
    gate.close_all(CloseReason::Shutdown);
    all_gone.recv().unwrap();
    drop(reaper);
    assert!(all_gone.recv().is_err(), "its thread was joined");
    assert_empty(&gate);
    assert_eq!(gate.stats().ended(CloseReason::Shutdown), 10);
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

/// A session is restored by who still has a handle, while it is closed: no
/// handle brings back what has ended, and no session is there uncounted.
#[test]
fn resurrect() {
    for _ in 0..200 {
        let (gate, _clock) = gate(1);
        let session = anonymous(&gate, 1).unwrap();
        let restoring: SessionHandle<u32, Clock> = session.handle();
        let barrier = Barrier::new(2);
        let entered = thread::scope(|scope| {
            let restore = scope.spawn(|| {
                barrier.wait();
                restoring.clone().into_activity()
            });
            barrier.wait();
            drop(session);
            restore.join().unwrap()
        });
        assert_eq!(restoring.reason(), Some(CloseReason::Released));
        assert!(restoring.enter().is_err() && restoring.touch().is_err());
        assert_eq!(gate.in_use(), 0);
        let _next = anonymous(&gate, 2).expect("the slot is free");
        drop(entered);
        assert_eq!(gate.in_use(), 1);
    }
}
