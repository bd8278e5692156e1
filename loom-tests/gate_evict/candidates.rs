//! Interleavings of the candidates of an eviction: a session comes among them when
//! it is established, a search moves it, and nothing of it is left there when it
//! ends.

use std::sync::atomic::Ordering::Relaxed;

use super::bench::{Bench, LATER, Thread, of, settle, thread, touched};
use crate::product::{Clock, CloseReason};
use crate::support::{model, race};

#[test]
fn a_session_is_no_candidate_before_it_is_established() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.gate.reserve_anonymous(7).unwrap().commit().unwrap();
        let (come, newcomer) = bench.coming(8);
        let handle = session.handle();
        let (establish, established) = thread(move || handle.establish());
        race([come, establish]);
        let (newcomer, established) = (of(&newcomer), of(&established));
        assert_eq!(established, Ok(()), "it was pending until then");
        settle(&bench, newcomer, session);
    });
}

#[test]
fn nothing_is_left_of_a_session_that_is_established_as_its_owner_leaves() {
    model(|| {
        let bench = Bench::oldest();
        let session = bench.gate.reserve_anonymous(7).unwrap().commit().unwrap();
        let handle = session.handle();
        race([Box::new(move || drop(session)), Box::new(move || _ = handle.establish())]);
        bench.assert_at_rest();
    });
}

#[test]
fn nothing_is_left_of_a_session_that_is_moved_as_its_owner_leaves() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let (come, newcomer) = bench.coming(8);
        race([come, Box::new(move || drop(session))]);
        drop(of(&newcomer));
        bench.assert_at_rest();
    });
}

/// It is in sight while another search moves it.
#[test]
fn a_session_that_another_search_moves_can_be_evicted() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let searching = [(); 2].map(|()| -> Thread {
            let gate = bench.gate.clone();
            Box::new(move || assert!(gate.finds_victim(), "nobody used the session"))
        });
        race(searching);
        drop(session);
        bench.assert_at_rest();
    });
}

/// ... and while two do, the one to where it belonged before it was touched.
#[test]
fn a_session_that_two_searches_move_can_be_evicted() {
    model(|| {
        let bench = Bench::idle();
        let session = touched(&bench);
        let (first, second, handle) = (bench.clone(), bench.clone(), session.handle());
        race([
            Box::new(move || {
                first.gate.finds_victim();
                if first.clock.now() == LATER {
                    assert!(first.gate.finds_victim(), "nobody used it after that");
                }
            }),
            Box::new(move || {
                handle.touch().unwrap();
                second.clock.0.store(LATER, Relaxed);
                assert!(second.gate.finds_victim());
            }),
        ]);
        drop(session);
        bench.assert_at_rest();
    });
}

#[test]
fn nothing_is_left_of_an_admission_that_the_close_of_the_gate_overtakes() {
    model(|| {
        let bench = Bench::oldest();
        let (gate, closing) = (bench.gate.clone(), bench.clone());
        let (come, admitted) = thread(move || gate.admit_anonymous(7));
        race([
            come,
            Box::new(move || {
                closing.gate.close_all(CloseReason::Shutdown);
                closing.advance(0);
            }),
        ]);
        drop(of(&admitted));
        bench.advance(0);
        bench.assert_at_rest();
    });
}
