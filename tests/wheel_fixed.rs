#![cfg(not(feature = "loom"))]
//! The second deadline of a timer, by example: what puts it off, and what not.

use headcount::{Deadline, Deadlines, FixedDeadline, HoldError, ManualClock, TimerWheel};

type Wheel = TimerWheel<u64, ManualClock>;

const MAX_TICK: u64 = Wheel::MAX_TICK;

fn wheel() -> Wheel {
    TimerWheel::new(ManualClock::new())
}

/// Idle for so long, and due in any case after so long.
fn either(idle: u64, fixed: u64) -> Deadlines {
    Deadlines { idle, fixed: FixedDeadline::After(fixed) }
}

fn later(idle: u64, least: u64) -> Deadlines {
    Deadlines { idle, fixed: FixedDeadline::Later(least) }
}

fn fired(wheel: &Wheel, now: u64) -> Vec<(u64, Deadline)> {
    let mut fired = Vec::new();
    wheel.advance_with_deadline(now, |payload, by| fired.push((payload, by)));
    fired
}

const FIXED: [(u64, Deadline); 1] = [(7, Deadline::Fixed)];
const IDLE: [(u64, Deadline); 1] = [(7, Deadline::Idle)];

#[test]
fn a_timer_fires_by_the_earlier_of_its_deadlines() {
    let edges = (1..8).flat_map(|level| [64_u64.pow(level) - 1, 64_u64.pow(level)]);
    for start in [0, 1, 63, 64, 1_000_003, 1 << 40] {
        for first in edges.clone().chain([1, 2, 100, 300_000]) {
            for (deadlines, by) in
                [(either(first, first + 1), IDLE), (either(first + 1, first), FIXED)]
            {
                let wheel = wheel();
                let timer = wheel.insert_with_at(start, deadlines, 7).unwrap();
                assert_eq!(timer.expired_by(), None);
                assert_eq!(fired(&wheel, start + first - 1), []);
                assert_eq!(fired(&wheel, start + first), by, "{start} + {first}");
                assert_eq!(timer.expired_by(), Some(by[0].1));
                assert_eq!(timer.fixed_deadline(), None, "it has fired");
            }
        }
    }
}

#[test]
fn of_two_that_have_passed_the_earlier_one_is_told() {
    for (deadlines, by) in
        [(either(10, 20), IDLE), (either(20, 10), FIXED), (either(10, 10), FIXED)]
    {
        let wheel = wheel();
        let _timer = wheel.insert_with(deadlines, 7).unwrap();
        assert_eq!(fired(&wheel, 1000), by, "{deadlines:?}");
    }
}

#[test]
fn touches_do_not_put_a_fixed_deadline_off() {
    let wheel = wheel();
    let timer = wheel.insert_with(either(10, 1000), 7).unwrap();
    for now in 0..1000 {
        assert_eq!(fired(&wheel, now), []);
        timer.touch_at(now).unwrap();
    }
    assert_eq!(timer.deadline(), Some(1009));
    assert_eq!(fired(&wheel, 1000), FIXED);
    assert!(timer.touch_at(1000).is_err());
}

#[test]
fn a_hold_does_not_put_a_fixed_deadline_off() {
    let wheel = wheel();
    let timer = wheel.insert_with(either(10, 1000), 7).unwrap();
    let held = timer.hold().unwrap();
    for now in 0..1000 {
        assert_eq!(fired(&wheel, now), [], "held at {now}");
    }
    assert_eq!(fired(&wheel, 1000), FIXED);
    assert!(matches!(timer.hold(), Err(HoldError::Expired)));
    held.release_at(1000);
    assert!(wheel.is_empty());
}

/// The time that a handshake may take, then the lifetime.
#[test]
fn a_fixed_deadline_moves_later() {
    let wheel = wheel();
    let timer = wheel.insert_with(either(300, 30), 7).unwrap();
    let held = timer.hold().unwrap();
    assert_eq!(fired(&wheel, 29), []);
    held.release_with_fixed_deadline(29, Some(3000)).unwrap();
    assert_eq!((timer.fixed_deadline(), timer.deadline()), (Some(3000), Some(329)));
    for now in 30..3000 {
        assert_eq!(fired(&wheel, now), []);
        timer.touch_at(now).unwrap();
    }
    assert_eq!(fired(&wheel, 3000), FIXED);
    assert!(timer.set_fixed_deadline(Some(4000)).is_err());
    assert_eq!(timer.fixed_deadline(), None);
}

#[test]
fn a_fixed_deadline_is_taken_away() {
    let wheel = wheel();
    let timer = wheel.insert_with(either(300, 30), 7).unwrap();
    timer.set_fixed_deadline(None).unwrap();
    assert_eq!((timer.fixed_deadline(), timer.deadline()), (None, Some(300)));
    assert_eq!(fired(&wheel, 299), []);
    assert_eq!(fired(&wheel, 300), IDLE);
}

#[test]
fn a_fixed_deadline_is_exact_from_the_earlier_deadline_on() {
    for at in [100, 101, 127, 128, 5000] {
        let wheel = wheel();
        let timer = wheel.insert(100, 7).unwrap();
        let _held = timer.hold().unwrap();
        timer.set_fixed_deadline(Some(at)).unwrap();
        assert_eq!(fired(&wheel, at - 1), []);
        assert_eq!(fired(&wheel, at), FIXED);
    }
}

/// Nobody moves the node in the wheel: it is found where it was, and not later.
#[test]
fn an_earlier_one_is_no_later_than_the_deadline_that_was_there() {
    let wheel = wheel();
    let timer = wheel.insert(5000, 7).unwrap();
    timer.set_fixed_deadline(Some(10)).unwrap();
    assert_eq!(timer.fixed_deadline(), Some(10));
    assert_eq!(fired(&wheel, 5000), FIXED);
    // Unless a visitor comes by before.
    let timer = wheel.insert_at(5000, 5000, 7).unwrap();
    timer.set_fixed_deadline(Some(5010)).unwrap();
    wheel.sweep(5000);
    assert_eq!(fired(&wheel, 5009), []);
    assert_eq!(fired(&wheel, 5010), FIXED);
}

/// A reservation stands for a long time before it becomes a session, whose
/// deadline then is exact, however near, wherever the timer is by then.
#[test]
fn a_fixed_deadline_that_was_promised_is_exact() {
    for begun in [0, 1, 29, 30, 31, 64, 100, 1000, 4095, 4096, 10_000] {
        let wheel = wheel();
        let timer = wheel.insert_with(later(5000, 30), 7).unwrap();
        let held = timer.hold().unwrap();
        for now in 0..=begun {
            assert_eq!(fired(&wheel, now), [], "not begun at {now}");
            let next = wheel.next_deadline().unwrap();
            assert!(now < next && next <= now + 30, "looked at by {next}");
        }
        assert_eq!(timer.fixed_deadline(), None);
        held.release_with_fixed_deadline(begun, Some(begun + 30)).unwrap();
        assert_eq!(fired(&wheel, begun + 29), []);
        assert_eq!(fired(&wheel, begun + 30), FIXED);
    }
}

#[test]
fn a_timer_that_waits_for_its_fixed_deadline_is_idle_as_any() {
    let wheel = wheel();
    let _timer = wheel.insert_with(later(100, 30), 7).unwrap();
    assert_eq!(fired(&wheel, 99), []);
    assert_eq!(fired(&wheel, 100), IDLE);
}

/// The node of a timer that was cancelled is used for another, which has no
/// fixed deadline, or another one.
#[test]
fn a_reused_node_has_no_fixed_deadline_of_before() {
    let wheel = wheel().with_shards(1);
    drop(wheel.insert_with(either(100, 10), 1).unwrap());
    let timer = wheel.insert(100, 7).unwrap();
    assert_eq!((wheel.nodes(), timer.fixed_deadline()), (1, None));
    assert_eq!(fired(&wheel, 99), []);
    assert_eq!(fired(&wheel, 100), IDLE);
    drop(timer);
    let _timer = wheel.insert_with_at(100, either(100, 50), 7).unwrap();
    assert_eq!(wheel.nodes(), 1);
    assert_eq!(fired(&wheel, 150), FIXED);
}

/// A cancelled node is no place for a timer whose fixed deadline comes before
/// anybody looks there.
#[test]
fn a_node_that_is_linked_after_the_fixed_deadline_is_not_reused() {
    let wheel = wheel().with_shards(1);
    drop(wheel.insert(5000, 1).unwrap());
    let _timer = wheel.insert_with(either(5000, 10), 7).unwrap();
    assert_eq!(fired(&wheel, 10), FIXED);
    drop(wheel.insert_at(10, 5000, 1).unwrap());
    let timer = wheel.insert_with_at(10, later(5000, 10), 7).unwrap();
    timer.set_fixed_deadline(Some(20)).unwrap();
    assert_eq!(fired(&wheel, 20), FIXED);
}

#[test]
fn next_deadline_knows_the_fixed_ones() {
    let wheel = wheel();
    let timer = wheel.insert_with(either(1000, 50), 7).unwrap();
    assert!(wheel.next_deadline().is_some_and(|next| next <= 50));
    timer.touch_at(20).unwrap();
    assert_eq!(fired(&wheel, 49), []);
    assert_eq!(wheel.next_deadline(), Some(50));
    timer.set_fixed_deadline(Some(90)).unwrap();
    assert_eq!(fired(&wheel, 50), []);
    assert!(wheel.next_deadline().is_some_and(|next| 50 < next && next <= 90));
}

#[test]
fn a_fixed_deadline_beyond_the_horizon_is_the_horizon() {
    let wheel = wheel();
    for now in [0, 5, MAX_TICK] {
        let deadlines = either(u64::MAX, u64::MAX);
        let timer = wheel.insert_with_at(now, deadlines, 7).unwrap();
        assert_eq!(timer.fixed_deadline(), Some(MAX_TICK));
        timer.set_fixed_deadline(Some(u64::MAX)).unwrap();
        assert_eq!(timer.fixed_deadline(), Some(MAX_TICK));
        let _held = timer.hold().unwrap();
        assert_eq!(fired(&wheel, MAX_TICK - 1), []);
        assert_eq!(fired(&wheel, u64::MAX), FIXED);
    }
    let _timer = wheel.insert_with(later(u64::MAX, u64::MAX), 7).unwrap();
    assert_eq!(fired(&wheel, MAX_TICK - 1), []);
    assert_eq!(fired(&wheel, MAX_TICK), IDLE);
}

#[test]
fn a_timer_that_its_wheel_took_along_has_expired_by_neither() {
    let wheel = wheel();
    let timer = wheel.insert_with(either(10, 20), 7).unwrap();
    drop(wheel);
    assert_eq!((timer.expired_by(), timer.fixed_deadline()), (None, None));
    assert!(timer.set_fixed_deadline(Some(30)).is_err());
}
