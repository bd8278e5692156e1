#![cfg(not(feature = "loom"))]
//! What the timer wheel promises, by example: when a timer fires, and when not.

use headcount::{Clock, HoldError, ManualClock, TimerWheel};

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
fn a_timer_fires_at_its_tick_and_not_one_before() {
    let edges = (1..8).flat_map(|level| [64_u64.pow(level) - 1, 64_u64.pow(level)]);
    for start in [0, 1, 63, 64, 4095, 1_000_003, 1 << 40] {
        for idle in edges.clone().chain([0, 1, 2, 100, 300_000]) {
            let wheel = wheel();
            let timer = wheel.insert_at(start, idle, 7).unwrap();
            assert_eq!(timer.deadline(), Some(start + idle));
            if let Some(before) = (start + idle).checked_sub(1) {
                assert_eq!(wheel.expired(before), [], "{start} + {idle}");
            }
            assert_eq!(wheel.expired(start + idle), [7], "{start} + {idle}");
            assert_eq!(wheel.expired(start + idle), [], "once");
            assert_eq!(timer.deadline(), None);
        }
    }
}

#[test]
fn every_tick_fires_its_own_timers() {
    let wheel = wheel();
    let _timers: Vec<_> = (0..10_000).map(|n| wheel.insert(n / 2, n).unwrap()).collect();
    for now in 0..5000 {
        assert_eq!(sorted(wheel.expired(now)), [2 * now, 2 * now + 1]);
    }
    assert!(wheel.is_empty());
}

#[test]
fn insert_reads_the_clock() {
    let wheel = wheel();
    wheel.clock().set(100);
    let timer = wheel.insert(10, 7).unwrap();
    assert_eq!(timer.deadline(), Some(110));
    assert_eq!(wheel.clock().now(), 100);
}

#[test]
fn touch_puts_a_timer_off_and_never_shortens_it() {
    let wheel = wheel();
    let timer = wheel.insert(10, 7).unwrap();
    timer.touch_at(5).unwrap();
    assert_eq!(timer.deadline(), Some(15));
    timer.touch_at(2).unwrap();
    assert_eq!(timer.deadline(), Some(15), "a touch from the past");
    assert_eq!(wheel.expired(14), []);
    wheel.clock().set(14);
    timer.touch().unwrap();
    assert_eq!(wheel.expired(23), []);
    assert_eq!(wheel.expired(24), [7]);
    assert!(timer.touch().is_err(), "it fired");
    assert!(timer.touch_at(u64::MAX).is_err());
    assert_eq!(timer.deadline(), None);
}

/// `touch_at_expiry`: at the instant at which a timer expires, either the
/// touch or the advance comes first.
#[test]
fn touch_at_expiry() {
    let wheel = wheel();
    let touched = wheel.insert(10, 1).unwrap();
    let fired = wheel.insert(10, 2).unwrap();
    touched.touch_at(10).unwrap();
    assert_eq!(wheel.expired(10), [2]);
    assert!(fired.touch_at(10).is_err(), "expired once");
    assert_eq!(wheel.expired(19), [], "it lives a full period");
    assert_eq!(wheel.expired(20), [1]);
    assert_eq!(wheel.expired(u64::MAX), []);
}

#[test]
fn a_thousand_touches_cost_no_firing() {
    let wheel = wheel();
    let timer = wheel.insert(100, 7).unwrap();
    for now in (0..100_000).step_by(99) {
        assert_eq!(wheel.expired(now), []);
        timer.touch_at(now).unwrap();
    }
    assert_eq!(wheel.linked(), 1);
}

/// `idle_from_end`: work that takes longer than the idle timeout is not cut
/// off, and the idle time starts at its end.
#[test]
fn idle_from_end() {
    let wheel = wheel();
    let timer = wheel.insert(10, 7).unwrap();
    let held = timer.hold().unwrap();
    for now in 0..1000 {
        assert_eq!(wheel.expired(now), [], "held at {now}");
    }
    wheel.clock().set(1000);
    drop(held);
    assert_eq!(timer.deadline(), Some(1010));
    assert_eq!(wheel.expired(1009), []);
    assert_eq!(wheel.expired(1010), [7]);
    assert!(matches!(timer.hold(), Err(HoldError::Expired)));
}

#[test]
fn the_last_of_several_holds_counts() {
    let wheel = wheel();
    let timer = wheel.insert(10, 7).unwrap();
    let (first, second) = (timer.hold().unwrap(), timer.hold().unwrap());
    first.release_at(100);
    assert_eq!(wheel.expired(150), [], "one hold is left");
    second.release_at(200);
    assert_eq!(timer.deadline(), Some(210));
}

#[test]
fn a_release_never_shortens() {
    let wheel = wheel();
    let timer = wheel.insert(1000, 7).unwrap();
    timer.touch_at(500).unwrap();
    timer.hold().unwrap().release_at(20);
    assert_eq!(timer.deadline(), Some(1500));
    assert_eq!(wheel.expired(1499), []);
    assert_eq!(wheel.expired(1500), [7]);
}

#[test]
fn a_held_timer_that_is_always_due_stops_no_advance() {
    let wheel = wheel();
    let timer = wheel.insert(0, 7).unwrap();
    let held = timer.hold().unwrap();
    for now in [0, 1, MAX_TICK, u64::MAX] {
        assert_eq!(wheel.expired(now), []);
    }
    held.release_at(u64::MAX);
    assert_eq!(timer.deadline(), Some(MAX_TICK));
    assert_eq!(wheel.expired(MAX_TICK), [7]);
}

#[test]
fn holds_are_counted_up_to_their_limit() {
    const MOST: usize = 131_070;
    let wheel = wheel();
    let timer = wheel.insert(10, 7).unwrap();
    let mut holds: Vec<_> = (0..MOST).map(|_| timer.hold().unwrap()).collect();
    assert!(matches!(timer.hold(), Err(HoldError::TooMany)));
    assert_eq!(timer.deadline(), Some(10), "a refused hold changes nothing");
    holds.pop();
    holds.push(timer.hold().unwrap());
    assert_eq!(wheel.expired(1000), []);
    drop(holds);
    assert_eq!(wheel.expired(2000), [7]);
}

#[test]
fn what_is_already_due_fires_at_the_next_advance() {
    let wheel = wheel();
    assert_eq!(wheel.expired(1000), []);
    let _past = wheel.insert_at(100, 10, 1).unwrap();
    let _now = wheel.insert_at(1000, 0, 2).unwrap();
    assert!(wheel.next_deadline().is_some_and(|next| next <= 110));
    assert_eq!(sorted(wheel.expired(1000)), [1, 2]);
}

#[test]
fn a_clock_that_goes_back_fires_nothing_early_and_loses_nothing() {
    let wheel = wheel();
    let _late = wheel.insert_at(0, 5000, 1).unwrap();
    assert_eq!(wheel.expired(4000), []);
    let _soon = wheel.insert_at(100, 10, 2).unwrap();
    assert_eq!(wheel.expired(109), [], "the clock went back");
    assert_eq!(wheel.expired(110), [2], "due by the clock it was given");
    assert_eq!(wheel.expired(4999), []);
    assert_eq!(wheel.expired(5000), [1]);
}

#[test]
fn a_jump_of_years_is_one_advance() {
    for jump in [1 << 41, (1 << 44) - 1, 1 << 44, u64::MAX - 1, u64::MAX] {
        let wheel = wheel();
        let timers: Vec<_> = (0..1000).map(|n| wheel.insert(n * n * n, n).unwrap()).collect();
        let far = wheel.insert(MAX_TICK, 1000).unwrap();
        let fired = sorted(wheel.expired(jump));
        let all = if jump < MAX_TICK { 1000 } else { 1001 };
        assert!(fired.into_iter().eq(0..all), "after a jump to {jump}");
        // And it goes on from there.
        let next = wheel.insert_at(jump, 5, 7).unwrap();
        assert_eq!(next.deadline(), Some(jump.saturating_add(5).min(MAX_TICK)));
        assert!(wheel.expired(jump.saturating_add(5)).contains(&7));
        drop((timers, far));
    }
}

#[test]
fn deadlines_beyond_the_horizon_are_the_horizon() {
    let wheel = wheel();
    for (now, idle) in [(0, u64::MAX), (u64::MAX, u64::MAX), (MAX_TICK, 1), (1, MAX_TICK)] {
        let timer = wheel.insert_at(now, idle, 7).unwrap();
        assert_eq!(timer.deadline(), Some(MAX_TICK));
        timer.touch_at(u64::MAX).unwrap();
        assert_eq!(timer.deadline(), Some(MAX_TICK));
        assert_eq!(wheel.expired(MAX_TICK - 1), []);
        assert_eq!(wheel.expired(MAX_TICK), [7]);
    }
}

#[test]
fn shards_are_a_power_of_two_within_bounds() {
    for (asked, given) in [(1, 1), (2, 2), (3, 4), (5, 8), (33, 64), (64, 64)] {
        assert_eq!(wheel().with_shards(asked).shards(), given, "asked for {asked}");
    }
    let shards = wheel().shards();
    assert!(shards.is_power_of_two() && shards <= 16);
    for asked in [0, 65, usize::MAX] {
        assert!(std::panic::catch_unwind(|| wheel().with_shards(asked)).is_err());
    }
}
