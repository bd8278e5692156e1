//! What the two wheels have in common, and the wheels. Read after `main.rs`.
//!
//! A tick is a millisecond. Each wheel is given times in its own form, made before
//! anything is timed, and hands out what is due in the form that it has for that: ours
//! calls a function, nexus-timer fills a vector.

use std::hint::black_box;
use std::time::{Duration, Instant};

use headcount::{ManualClock, Timer, TimerWheel};
use nexus_timer::{TimerHandle, Wheel};

/// Timers that can be touched and cancelled, and that expire.
pub trait Timers: Sized {
    /// A point in time.
    type Moment: Copy;
    /// A span of time.
    type Span: Copy;
    /// How the owner of a timer reaches it.
    type Timer;

    fn new() -> Self;
    fn moment(&self, tick: u64) -> Self::Moment;
    fn span(ticks: u64) -> Self::Span;

    fn insert(&mut self, now: Self::Moment, idle: Self::Span, id: u64) -> Self::Timer;

    /// Now the timer, which idles for `idle`, expires at `now + idle`.
    fn touch(&mut self, timer: &mut Self::Timer, now: Self::Moment, idle: Self::Span);

    fn cancel(&mut self, timer: Self::Timer);

    /// How many were due and are handed out.
    fn advance(&mut self, now: Self::Moment) -> usize;

    /// The owner of a timer that has fired lets go of it.
    fn let_go(&mut self, timer: Self::Timer);
}

/// Ours, of one shard.
pub type Ours = TimerWheel<u64, ManualClock>;

impl Timers for Ours {
    type Moment = u64;
    type Span = u64;
    type Timer = Timer<u64, ManualClock>;

    fn new() -> Self {
        Self::new(ManualClock::new()).with_shards(1)
    }

    fn moment(&self, tick: u64) -> u64 {
        tick
    }

    fn span(ticks: u64) -> u64 {
        ticks
    }

    fn insert(&mut self, now: u64, idle: u64, id: u64) -> Self::Timer {
        self.insert_at(now, idle, id).expect("there is room")
    }

    fn touch(&mut self, timer: &mut Self::Timer, now: u64, _idle: u64) {
        timer.touch_at(now).expect("it lives");
    }

    fn cancel(&mut self, timer: Self::Timer) {
        black_box(timer.cancel().expect("it lives"));
    }

    fn advance(&mut self, now: u64) -> usize {
        Self::advance(self, now, |payload| _ = black_box(payload))
    }

    fn let_go(&mut self, timer: Self::Timer) {
        drop(timer);
    }
}

/// That of nexus-timer as it is by default: it grows by 4096 timers, and moves what
/// is not due yet to finer levels as it advances.
pub struct Theirs {
    wheel: Wheel<u64>,
    epoch: Instant,
    due: Vec<u64>,
}

impl Timers for Theirs {
    type Moment = Instant;
    type Span = Duration;
    /// `None` only while it is rescheduled.
    type Timer = Option<TimerHandle<u64>>;

    fn new() -> Self {
        let epoch = Instant::now();
        Self { wheel: Wheel::unbounded(4096, epoch), epoch, due: Vec::new() }
    }

    fn moment(&self, tick: u64) -> Instant {
        self.epoch + Self::span(tick)
    }

    fn span(ticks: u64) -> Duration {
        Duration::from_millis(ticks)
    }

    fn insert(&mut self, now: Instant, idle: Duration, id: u64) -> Self::Timer {
        Some(self.wheel.schedule(now + idle, id))
    }

    /// Theirs is called `reschedule`, and keeps the value where it is.
    fn touch(&mut self, timer: &mut Self::Timer, now: Instant, idle: Duration) {
        let handle = timer.take().expect("it lives");
        *timer = Some(self.wheel.reschedule(handle, now + idle));
    }

    fn cancel(&mut self, timer: Self::Timer) {
        let payload = self.wheel.cancel(timer.expect("it lives"));
        black_box(payload.expect("it lives"));
    }

    fn advance(&mut self, now: Instant) -> usize {
        let fired = self.wheel.poll_and_rebalance(now, &mut self.due);
        self.due.drain(..).for_each(|payload| _ = black_box(payload));
        fired
    }

    fn let_go(&mut self, timer: Self::Timer) {
        self.wheel.free(timer.expect("it is here"));
    }
}
