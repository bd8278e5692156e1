//! Interleavings of the memory of timers: a node has one owner at a time, whether
//! it is reused, adopted or freed.
//!
//! Payloads lie in cells whose every access the checker follows, so a payload
//! that is read before it was written, or written while it is read, fails a
//! model as surely as one that fires twice.

use super::bench::Bench;
use crate::support::{model, race};

/// Two nodes on the list. One thread takes the upper one while another takes
/// both and gives the upper one back.
#[test]
fn no_node_is_handed_out_twice() {
    model(|| {
        let bench = Bench::new();
        let spent = [bench.insert(0, 1, 8), bench.insert(0, 1, 9)];
        bench.advance(1);
        drop(spent);
        race([
            bench.thread((), |b, ()| {
                let timer = b.insert(1, 5, 1);
                assert_eq!(timer.cancel(), Some(1));
            }),
            bench.thread((), |b, ()| {
                let (first, second) = (b.insert(1, 5, 2), b.insert(1, 5, 3));
                assert_eq!(first.cancel(), Some(2));
                b.keep(second);
            }),
        ]);
        bench.advance(5);
        bench.assert_fired(&[3, 8, 9]);
        assert!(bench.wheel.nodes() <= 3, "{} nodes for two timers", bench.wheel.nodes());
    });
}

#[test]
fn a_cancelled_payload_is_out_before_the_node_is_reused() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        race([
            bench.thread(timer, |_, timer| assert_eq!(timer.cancel(), Some(7))),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 8)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[8]);
    });
}

#[test]
fn an_adopted_node_fires_though_a_driver_has_it() {
    model(|| {
        let bench = Bench::new();
        drop(bench.insert(0, 1, 7));
        race([
            bench.thread((), |b, ()| b.insert_kept(1, 1, 8)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(bench.wheel.nodes(), 1, "it was there to be adopted");
        bench.advance(1);
        bench.assert_fired(&[8]);
    });
}

/// A touched timer is about to be linked later when it is cancelled, and its
/// node adopted for a deadline before that.
#[test]
fn a_moved_start_is_seen_by_the_adopter() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        timer.touch_at(4).unwrap();
        race([
            bench.thread(timer, |b, timer| {
                assert_eq!(timer.cancel(), Some(7));
                b.insert_kept(1, 2, 8);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.assert_fired(&[]);
        bench.advance(2);
        bench.assert_fired(&[8]);
    });
}

/// The same against a sweep, which links live timers again as well.
#[test]
fn a_sweep_that_moves_a_timer_tells_the_adopter() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        timer.touch_at(4).unwrap();
        race([
            bench.thread(timer, |b, timer| {
                assert_eq!(timer.cancel(), Some(7));
                b.insert_kept(0, 2, 8);
            }),
            bench.thread((), |b, ()| {
                b.wheel.sweep(0);
            }),
        ]);
        bench.advance(2);
        bench.assert_fired(&[8]);
    });
}

#[test]
fn a_cancel_an_adoption_and_a_visit_leave_one_owner() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        race([
            bench.thread(timer, |_, timer| drop(timer)),
            bench.thread((), |b, ()| b.insert_kept(1, 1, 8)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        assert!(bench.has_fired(8));
        assert_eq!((bench.wheel.len(), bench.wheel.linked()), (0, 0));
    });
}

/// A node whose chain is visited at 4 is no place for a timer due at 1.
#[test]
fn a_node_that_is_linked_too_late_is_not_adopted() {
    model(|| {
        let bench = Bench::new();
        drop(bench.insert(0, 5, 7));
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 8)),
            bench.thread((), |b, ()| b.insert_kept(0, 5, 9)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[8]);
        bench.advance(5);
        bench.assert_fired(&[8, 9]);
    });
}

/// Whoever visits a node that no insert could use gives it back.
#[test]
fn an_orphan_is_freed_by_its_visitor() {
    model(|| {
        let bench = Bench::new();
        drop(bench.insert(0, 5, 7));
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 8)),
            bench.thread((), |b, ()| b.advance(4)),
        ]);
        bench.advance(5);
        bench.assert_fired(&[8]);
        assert_eq!((bench.wheel.linked(), bench.wheel.len()), (0, 0), "the orphan is free");
        let (first, second) = (bench.insert(5, 5, 1), bench.insert(5, 5, 2));
        assert!(bench.wheel.nodes() <= 3, "and used again");
        drop((first, second));
    });
}

/// Two threads make the first node of a new chunk, a third node in all.
#[test]
fn a_chunk_is_zeroed_before_it_is_used() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 5, 1);
        bench.insert_kept(0, 5, 2);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 3)),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 4)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[3, 4]);
    });
}

#[test]
fn a_fired_node_is_reused_only_when_its_payload_is_out() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        race([
            bench.thread(timer, |b, timer| {
                drop(timer);
                b.insert_kept(1, 5, 8);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert!(!bench.has_fired(8));
        bench.advance(5);
        assert!(bench.has_fired(8));
    });
}

/// The wheel goes while one timer is cancelled and another dropped: each
/// payload leaves once, and the memory goes with the last of the three.
#[test]
fn the_last_to_leave_frees_the_shard() {
    model(|| {
        let bench = Bench::new();
        let (cancelled, dropped) = (bench.insert(0, 1, 1), bench.insert(0, 5, 2));
        let Bench { wheel, fired, kept } = bench;
        drop((fired, kept));
        race([
            Box::new(move || drop(wheel)),
            Box::new(move || {
                let _ = cancelled.touch_at(1);
                assert!(matches!(cancelled.cancel(), None | Some(1)));
            }),
            Box::new(move || drop(dropped)),
        ]);
    });
}
