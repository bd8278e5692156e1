#![cfg(not(feature = "loom"))]
//! Only an insert that needs more nodes than there ever were allocates.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::hint::black_box;

use counting_alloc::{CountingAlloc, allocator_calls};
use headcount::{ManualClock, Timer, TimerWheel};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

const TIMERS: u64 = 10_000;

type Handles = Vec<Timer<u64, ManualClock>>;

fn wheel() -> (TimerWheel<u64, ManualClock>, Handles) {
    (TimerWheel::new(ManualClock::new()), Vec::with_capacity(TIMERS as usize))
}

/// Over several levels of the wheel, each timer at a tick of its own.
fn idle(n: u64) -> u64 {
    10 + n * 37
}

fn fill(wheel: &TimerWheel<u64, ManualClock>, now: u64, into: &mut Handles) {
    into.extend((0..TIMERS).map(|n| wheel.insert_at(now, idle(n), n).unwrap()));
}

#[test]
fn touch_hold_and_cancel_never_call_the_allocator() {
    let (wheel, mut timers) = wheel();
    fill(&wheel, 0, &mut timers);
    let calls = allocator_calls(|| {
        for now in 0..20 {
            wheel.clock().set(now);
            for timer in &timers {
                timer.touch().unwrap();
                timer.touch_at(now / 2).unwrap();
                let hold = timer.hold().unwrap();
                timer.hold().unwrap().release_at(now + 1);
                drop(hold);
                black_box(timer.deadline());
            }
        }
        for timer in timers.drain(..TIMERS as usize / 2) {
            assert!(timer.cancel().is_some());
        }
        timers.clear();
    });
    assert_eq!((calls, wheel.len()), (0, 0));
}

#[test]
fn advance_and_sweep_never_call_the_allocator() {
    let (wheel, mut timers) = wheel();
    fill(&wheel, 0, &mut timers);
    timers.iter().step_by(3).for_each(|timer| timer.touch_at(1000).unwrap());
    let mut nth = 0;
    timers.retain(|_| {
        nth += 1;
        nth % 5 != 0
    });
    let mut fired = 0;
    let calls = allocator_calls(|| {
        for now in (0..idle(TIMERS) / 2).step_by(50) {
            fired += wheel.advance(now, |payload| _ = black_box(payload));
            fired += wheel.advance_some(now + 25, 100, |payload| _ = black_box(payload)).fired;
            black_box((wheel.next_deadline(), wheel.len(), wheel.linked(), wheel.nodes()));
        }
        wheel.sweep(idle(TIMERS) / 2);
        fired += wheel.advance(u64::MAX, |payload| _ = black_box(payload));
    });
    assert_eq!((calls, fired), (0, timers.len()));
}

#[test]
fn insert_does_not_call_the_allocator_once_the_arena_is_warm() {
    let (wheel, mut timers) = wheel();
    let mut now = 0;
    let mut rounds = |rounds| {
        for _ in 0..rounds {
            // Cancelled before their time.
            fill(&wheel, now, &mut timers);
            timers.clear();
            // Fired.
            fill(&wheel, now, &mut timers);
            now += idle(TIMERS);
            assert_eq!(wheel.advance(now, |payload| _ = black_box(payload)), TIMERS as usize);
            timers.clear();
        }
    };
    // Until there are as many nodes as there may be.
    rounds(64);
    let nodes = wheel.nodes();
    assert_eq!(allocator_calls(|| rounds(20)), 0);
    assert_eq!(wheel.nodes(), nodes, "nor was there room kept for more");
}

#[test]
fn churn_does_not_call_the_allocator_once_the_arena_is_warm() {
    let (wheel, mut timers) = wheel();
    fill(&wheel, 0, &mut timers);
    let calls = allocator_calls(|| {
        for turn in 0..100 * TIMERS {
            let at = (turn % TIMERS) as usize;
            drop(timers.swap_remove(at));
            timers.push(wheel.insert_at(turn / 100, 400_000, turn).unwrap());
        }
    });
    assert_eq!((calls, wheel.nodes()), (0, TIMERS as usize));
}

#[test]
fn the_count_sees_an_insert_into_a_cold_arena() {
    let (wheel, mut timers) = wheel();
    assert!(allocator_calls(|| fill(&wheel, 0, &mut timers)) > 0);
}
