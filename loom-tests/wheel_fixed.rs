//! Interleavings of a timer's fixed deadline: with touches, holds, changes,
//! cancels, and with adoption of its node. And of a look for the first deadline.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::product::{Deadline, Deadlines, FixedDeadline, Timer};
use crate::support::{Shared, model, race};
use crate::wheel::{Bench, NoClock};

type Kept = Shared<Timer<u32, NoClock>>;

/// A bench that knows by which deadline each timer fires.
#[derive(Clone)]
struct Fixed {
    bench: Bench,
    fired: Arc<Mutex<Vec<(u32, Deadline)>>>,
}

impl Fixed {
    fn new() -> Self {
        Self { bench: Bench::new(), fired: Arc::default() }
    }

    fn insert_as(
        &self,
        now: u64,
        idle: u64,
        fixed: FixedDeadline,
        payload: u32,
    ) -> Timer<u32, NoClock> {
        let deadlines = Deadlines { idle, fixed };
        self.bench.wheel.insert_with_at(now, deadlines, payload).expect("there is room")
    }

    /// Idle at `now + idle`, and due in any case at `at`.
    fn insert(&self, now: u64, idle: u64, at: u64, payload: u32) -> Timer<u32, NoClock> {
        self.insert_as(now, idle, FixedDeadline::After(at - now), payload)
    }

    fn advance(&self, now: u64) {
        let fire = |payload, by| self.fired.lock().unwrap().push((payload, by));
        self.bench.wheel.advance_with_deadline(now, fire);
    }

    #[track_caller]
    fn assert_fired(&self, expected: &[(u32, Deadline)]) {
        assert_eq!(*self.fired.lock().unwrap(), expected);
    }

    fn has_fired(&self) -> bool {
        !self.fired.lock().unwrap().is_empty()
    }

    fn thread<S: Send + 'static>(
        &self,
        state: S,
        run: impl FnOnce(&Self, S) + Send + 'static,
    ) -> Box<dyn FnOnce() + Send> {
        let bench = self.clone();
        Box::new(move || run(&bench, state))
    }
}

/// A touch that is too late fails; one that comes before changes nothing.
#[test]
fn a_touched_timer_fires_at_its_fixed_deadline() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert(0, 4, 1, 7));
        let touched = Arc::new(AtomicBool::new(false));
        race([
            bench.thread((Kept::clone(&timer), Arc::clone(&touched)), |_, (timer, touched)| {
                touched.store(timer.touch_at(1).is_ok(), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.assert_fired(&[(7, Deadline::Fixed)]);
        assert!(timer.touch_at(1).is_err());
        assert_eq!(timer.expired_by(), Some(Deadline::Fixed));
    });
}

/// A hold that succeeds does not keep the fixed deadline away, and its end is
/// none of a fired timer's business.
#[test]
fn a_held_timer_fires_at_its_fixed_deadline() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert(0, 4, 1, 7));
        race([
            bench.thread((Kept::clone(&timer), bench.clone()), |_, (timer, bench)| {
                match timer.hold() {
                    Ok(hold) => hold.release_at(1),
                    Err(_) => assert!(timer.expired_by() == Some(Deadline::Fixed)),
                }
                drop(bench);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.assert_fired(&[(7, Deadline::Fixed)]);
        assert!(timer.hold().is_err());
    });
}

#[test]
fn cancel_or_fire_by_the_fixed_deadline_but_not_both() {
    model(|| {
        let bench = Fixed::new();
        let timer = bench.insert(0, 4, 1, 7);
        let cancelled = Arc::new(AtomicBool::new(false));
        race([
            bench.thread((timer, Arc::clone(&cancelled)), |_, (timer, cancelled)| {
                cancelled.store(timer.cancel() == Some(7), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(cancelled.load(Relaxed), !bench.has_fired());
        assert_eq!(bench.bench.wheel.len(), 0);
    });
}

/// A session is established as its init timeout ends: `Ok` means that it lives on.
#[test]
fn a_fixed_deadline_that_is_moved_does_not_fire() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert(0, 6, 1, 7));
        let moved = Arc::new(AtomicBool::new(false));
        race([
            bench.thread((Kept::clone(&timer), Arc::clone(&moved)), |_, (timer, moved)| {
                moved.store(timer.set_fixed_deadline(Some(5)).is_ok(), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(moved.load(Relaxed), !bench.has_fired());
        assert_eq!(timer.fixed_deadline(), moved.load(Relaxed).then_some(5));
        bench.advance(4);
        assert_eq!(moved.load(Relaxed), !bench.has_fired());
        bench.advance(5);
        bench.assert_fired(&[(7, Deadline::Fixed)]);
    });
}

/// The same of one that is taken away, and moved back by another thread, which
/// may find the timer fired.
#[test]
fn two_changes_of_a_fixed_deadline_and_a_driver_agree() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert(0, 3, 1, 7));
        let moved = Arc::new(Mutex::new(Vec::new()));
        let mover = |at: Option<u64>| {
            bench.thread((Kept::clone(&timer), Arc::clone(&moved)), move |_, (timer, moved)| {
                let outcome = timer.set_fixed_deadline(at).is_ok();
                moved.lock().unwrap().push(outcome);
            })
        };
        race([mover(None), mover(Some(2)), bench.thread((), |b, ()| b.advance(1))]);
        let moved = moved.lock().unwrap().clone();
        if bench.has_fired() {
            assert!(moved.contains(&false), "both changes came before the firing");
            bench.assert_fired(&[(7, Deadline::Fixed)]);
            return;
        }
        assert_eq!(moved, [true, true]);
        let by = timer.fixed_deadline().map_or((3, Deadline::Idle), |at| (at, Deadline::Fixed));
        bench.advance(by.0 - 1);
        bench.assert_fired(&[]);
        bench.advance(by.0);
        bench.assert_fired(&[(7, by.1)]);
    });
}

/// The end of a hold moves the fixed deadline in the same step.
#[test]
fn a_release_that_moves_the_fixed_deadline_races_it() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert(0, 2, 1, 7));
        // Held from the start.
        std::mem::forget(timer.hold().unwrap());
        let moved = Arc::new(AtomicBool::new(false));
        race([
            bench.thread((Kept::clone(&timer), Arc::clone(&moved)), |_, (timer, moved)| {
                if let Ok(hold) = timer.hold() {
                    // With one hold left, which says nothing.
                    let outcome = hold.release_with_fixed_deadline(1, Some(4));
                    moved.store(outcome.is_ok(), Relaxed);
                }
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(moved.load(Relaxed), !bench.has_fired());
        bench.advance(3);
        assert_eq!(moved.load(Relaxed), !bench.has_fired(), "held, and idle for 2 since 1");
        bench.advance(4);
        bench.assert_fired(&[(7, Deadline::Fixed)]);
    });
}

/// A timer for something that has yet to begin is met by a driver while that
/// begins: it fires when it says, not when the wheel looks at it next.
#[test]
fn a_fixed_deadline_that_was_promised_is_exact() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert_as(3, 3, FixedDeadline::Later(1), 7));
        race([
            bench.thread(Kept::clone(&timer), |_, timer| {
                timer.set_fixed_deadline(Some(5)).expect("it has none yet");
            }),
            bench.thread((), |b, ()| b.advance(4)),
        ]);
        bench.advance(4);
        bench.assert_fired(&[]);
        bench.advance(5);
        bench.assert_fired(&[(7, Deadline::Fixed)]);
    });
}

/// A driver that links a held timer again puts it where it is found at its fixed
/// deadline, though the idle one goes far beyond.
#[test]
fn a_timer_that_is_put_off_is_found_at_its_fixed_deadline() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert(2, 2, 5, 7));
        std::mem::forget(timer.hold().unwrap());
        race([
            bench.thread(Kept::clone(&timer), |_, timer| {
                timer.hold().expect("it is not due").release_at(4);
            }),
            bench.thread((), |b, ()| b.advance(4)),
        ]);
        bench.assert_fired(&[]);
        assert_eq!(timer.deadline(), Some(6));
        bench.advance(5);
        bench.assert_fired(&[(7, Deadline::Fixed)]);
    });
}

/// A change to an earlier tick that comes before a driver puts a held timer off:
/// the driver does not link it where it would belong without. If the change comes
/// after, it is as late as it would be without.
#[test]
fn a_fixed_deadline_that_comes_nearer_is_not_overlooked() {
    model(|| {
        let bench = Fixed::new();
        let timer = Shared::new(bench.insert_as(1, 2, FixedDeadline::None, 7));
        std::mem::forget(timer.hold().unwrap());
        let is_first = Arc::new(AtomicBool::new(false));
        race([
            bench.thread((Kept::clone(&timer), Arc::clone(&is_first)), |_, (timer, is_first)| {
                timer.set_fixed_deadline(Some(5)).expect("it has none");
                is_first.store(timer.deadline() == Some(3), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(4)),
        ]);
        bench.assert_fired(&[]);
        bench.advance(if is_first.load(Relaxed) { 5 } else { 6 });
        bench.assert_fired(&[(7, Deadline::Fixed)]);
    });
}

/// The node of a timer that is about to be linked where its idle deadline
/// belongs is cancelled, and adopted by a timer with the same one and a fixed
/// deadline before that: word for word the same.
#[test]
fn an_adopted_node_is_linked_by_its_own_fixed_deadline() {
    model(|| {
        let bench = Fixed::new();
        let timer = bench.insert_as(0, 1, FixedDeadline::None, 7);
        timer.touch_at(3).unwrap();
        race([
            bench.thread(timer, |b, timer| {
                assert_eq!(timer.cancel(), Some(7));
                let adopter = b.insert(0, 4, 2, 8);
                b.bench.keep(adopter);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.assert_fired(&[]);
        bench.advance(2);
        bench.assert_fired(&[(8, Deadline::Fixed)]);
    });
}

/// ... and one that is about to fire by its fixed deadline: the adopter's timer,
/// which has a later one, does not.
#[test]
fn an_adopted_node_does_not_fire_by_a_fixed_deadline_of_before() {
    model(|| {
        let bench = Fixed::new();
        let timer = bench.insert(0, 4, 1, 7);
        let cancelled = Arc::new(AtomicBool::new(false));
        race([
            bench.thread((timer, Arc::clone(&cancelled)), |b, (timer, cancelled)| {
                cancelled.store(timer.cancel() == Some(7), Relaxed);
                let adopter = b.insert(0, 4, 3, 8);
                b.bench.keep(adopter);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        let before = match cancelled.load(Relaxed) {
            true => vec![],
            false => vec![(7, Deadline::Fixed)],
        };
        bench.assert_fired(&before);
        bench.advance(2);
        bench.assert_fired(&before);
        bench.advance(3);
        bench.assert_fired(&[before, vec![(8, Deadline::Fixed)]].concat());
    });
}

/// A node whose chain is visited at 4 is no place for a timer that is idle later
/// and has a fixed deadline before.
#[test]
fn a_node_that_is_linked_after_a_fixed_deadline_is_not_adopted() {
    model(|| {
        let bench = Fixed::new();
        drop(bench.insert_as(0, 5, FixedDeadline::None, 7));
        race([
            bench.thread((), |b, ()| {
                let timer = b.insert(0, 5, 1, 8);
                b.bench.keep(timer);
            }),
            bench.thread((), |b, ()| {
                let timer = b.insert(0, 5, 5, 9);
                b.bench.keep(timer);
            }),
        ]);
        bench.advance(1);
        bench.assert_fired(&[(8, Deadline::Fixed)]);
        bench.advance(5);
        bench.assert_fired(&[(8, Deadline::Fixed), (9, Deadline::Fixed)]);
    });
}
