#![cfg(not(feature = "loom"))]
//! Callbacks and payloads whose own code panics: nothing is lost but that
//! payload, and the wheel goes on.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use headcount::{ManualClock, Timer, TimerWheel};

fn wheel<T>() -> TimerWheel<T, ManualClock> {
    TimerWheel::new(ManualClock::new())
}

/// A panic without a message.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("expected"))
}

/// Runs `call`, which panics, and not for a reason of its own.
fn panics(call: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("it panics");
    assert_eq!(panic.downcast_ref(), Some(&"expected"));
}

/// Ticks of a hundred timers: some at one tick, some on their way down, some
/// not due.
fn idle(n: u64) -> u64 {
    [50, 100, 5000, 20_000][n as usize % 4] + n / 8
}

const NOW: u64 = 10_000;

fn fill(wheel: &TimerWheel<u64, ManualClock>) -> Vec<Timer<u64, ManualClock>> {
    (0..100).map(|n| wheel.insert(idle(n), n).unwrap()).collect()
}

#[test]
fn a_callback_that_panics_loses_nothing_but_its_payload() {
    // The first, the last, and each between: wherever the others then are.
    for panics_at in 0..75 {
        let wheel = wheel();
        let timers = fill(&wheel);
        let mut fired = Vec::new();
        panics(|| {
            wheel.advance(NOW, |n| {
                fired.push(n);
                if fired.len() == panics_at + 1 {
                    panic_quietly();
                }
            });
        });
        assert_eq!((fired.len(), wheel.len()), (panics_at + 1, 99 - panics_at));
        if panics_at < 74 {
            assert!(wheel.next_deadline().is_some_and(|next| next <= NOW), "the driver is woken");
        }
        assert_eq!(wheel.advance(NOW, |n| fired.push(n)), 74 - panics_at);
        assert_eq!(wheel.advance(NOW, |_| ()), 0);
        fired.sort_unstable();
        assert!(fired.into_iter().eq((0..100).filter(|n| n % 4 != 3)), "each once");
        for (n, timer) in timers.iter().enumerate() {
            assert_eq!(timer.deadline().is_some(), n % 4 == 3);
        }
        assert_eq!(wheel.advance(NOW + 20_000, |n| assert_eq!(n % 4, 3)), 25);
    }
}

#[test]
fn every_callback_may_panic() {
    let wheel = wheel();
    let _timers = fill(&wheel);
    for left in (25..100).rev() {
        panics(|| _ = wheel.advance_some(NOW, 10_000, |_| panic_quietly()));
        assert_eq!(wheel.len(), left);
    }
    assert_eq!(wheel.advance(NOW, |_| ()), 0);
    assert_eq!(wheel.expired(u64::MAX).len(), 25);
    assert_eq!((wheel.linked(), wheel.next_deadline()), (0, None));
}

#[test]
fn after_a_panic_timers_are_touched_held_cancelled_and_reused() {
    let wheel = wheel().with_shards(1);
    for round in 0..50 {
        let now = round * 100_000;
        let insert = |n| wheel.insert_at(now, idle(n), n).unwrap();
        let mut timers: Vec<_> = (0..100).map(insert).collect();
        panics(|| _ = wheel.advance(now + NOW, |_| panic_quietly()));
        let held: Vec<_> = timers.iter().step_by(3).filter_map(|it| it.hold().ok()).collect();
        let touched = timers.iter().filter(|it| it.touch_at(now + NOW).is_ok()).count();
        assert_eq!((touched, wheel.len()), (99, 99));
        held.into_iter().for_each(|hold| hold.release_at(now + NOW));
        let cancelled = timers.drain(..50).filter_map(Timer::cancel).count();
        assert!((49..=50).contains(&cancelled));
        assert_eq!(wheel.expired(now + NOW), [], "all others were touched");
        assert_eq!(wheel.expired(now + 99_999).len(), 99 - cancelled);
    }
    assert!(wheel.nodes() <= 2 * 100 + 1024);
    assert_eq!((wheel.len(), wheel.linked()), (0, 0));
}

/// Panics when it is dropped, if it is told to, after it was counted.
struct Drops {
    panics: bool,
    count: Rc<Cell<u64>>,
}

impl Drop for Drops {
    fn drop(&mut self) {
        self.count.set(self.count.get() + 1);
        if self.panics {
            panic_quietly();
        }
    }
}

#[test]
fn a_payload_that_panics_when_its_timer_is_dropped_harms_nobody() {
    let (wheel, count) = (wheel().with_shards(1), Rc::new(Cell::new(0)));
    let insert = |panics| wheel.insert(10, Drops { panics, count: Rc::clone(&count) }).unwrap();
    for round in 0..100 {
        let others = [insert(false), insert(false)];
        let timer = insert(true);
        panics(|| drop(timer));
        assert_eq!((wheel.len(), count.get()), (2, 4 * round + 1));
        let cancelled = insert(true);
        let mut payload = cancelled.cancel().unwrap();
        assert_eq!(count.get(), 4 * round + 1, "a cancelled timer's payload is handed out whole");
        payload.panics = false;
        drop(payload);
        assert_eq!(wheel.advance(10, drop), 2);
        assert_eq!(count.get(), 4 * round + 4);
        drop(others);
    }
    assert!(wheel.nodes() <= 4, "{} nodes: its own comes back too", wheel.nodes());
}

#[test]
fn a_payload_that_panics_in_the_callback_is_a_callback_that_panics() {
    let (wheel, count) = (wheel(), Rc::new(Cell::new(0)));
    let insert = |n| wheel.insert(10, Drops { panics: n == 5, count: Rc::clone(&count) }).unwrap();
    let _timers: Vec<_> = (0..10).map(insert).collect();
    panics(|| _ = wheel.advance(10, drop));
    let before = count.get();
    assert_eq!(wheel.len() as u64, 10 - before);
    assert_eq!(wheel.advance(10, drop) as u64, 10 - before);
    assert_eq!(count.get(), 10);
}

#[test]
fn a_payload_that_panics_when_the_wheel_is_dropped_takes_no_other_with_it() {
    for panics_at in [0, 1, 50, 98, 99] {
        let (wheel, count) = (wheel(), Rc::new(Cell::new(0)));
        let payload = |n| Drops { panics: n == panics_at, count: Rc::clone(&count) };
        let timers: Vec<_> = (0..100).map(|n| wheel.insert(idle(n), payload(n)).unwrap()).collect();
        _ = catch_unwind(AssertUnwindSafe(|| drop(wheel)));
        assert_eq!(count.get(), 100, "each is dropped, once");
        assert!(timers.iter().all(|timer| timer.touch().is_err()), "and every timer is inert");
        drop(timers);
        assert_eq!(count.get(), 100);
        assert_eq!(Rc::strong_count(&count), 1);
    }
}
