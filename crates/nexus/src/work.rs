//! What is timed, and the rounds. Read after `timers.rs`.

use std::time::{Duration, Instant};

use crate::timers::{Ours, Theirs, Timers};

/// The idle time of most timers, and the time over which the inserts are spread.
const IDLE: u64 = 300_000;

/// The ticks from one advance to the next.
const STEP: u64 = 200;

/// A round does at least so many operations of a kind.
const OPERATIONS: usize = 100_000;

/// How long the timers may idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idles {
    /// All equally long.
    Uniform,
    /// A tenth of them for 1,000 to 30,000 ticks only.
    Mixed,
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Insert,
    Touch,
    Cancel,
    Expiry,
    ExpiryOfTouched,
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub work: Work,
    pub idles: Idles,
    pub live: usize,
}

/// Nanoseconds an operation, of one round.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub ours: f64,
    pub theirs: f64,
}

/// A timer to be, by when it is inserted.
#[derive(Clone, Copy)]
struct Plan<T: Timers> {
    tick: u64,
    idle: u64,
    at: T::Moment,
    span: T::Span,
}

/// A wheel, its timers and what is known of them.
struct Filled<T: Timers> {
    wheel: T,
    plans: Vec<Plan<T>>,
    timers: Vec<T::Timer>,
}

impl Idles {
    fn draw(self, random: &mut fastrand::Rng) -> u64 {
        match self {
            Self::Mixed if random.u8(..10) == 0 => random.u64(1_000..=30_000),
            _ => IDLE,
        }
    }
}

impl<T: Timers> Filled<T> {
    /// The same timers for either wheel, and how long their inserts take.
    fn new(live: usize, idles: Idles) -> (Self, Duration) {
        let (mut wheel, mut random) = (T::new(), fastrand::Rng::with_seed(1));
        let plans: Vec<_> = (0..live as u64)
            .map(|id| {
                let (tick, idle) = (id * IDLE / live as u64, idles.draw(&mut random));
                Plan { tick, idle, at: wheel.moment(tick), span: T::span(idle) }
            })
            .collect();
        let mut timers = Vec::with_capacity(live);
        let began = Instant::now();
        for (id, plan) in (0..).zip(&plans) {
            timers.push(wheel.insert(plan.at, plan.span, id));
        }
        let took = began.elapsed();
        (Self { wheel, plans, timers }, took)
    }

    /// Touches of timers at random, as many as there are, the tick another one each
    /// time.
    fn touch_at_random(&mut self) -> Duration {
        let mut random = fastrand::Rng::with_seed(2);
        let draws: Vec<_> = (0..self.timers.len())
            .map(|nth| (random.usize(..self.timers.len()), self.wheel.moment(IDLE + nth as u64)))
            .collect();
        let began = Instant::now();
        for (nth, now) in draws {
            self.wheel.touch(&mut self.timers[nth], now, self.plans[nth].span);
        }
        began.elapsed()
    }

    /// Touches each once, when half of its idle time is over.
    fn touch_each(&mut self) {
        for (timer, plan) in self.timers.iter_mut().zip(&mut self.plans) {
            plan.tick += plan.idle / 2;
            self.wheel.touch(timer, self.wheel.moment(plan.tick), plan.span);
        }
    }

    /// All of them, in no order.
    fn cancel_all(&mut self) -> Duration {
        fastrand::Rng::with_seed(3).shuffle(&mut self.timers);
        let began = Instant::now();
        self.timers.drain(..).for_each(|timer| self.wheel.cancel(timer));
        began.elapsed()
    }

    /// Advances until all have expired. A wheel that expires some early, late, twice or
    /// never is not compared.
    fn expire_all(&mut self) -> Duration {
        let mut due: Vec<_> = self.plans.iter().map(|plan| plan.tick + plan.idle).collect();
        due.sort_unstable();
        let (mut now, mut fired, mut took) = (0, 0, Duration::ZERO);
        while fired < due.len() {
            now += STEP;
            let at = self.wheel.moment(now);
            let began = Instant::now();
            fired += self.wheel.advance(at);
            took += began.elapsed();
            let is_due = due.partition_point(|&deadline| deadline <= now);
            assert_eq!(fired, is_due, "handed out at tick {now}, and due");
        }
        took
    }

    fn let_go(mut self) {
        self.timers.drain(..).for_each(|timer| self.wheel.let_go(timer));
    }
}

impl Row {
    /// How long it takes with a wheel of its own.
    fn once<T: Timers>(self) -> Duration {
        let (mut filled, inserts) = Filled::<T>::new(self.live, self.idles);
        let took = match self.work {
            Work::Insert => inserts,
            Work::Touch => filled.touch_at_random(),
            Work::Cancel => filled.cancel_all(),
            Work::Expiry => filled.expire_all(),
            Work::ExpiryOfTouched => {
                filled.touch_each();
                filled.expire_all()
            }
        };
        if matches!(self.work, Work::Insert | Work::Touch) {
            filled.cancel_all();
        }
        filled.let_go();
        took
    }

    fn nanos_each<T: Timers>(self) -> f64 {
        let times = OPERATIONS.div_ceil(self.live);
        let took: Duration = (0..times).map(|_| self.once::<T>()).sum();
        took.as_nanos() as f64 / (times * self.live) as f64
    }

    /// The wheels take turns to be first.
    pub fn rounds(self, rounds: usize) -> Vec<Round> {
        let round = |nth: usize| {
            if nth.is_multiple_of(2) {
                let ours = self.nanos_each::<Ours>();
                Round { ours, theirs: self.nanos_each::<Theirs>() }
            } else {
                let theirs = self.nanos_each::<Theirs>();
                Round { ours: self.nanos_each::<Ours>(), theirs }
            }
        };
        (0..rounds).map(round).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expire_all` asserts after each advance that what was due has been handed out.
    #[test]
    fn both_wheels_expire_all_that_is_due_and_nothing_else() {
        for idles in [Idles::Uniform, Idles::Mixed] {
            for work in [Work::Expiry, Work::ExpiryOfTouched] {
                let row = Row { work, idles, live: 3_000 };
                assert!(row.once::<Ours>() > Duration::ZERO);
                assert!(row.once::<Theirs>() > Duration::ZERO);
            }
        }
    }

    #[test]
    #[should_panic(expected = "handed out at tick")]
    fn a_wheel_that_misses_a_timer_is_found_out() {
        let (mut filled, _) = Filled::<Ours>::new(100, Idles::Uniform);
        let missing = filled.timers.pop().expect("there are 100");
        filled.wheel.cancel(missing);
        filled.expire_all();
    }

    #[test]
    fn every_row_takes_time() {
        for work in [Work::Insert, Work::Touch, Work::Cancel] {
            for round in (Row { work, idles: Idles::Mixed, live: 1_000 }).rounds(2) {
                assert!(round.ours > 0.0 && round.theirs > 0.0, "{work:?}: {round:?}");
            }
        }
    }
}
