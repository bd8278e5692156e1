//! Interleavings of what is done with a timer's handle with a driver: a touch, a
//! cancel, a hold and its end.
//!
//! The payload of the last model lies in a cell whose every access the checker
//! follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::bench::{Bench, NoClock};
use crate::product::{Hold, Timer, TimerWheel};
use crate::support::{Shared, model, race};

#[test]
fn touch_or_fire() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        let touched = Arc::new(AtomicBool::new(false));
        let threads = [
            bench.thread((Shared::clone(&timer), Arc::clone(&touched)), |_, (timer, touched)| {
                touched.store(timer.touch_at(1).is_ok(), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ];
        race(threads);
        assert_eq!(touched.load(Relaxed), !bench.has_fired(7));
        assert_eq!(timer.deadline(), touched.load(Relaxed).then_some(2));
        bench.advance(1);
        assert_eq!(touched.load(Relaxed), !bench.has_fired(7));
        bench.advance(2);
        bench.assert_fired(&[7]);
    });
}

#[test]
fn cancel_or_fire_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        let cancelled = Arc::new(AtomicU32::new(0));
        race([
            bench.thread((timer, Arc::clone(&cancelled)), |_, (timer, cancelled)| {
                cancelled.store(timer.cancel().unwrap_or(0), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        match cancelled.load(Relaxed) {
            7 => bench.assert_fired(&[]),
            _ => bench.assert_fired(&[7]),
        }
        assert_eq!(bench.wheel.len(), 0);
    });
}

#[test]
fn hold_or_fire() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        let held = Arc::new(AtomicBool::new(false));
        race([
            bench.thread(
                (Shared::clone(&timer), bench.clone(), Arc::clone(&held)),
                |_, (timer, bench, held)| {
                    if let Ok(hold) = timer.hold() {
                        held.store(true, Relaxed);
                        crate::support::thread::yield_now();
                        assert!(!bench.has_fired(7), "fired while it was held");
                        hold.release_at(1);
                    }
                },
            ),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(held.load(Relaxed), !bench.has_fired(7));
        bench.advance(2);
        bench.assert_fired(&[7]);
    });
}

/// A driver meets a held timer past its deadline while the hold ends: wherever
/// the timer goes, it fires when it says.
#[test]
fn a_held_timer_is_found_when_its_idle_time_ends() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        std::mem::forget(timer.hold().unwrap());
        race([
            bench.thread(Shared::clone(&timer), |_, timer| {
                let hold = timer.hold().expect("a held timer does not fire");
                hold.release_at(2);
            }),
            bench.thread((), |b, ()| b.advance(2)),
        ]);
        bench.assert_fired(&[]);
        let deadline = timer.deadline().expect("it is held still");
        assert!(deadline == 3, "touched at 2, idle for 1, not due at {deadline}");
        bench.advance(6);
        bench.assert_fired(&[]);
    });
}

/// A hold that may move to another thread: its timer is leaked, and taken back
/// at the end.
struct Held {
    timer: *mut Timer<u32, NoClock>,
}

impl Held {
    fn new(timer: Timer<u32, NoClock>) -> (Self, Hold<'static, u32, NoClock>) {
        let timer = Box::into_raw(Box::new(timer));
        // SAFETY: the box is taken back in `end`, after the hold is gone.
        let hold = unsafe { &*timer }.hold().expect("it has not fired");
        (Self { timer }, hold)
    }

    fn end(self) -> Timer<u32, NoClock> {
        // SAFETY: leaked in `new`, and nobody borrows it any more.
        *unsafe { Box::from_raw(self.timer) }
    }
}

#[test]
fn a_release_that_races_a_driver_starts_the_idle_time() {
    model(|| {
        let bench = Bench::new();
        let (held, hold) = Held::new(bench.insert(0, 1, 7));
        race([
            bench.thread(hold, |_, hold| hold.release_at(1)),
            bench.thread((), |b, ()| b.advance(2)),
        ]);
        let timer = held.end();
        if !bench.has_fired(7) {
            let deadline = timer.deadline().expect("it did not fire");
            bench.advance(deadline - 1);
            bench.assert_fired(&[]);
            bench.advance(deadline);
        }
        bench.assert_fired(&[7]);
    });
}

/// Data that only the order of a touch and a firing protects.
struct Guarded(loom::cell::UnsafeCell<u32>);

// SAFETY: the checker fails every access that is not ordered.
unsafe impl Sync for Guarded {}

/// What a toucher did before is there for whoever the timer fires for.
#[test]
fn the_callback_sees_what_the_toucher_did() {
    model(|| {
        let wheel = Shared::new(TimerWheel::new(NoClock));
        let data = Arc::new(Guarded(loom::cell::UnsafeCell::new(0)));
        let touched = Arc::new(AtomicBool::new(false));
        let timer = wheel.insert_at(0, 1, Arc::clone(&data));
        let timer = Shared::new(timer.unwrap_or_else(|_| unreachable!("there is room")));
        let (driven, told) = (Shared::clone(&wheel), Arc::clone(&touched));
        race([
            Box::new(move || {
                // SAFETY: read only by those who see the touch.
                data.0.with_mut(|cell| unsafe { *cell = 1 });
                // No switch between the deciding step and this store.
                told.store(timer.touch_at(1).is_ok(), Relaxed);
            }),
            Box::new(move || {
                driven.advance(2, |data| {
                    if touched.load(Relaxed) {
                        // SAFETY: the touch came before the timer fired.
                        assert_eq!(data.0.with(|cell| unsafe { *cell }), 1);
                    }
                });
            }),
        ]);
    });
}
