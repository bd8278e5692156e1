#![cfg(not(feature = "loom"))]
//! What an advance of the timer wheel does beside firing: its callback uses the
//! wheel, it stops at a bound, it says how long a driver may sleep.

use std::cell::{Cell, RefCell};

use headcount::{ManualClock, TimerWheel};

type Wheel = TimerWheel<u64, ManualClock>;

const MAX_TICK: u64 = Wheel::MAX_TICK;

fn wheel() -> Wheel {
    TimerWheel::new(ManualClock::new())
}

fn sorted(mut fired: Vec<u64>) -> Vec<u64> {
    fired.sort_unstable();
    fired
}

#[test]
fn a_callback_may_insert_and_what_is_due_again_waits_for_the_next_advance() {
    let wheel = wheel();
    let timers = RefCell::new(vec![wheel.insert(10, 0).unwrap()]);
    for round in 0..100 {
        let fired = wheel.advance(10, |payload| {
            assert_eq!(payload, round);
            timers.borrow_mut().push(wheel.insert_at(0, 5, payload + 1).unwrap());
        });
        assert_eq!((fired, wheel.len()), (1, 1), "round {round}");
    }
}

#[test]
fn a_callback_may_cancel_touch_and_hold_other_timers() {
    let wheel = wheel();
    let timers: Vec<_> = (0..99).map(|n| wheel.insert(10, n).unwrap()).collect();
    let timers = RefCell::new(timers.into_iter().map(Some).collect::<Vec<_>>());
    let (fired, cancelled, put_off) = (Cell::new(0), Cell::new(0), Cell::new(0));
    wheel.advance(10, |payload| {
        fired.set(fired.get() + 1);
        let next = |step| ((payload + step) % 99) as usize;
        let victim = timers.borrow_mut()[next(1)].take();
        cancelled.set(cancelled.get() + u64::from(victim.is_some_and(|it| it.cancel().is_some())));
        if let Some(other) = &timers.borrow()[next(2)] {
            let held = other.hold().map(|hold| hold.release_at(100)).is_ok();
            assert_eq!(other.touch_at(50).is_ok(), held, "one of both saw it fire");
            put_off.set(put_off.get() + u64::from(held));
        }
    });
    assert_eq!(fired.get() + cancelled.get() + wheel.len() as u64, 99);
    assert!(cancelled.get() > 0 && put_off.get() > 0, "the first callback found all others live");
    let left = wheel.len();
    assert_eq!(wheel.expired(109), [], "put off means put off");
    assert_eq!(wheel.expired(110).len(), left);
}

#[test]
fn a_callback_may_advance_the_wheel() {
    let wheel = wheel();
    let _timers: Vec<_> = (0..100).map(|n| wheel.insert(n, n).unwrap()).collect();
    let fired = Cell::new(0);
    wheel.advance(49, |_| {
        fired.set(fired.get() + 1);
        fired.set(fired.get() + wheel.advance(99, |_| ()));
    });
    fired.set(fired.get() + wheel.advance(99, |_| ()));
    assert_eq!((fired.get(), wheel.len()), (100, 0));
}

#[test]
fn next_deadline_is_a_lower_bound_and_wakes_a_few_times_a_timer() {
    let wheel = wheel();
    assert_eq!(wheel.next_deadline(), None);
    for deadline in [0, 1, 63, 64, 1 << 20, (1 << 41) + 12_345, MAX_TICK] {
        let timer = wheel.insert(deadline, 7).unwrap();
        let mut wakes = 0;
        while let Some(next) = wheel.next_deadline() {
            assert!(next <= deadline, "{next} is too late for {deadline}");
            wakes += 1;
            assert!(wakes <= 9, "woken {wakes} times for {deadline}");
            assert_eq!(wheel.advance(next, |_| ()) == 1, next == deadline);
        }
        assert_eq!(timer.deadline(), None, "a reaper that sleeps so long fires it");
    }
}

#[test]
fn what_was_touched_or_cancelled_wakes_nobody_for_ever() {
    let wheel = wheel();
    for now in (0..100_000).step_by(1000) {
        let touched = wheel.insert_at(now, 10, 1).unwrap();
        touched.touch_at(now + 5).unwrap();
        drop(wheel.insert_at(now, 3, 2).unwrap());
        assert_eq!(wheel.expired(now + 14), []);
        assert_eq!(wheel.next_deadline(), Some(now + 15), "the only one left");
        assert_eq!(wheel.expired(now + 15), [1]);
        assert_eq!((wheel.next_deadline(), wheel.linked()), (None, 0));
    }
}

#[test]
fn advance_some_fires_no_more_than_asked_and_all_in_the_end() {
    let wheel = wheel().with_shards(1);
    let timers: Vec<_> = (0..1000).map(|n| wheel.insert(n, n).unwrap()).collect();
    timers[..100].iter().for_each(|timer| timer.touch_at(2000).unwrap());
    let held = timers[100].hold().unwrap();
    for most in [1, 7, 64] {
        let advanced = wheel.advance_some(999, most, |_| ());
        assert!(advanced.fired <= most && !advanced.is_complete, "{most}: {advanced:?}");
    }
    let mut calls = 3;
    loop {
        let advanced = wheel.advance_some(999, 10, |n| assert!(n > 100, "{n} is not due"));
        calls += 1;
        assert!(advanced.fired <= 10 && calls < 2000, "it goes on");
        if advanced.is_complete {
            break;
        }
    }
    assert_eq!(wheel.len(), 101, "the touched and the held");
    assert_eq!(wheel.expired(999), [], "complete means complete");
    held.release_at(999);
    let advanced = wheel.advance_some(5000, 1_000_000, |_| ());
    assert!(advanced.fired == 101 && advanced.is_complete);
    assert!(wheel.advance_some(u64::MAX, 1, |_| ()).is_complete, "nothing is left");
}

#[test]
fn advance_some_is_bounded_over_all_shards() {
    let wheel = wheel().with_shards(4);
    let timers: Vec<_> = std::thread::scope(|scope| {
        let insert = |_| scope.spawn(|| (0..50).map(|n| wheel.insert(n, n).unwrap()).collect());
        let threads: Vec<_> = (0..8).map(insert).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<Vec<_>>>()
    });
    let mut fired = 0;
    while fired < 400 {
        let advanced = wheel.advance_some(49, 3, |_| ());
        assert!(advanced.fired <= 3);
        fired += advanced.fired;
        assert_eq!(wheel.len(), 400 - fired);
        assert!(!advanced.is_complete || fired == 400);
    }
    drop(timers);
}

#[test]
fn sweep_frees_the_cancelled_and_fires_nothing() {
    let wheel = wheel();
    let timers: Vec<_> = (0..1000).map(|n| wheel.insert(1000 * n, n).unwrap()).collect();
    let (kept, cancelled): (Vec<_>, Vec<_>) =
        timers.into_iter().enumerate().partition(|(n, _)| n % 4 == 0);
    drop(cancelled);
    assert_eq!((wheel.len(), wheel.linked()), (250, 1000), "they stay linked until met");
    assert_eq!(wheel.sweep(0), 750);
    assert_eq!((wheel.len(), wheel.linked()), (250, 250));
    assert_eq!(wheel.sweep(u64::MAX), 0, "what is due is not a sweep's business");
    assert!(sorted(wheel.expired(999_000)).into_iter().eq((0..1000).step_by(4)));
    drop(kept);
}
