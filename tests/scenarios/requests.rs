//! Requests that are under way as their session, their client or the server ends.

use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use headcount::{CloseReason, SessionHandle};

use crate::bench::{Clock, anonymous, assert_empty, ended, gate};

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
