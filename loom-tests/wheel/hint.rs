//! Interleavings of the next deadline that a driver sleeps to: it is no later than
//! that of any timer, whoever raises and lowers it.

use super::bench::Bench;
use crate::support::{Shared, model, race};

/// A sweep has a timer in hand that is not due yet when a driver asks how long
/// it may sleep.
#[test]
fn a_driver_waits_for_what_another_has_in_hand() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.insert_kept(0, 3, 3);
        race([
            bench.thread((), |b, ()| {
                b.wheel.sweep(0);
            }),
            bench.thread((), |b, ()| {
                b.advance(1);
                let next = b.wheel.next_deadline();
                assert!(next.is_some_and(|next| next <= 3), "sleeps until {next:?}");
            }),
        ]);
        bench.advance(3);
        bench.assert_fired(&[1, 3]);
    });
}

/// The same of two drivers, one of which links a touched timer again.
#[test]
fn a_driver_waits_for_what_another_driver_has_in_hand() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        timer.touch_at(1).unwrap();
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| {
                b.advance(1);
                let next = b.wheel.next_deadline();
                assert!(next.is_some_and(|next| next <= 2), "sleeps until {next:?}");
            }),
        ]);
        bench.advance(2);
        bench.assert_fired(&[7]);
    });
}

/// A scan lowers the hint itself, when it links a touched timer again, and
/// another thread lowers it for a slot that the scan has passed.
#[test]
fn a_scan_that_links_overlooks_no_insert() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 1));
        timer.touch_at(4).unwrap();
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| b.insert_kept(0, 2, 2)),
        ]);
        assert!(bench.wheel.next_deadline().is_some_and(|next| next <= 2));
        bench.advance(2);
        bench.assert_fired(&[2]);
    });
}

#[test]
fn the_hint_is_not_raised_over_an_insert() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| b.insert_kept(0, 2, 2)),
        ]);
        assert!(bench.wheel.next_deadline().is_some_and(|next| next <= 2));
        bench.advance(2);
        bench.assert_fired(&[1, 2]);
    });
}

/// One driver links a touched timer again while the other raises the hint.
#[test]
fn two_drivers_leave_the_hint_low_enough() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        timer.touch_at(2).unwrap();
        race([bench.thread((), |b, ()| b.advance(1)), bench.thread((), |b, ()| b.advance(1))]);
        assert!(bench.wheel.next_deadline().is_some_and(|next| next <= 3));
        bench.advance(3);
        bench.assert_fired(&[7]);
    });
}

/// What a scan did not visit keeps the hint where it was.
#[test]
fn a_scan_remembers_what_it_leaves() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.insert_kept(0, 3, 3);
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| {
                if let Some(next) = b.wheel.next_deadline() {
                    assert!(next <= 3, "nothing is due before {next}, it says");
                }
            }),
        ]);
        bench.advance(3);
        bench.assert_fired(&[1, 3]);
    });
}
