//! Interleavings of inserts with drivers and sweeps: what is in a slot's chain
//! fires once, when it is due.

use super::bench::Bench;
use crate::support::{model, race};

#[test]
fn what_is_inserted_fires_once() {
    model(|| {
        let bench = Bench::new();
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 7)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[7]);
        assert_eq!((bench.wheel.len(), bench.wheel.next_deadline()), (0, None));
    });
}

/// The second one to come joins the chain of the first and says nothing to the
/// hint.
#[test]
fn who_joins_a_chain_is_found_with_it() {
    model(|| {
        let bench = Bench::new();
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 1)),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 2)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

#[test]
fn a_cleared_bit_hides_no_timer() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 2)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

/// A slot that a scan found empty is taken off the books while another insert
/// puts something there.
#[test]
fn a_slot_that_fills_while_it_is_taken_off_is_put_back() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.advance(1);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 3, 2)),
            bench.thread((), |b, ()| {
                b.insert_kept(0, 1, 3);
                b.advance(1);
            }),
        ]);
        bench.assert_fired(&[1, 3]);
        bench.advance(3);
        bench.assert_fired(&[1, 2, 3]);
    });
}

#[test]
fn two_drivers_fire_each_once() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.insert_kept(0, 5, 2);
        race([bench.thread((), |b, ()| b.advance(5)), bench.thread((), |b, ()| b.advance(1))]);
        bench.advance(5);
        bench.assert_fired(&[1, 2]);
    });
}

/// Two in one chain, which is longer than a piece: what a bounded advance leaves
/// is there for the next, whoever that is.
#[test]
fn what_a_bounded_advance_leaves_is_found() {
    model(|| {
        let bench = Bench::new();
        for payload in 1..=2 {
            bench.insert_kept(0, 1, payload);
        }
        race([
            bench.thread((), |b, ()| b.advance_some(1, 1)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

/// Tick 1 and tick 3 have the same slot, one round apart. Who still thinks it
/// is 0 must not put a timer for 1 into a chain for 3.
#[test]
fn a_stale_inserter_does_not_join_a_later_round() {
    model(|| {
        let bench = Bench::new();
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 1)),
            bench.thread((), |b, ()| b.insert_kept(2, 3, 3)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1]);
        bench.advance(3);
        bench.assert_fired(&[1, 3]);
    });
}

#[test]
fn a_sweep_loses_no_insert() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 5, 1);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 5, 2)),
            bench.thread((), |b, ()| {
                b.wheel.sweep(0);
            }),
        ]);
        bench.advance(5);
        bench.assert_fired(&[1, 2]);
    });
}

/// Who sweeps fires nothing: what is due stays due.
#[test]
fn a_sweep_and_a_driver_share_the_timers() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| {
                b.wheel.sweep(1);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1]);
    });
}

/// A chain whose maker the driver knows nothing of but by the chain: nothing
/// else is read between the push and the visit.
#[test]
fn a_chain_is_taken_with_what_is_in_it() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 2)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}
