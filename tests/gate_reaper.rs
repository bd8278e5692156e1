#![cfg(not(feature = "loom"))]
//! The reaper ends what is due, survives its callback, and stops. Nothing here
//! waits for time to pass: the clock is set, the reaper woken, the answer
//! received.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use headcount::{CloseReason, Gate, ManualClock, Reaper};

type TestGate = Gate<String, u32, Arc<ManualClock>>;

/// A gate whose sessions are idle after 10 ticks of an hour: no reaper wakes
/// by itself within a test.
fn gate() -> (TestGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let hour = Duration::from_secs(3600);
    let builder = Gate::builder().tick(hour).idle_timeout(10 * hour).init_timeout(10 * hour);
    (builder.clock(Arc::clone(&clock)).build().unwrap(), clock)
}

fn reap(gate: &TestGate) -> (Reaper, Receiver<(u32, CloseReason)>) {
    let (told, ended) = channel();
    let reaper = gate.reap(move |end| told.send((end.tag, end.reason)).unwrap()).unwrap();
    (reaper, ended)
}

#[test]
fn a_reaper_tells_of_what_is_due() {
    let (gate, clock) = gate();
    let (reaper, ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    clock.set(10);
    reaper.wake();
    assert_eq!(ended.recv(), Ok((1, CloseReason::Idle)));
}

#[test]
fn a_reaper_that_is_dropped_has_stopped() {
    let (gate, clock) = gate();
    let (reaper, ended) = reap(&gate);
    drop(reaper);
    assert!(ended.recv().is_err(), "its callback is gone, so its thread has ended");
    let _session = gate.admit(Some("a"), 1).unwrap();
    clock.set(10);
    assert_eq!(gate.expired().len(), 1, "nobody else did");
}

#[test]
fn a_closed_gate_wakes_its_reaper() {
    let (gate, _clock) = gate();
    let (_reaper, ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    gate.close_all(CloseReason::Shutdown);
    assert_eq!(ended.recv(), Ok((1, CloseReason::Shutdown)));
}

#[test]
fn a_shorter_timeout_wakes_the_reaper() {
    let (gate, clock) = gate();
    let (_reaper, ended) = reap(&gate);
    let _session = gate.admit(Some("a"), 1).unwrap();
    clock.set(10);
    gate.set_init_timeout(Some(Duration::from_secs(3600))).unwrap();
    assert_eq!(ended.recv(), Ok((1, CloseReason::Idle)));
}

#[test]
fn a_reaper_survives_its_callback() {
    let (gate, clock) = gate();
    let (told, ended) = channel();
    let reaper = gate.reap(move |end| {
        told.send(end.tag).unwrap();
        std::panic::resume_unwind(Box::new("planned"));
    });
    let reaper = reaper.unwrap();
    let _sessions: Vec<_> = (0..3).map(|tag| gate.admit_anonymous(tag).unwrap()).collect();
    clock.set(10);
    reaper.wake();
    let mut all: Vec<_> = ended.iter().take(3).collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2]);
    // A fourth, so that the panics of all three have been counted.
    let _session = gate.admit_anonymous(3).unwrap();
    clock.set(20);
    reaper.wake();
    assert_eq!(ended.recv(), Ok(3));
    assert!(reaper.panics() >= 3);
}

#[test]
fn a_reaper_may_be_dropped_by_its_own_callback() {
    let (gate, clock) = gate();
    let (give, take) = channel::<Reaper>();
    let (told, ended) = channel();
    let reaper = gate.reap(move |end| {
        drop(take.recv());
        told.send(end.tag).unwrap();
    });
    let _session = gate.admit(Some("a"), 1).unwrap();
    clock.set(10);
    let reaper = reaper.unwrap();
    reaper.wake();
    give.send(reaper).unwrap();
    assert_eq!(ended.recv(), Ok(1));
    assert!(ended.recv().is_err(), "its thread has ended");
}

#[test]
fn what_is_due_when_the_callback_returns_is_told_at_once() {
    let (hour, clock) = (Duration::from_secs(3600), Arc::new(ManualClock::new()));
    let gate: Gate<String, u32, Arc<ManualClock>> = Gate::builder()
        .idle_timeout(hour)
        .init_timeout(hour)
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let _due_first = gate.admit(Some("a"), 1).unwrap();
    clock.set(1_800_000);
    let _due_meanwhile = gate.admit(Some("b"), 2).unwrap();
    clock.set(3_600_000);
    let (told, ended) = channel();
    let slow = Arc::clone(&clock);
    let _reaper = gate.reap(move |end| {
        slow.set(5_400_000);
        told.send(end.tag).unwrap();
    });
    let wait = Duration::from_secs(20);
    assert_eq!((ended.recv_timeout(wait), ended.recv_timeout(wait)), (Ok(1), Ok(2)));
}
