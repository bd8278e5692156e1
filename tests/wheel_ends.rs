#![cfg(not(feature = "loom"))]
//! How a payload leaves the timer wheel other than by firing: cancelled, turned
//! away, or dropped with the wheel. And which payloads there can be.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use headcount::{
    Clock, Expired, Hold, HoldError, ManualClock, SystemClock, Timer, TimerWheel, WheelFull,
};

fn wheel<T>() -> TimerWheel<T, ManualClock> {
    TimerWheel::new(ManualClock::new())
}

#[test]
fn cancel_gives_the_payload_back_at_once() {
    let (wheel, payload) = (wheel(), Rc::new(7));
    let timer = wheel.insert(10, Rc::clone(&payload)).unwrap();
    assert_eq!(timer.cancel().as_deref(), Some(&7));
    assert_eq!(Rc::strong_count(&payload), 1);
    assert_eq!(wheel.len(), 0);

    let dropped = wheel.insert(1 << 40, Rc::clone(&payload)).unwrap();
    assert_eq!(Rc::strong_count(&payload), 2);
    drop(dropped);
    assert_eq!(Rc::strong_count(&payload), 1, "gone with its timer, not with its tick");
    assert!(wheel.expired(u64::MAX).is_empty());
}

#[test]
fn what_fired_cannot_be_cancelled() {
    let (wheel, payload) = (wheel(), Rc::new(7));
    let timer = wheel.insert(10, Rc::clone(&payload)).unwrap();
    let fired = wheel.expired(10);
    assert_eq!((fired.len(), Rc::strong_count(&payload)), (1, 2));
    assert_eq!(timer.cancel(), None);
}

#[test]
fn a_full_wheel_gives_the_payload_back() {
    let wheel = wheel().with_shards(1).with_max_timers(3);
    let payload = Rc::new(7);
    let mut timers: Vec<_> =
        (1..=3).map(|n| wheel.insert(1000 / n, Rc::clone(&payload)).unwrap()).collect();
    for round in 0..100 {
        let full = wheel.insert(5, Rc::clone(&payload)).expect_err("three are live");
        assert_eq!(full.to_string(), "the wheel is full");
        let back: Rc<i32> = full.into_payload();
        drop(back);
        assert_eq!((wheel.len(), Rc::strong_count(&payload)), (3, 4), "round {round}");
        // One leaves, this way or that: there is room for one.
        let timer = timers.remove(0);
        if round % 2 == 0 {
            assert!(timer.cancel().is_some());
        } else {
            let now = timer.deadline().unwrap();
            assert_eq!(wheel.expired(now).len() + wheel.len(), 3);
            drop(timer);
        }
        // The handle of a timer that fired takes room until it is dropped.
        timers.retain(|timer| timer.deadline().is_some());
        while wheel.len() < 3 {
            let idle = wheel.clock().now() + 100_000 - 900 * round;
            timers.push(wheel.insert(idle, Rc::clone(&payload)).expect("there is room"));
        }
    }
}

#[test]
fn shards_share_the_most_there_may_be() {
    let wheel = wheel().with_shards(4).with_max_timers(8);
    let timers: Vec<_> = (0..100).map_while(|n| wheel.insert(10, n).ok()).collect();
    assert!((2..=8).contains(&timers.len()), "{} timers", timers.len());
    assert_eq!(wheel.len(), timers.len());
}

/// Says where it is dropped by a count.
struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_wheel_takes_its_payloads_with_it_and_leaves_inert_timers() {
    let (wheel, drops) = (wheel(), Rc::new(Cell::new(0)));
    let timers: Vec<_> =
        (0..100).map(|n| wheel.insert(n * n, Counted(Rc::clone(&drops))).unwrap()).collect();
    let held = timers[99].hold().unwrap();
    assert_eq!(wheel.advance(24, |_| ()), 5);
    drop(wheel);
    assert_eq!(drops.get(), 100);
    drop(held);
    for timer in timers {
        assert!(timer.touch().is_err());
        assert!(matches!(timer.hold(), Err(HoldError::Expired)));
        assert_eq!(timer.deadline(), None);
        assert!(timer.cancel().is_none());
    }
    assert_eq!(drops.get(), 100, "once each");
}

#[test]
fn timers_outlive_the_wheel_on_other_threads() {
    for _ in 0..50 {
        let (wheel, start) = (wheel(), Barrier::new(3));
        let payload = Arc::new(());
        let mut own: Vec<Vec<_>> = (0..2)
            .map(|_| (0..200).map(|n| wheel.insert(n, Arc::clone(&payload)).unwrap()).collect())
            .collect();
        let (mut cancelled, mut touched) = (0, 0);
        std::thread::scope(|scope| {
            let threads: Vec<_> = own
                .drain(..)
                .map(|timers| {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        let touched = timers.iter().filter(|timer| timer.touch_at(9).is_ok());
                        let touched = touched.count();
                        let cancelled = timers.into_iter().filter_map(Timer::cancel);
                        (cancelled.count(), touched)
                    })
                })
                .collect();
            start.wait();
            drop(wheel);
            for thread in threads {
                let (some, of) = thread.join().unwrap();
                assert!(some <= of, "a timer was inert and then was not");
                (cancelled, touched) = (cancelled + some, touched + of);
            }
        });
        assert!(cancelled <= touched && touched <= 400);
        assert_eq!(Arc::strong_count(&payload), 1, "{cancelled} cancelled, the others dropped");
    }
}

/// A session that keeps its own timer, as sessions do.
struct Session {
    timer: RefCell<Option<Timer<Rc<Session>, ManualClock>>>,
    drops: Rc<Cell<usize>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
    }
}

#[test]
fn a_payload_may_own_its_own_timer() {
    let (wheel, drops) = (wheel(), Rc::new(Cell::new(0)));
    for n in 0..10 {
        let session = Rc::new(Session { timer: RefCell::default(), drops: Rc::clone(&drops) });
        let timer = wheel.insert(n, Rc::clone(&session)).unwrap();
        *session.timer.borrow_mut() = Some(timer);
    }
    assert_eq!((wheel.advance(4, drop), drops.get()), (5, 5));
    drop(wheel);
    assert_eq!(drops.get(), 10);
}

#[test]
fn payloads_of_no_size_and_of_much_are_kept_whole() {
    let nothing = wheel();
    let timers: Vec<_> = (0..1000).map(|_| nothing.insert(10, ()).unwrap()).collect();
    assert_eq!(nothing.advance(10, |()| ()), 1000);
    assert!(timers.into_iter().all(|timer| timer.cancel().is_none()));

    #[repr(align(128))]
    struct Large([u64; 500]);
    let large = wheel();
    let insert = |n| large.insert(n, Large([n; 500])).unwrap();
    let mut timers: Vec<_> = (0..300).map(insert).collect();
    let back = timers.pop().and_then(Timer::cancel).unwrap();
    assert!(back.0 == [299; 500]);
    for now in 0..299 {
        let fired = large.expired(now);
        assert!(fired.len() == 1 && fired[0].0 == [now; 500]);
        assert!((&raw const fired[0]).addr() % 128 == 0);
    }
}

#[test]
fn payloads_with_memory_of_their_own_leave_whole() {
    let wheel = wheel();
    for round in 0..3_u64 {
        let name = |n: u64| format!("session {n}");
        let timers: Vec<_> =
            (0..1000).map(|n| wheel.insert_at(round * 1000, n, name(n)).unwrap()).collect();
        let mut fired = wheel.expired(round * 1000 + 499);
        fired.sort_by_key(|name| (name.len(), name.clone()));
        assert!(fired.into_iter().eq((0..500).map(name)));
        let cancelled: Vec<_> = timers.into_iter().filter_map(Timer::cancel).collect();
        assert!(cancelled.into_iter().eq((500..1000).map(name)));
    }
}

#[test]
fn types_are_named_without_helper_generics() {
    #[derive(Debug)]
    struct App {
        wheel: TimerWheel<u64>,
        timer: Option<Timer<u64>>,
    }
    let wheel = TimerWheel::new(SystemClock::default());
    let timer = wheel.insert(1000, 7).unwrap();
    let app = App { wheel, timer: Some(timer) };
    assert!(format!("{app:?}").contains("TimerWheel"));
    assert_eq!(app.timer.and_then(Timer::cancel), Some(7));
    assert!(app.wheel.is_empty());
}

#[test]
fn one_clock_may_drive_several_wheels() {
    let clock = Arc::new(ManualClock::at(5));
    let (first, second) =
        (TimerWheel::new(Arc::clone(&clock)), TimerWheel::new(Arc::clone(&clock)));
    let timers = (first.insert(1, 1).unwrap(), second.insert(2, "two").unwrap());
    clock.advance(1);
    timers.1.touch().unwrap();
    assert_eq!((timers.0.deadline(), timers.1.deadline()), (Some(6), Some(8)));

    let shared: Arc<dyn Clock> = clock;
    let third: TimerWheel<u64, _> = TimerWheel::new(shared);
    assert_eq!(third.insert(1, 1).unwrap().deadline(), Some(7));
}

/// Past the last tick every timer is due, so none of these may get there while it is used.
#[test]
fn a_clock_whose_ticks_run_out_within_a_century_is_refused() {
    /// Has ticks of this length, and stands at this one.
    struct Stands(Duration, u64);
    impl Clock for Stands {
        fn now(&self) -> u64 {
            self.1
        }
        fn tick_length(&self) -> Option<Duration> {
            Some(self.0)
        }
    }
    let is_refused = |micros, now| {
        let clock = Arc::new(Stands(Duration::from_micros(micros), now));
        catch_unwind(AssertUnwindSafe(|| drop(TimerWheel::<u64, _>::new(clock)))).is_err()
    };
    const LAST: u64 = TimerWheel::<u64>::MAX_TICK;
    for (micros, now) in [(1, 0), (179, 0), (180, LAST / 100), (1000, LAST - 1), (1000, u64::MAX)] {
        assert!(is_refused(micros, now), "{micros} us from tick {now}");
    }
    for (micros, now) in [(180, 0), (1000, 0), (1000, LAST / 2)] {
        assert!(!is_refused(micros, now), "{micros} us from tick {now}");
    }
    // As a user has it.
    let clock = SystemClock::new(Duration::from_micros(1));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(TimerWheel::<u64>::new(clock)))).is_err());
}

#[test]
fn errors_are_errors_whatever_the_payload() {
    struct Silent;
    fn is_error<E: std::error::Error>(_: &E) {}
    let wheel = wheel().with_shards(1).with_max_timers(1);
    let timer = wheel.insert(1, Silent).unwrap();
    let Err(full) = wheel.insert(1, Silent) else { panic!("one is live") };
    is_error::<WheelFull<Silent>>(&full);
    assert!(!format!("{full:?}").is_empty());
    wheel.expired(1);
    is_error::<Expired>(&timer.touch().unwrap_err());
    is_error::<HoldError>(&timer.hold().unwrap_err());
}

/// Compiles only where exactly one of two implementations fits: where the type
/// does not implement `Send`.
trait UnlessSend<A> {
    const FITS: () = ();
}

struct IsSend;

impl<T: ?Sized> UnlessSend<()> for T {}
impl<T: ?Sized + Send> UnlessSend<IsSend> for T {}

const _: () = <TimerWheel<Rc<u64>, ManualClock> as UnlessSend<_>>::FITS;
const _: () = <Timer<Rc<u64>, ManualClock> as UnlessSend<_>>::FITS;
const _: () = <Hold<'static, Rc<u64>, ManualClock> as UnlessSend<_>>::FITS;

const _: () = {
    const fn crosses_threads<T: Send + Sync>() {}
    // A payload is moved to one thread or another, and never shared.
    crosses_threads::<TimerWheel<Cell<u64>>>();
    crosses_threads::<Timer<Cell<u64>>>();
    crosses_threads::<Hold<'static, Cell<u64>, SystemClock>>();
    const fn unwinds<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    unwinds::<SystemClock>();
};
