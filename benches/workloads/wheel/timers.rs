//! What the peers have in common: timers that idle, in ticks.

use std::ops::Range;

use tokio::runtime::EnterGuard;

use super::super::scatter;

/// The idle time of most timers.
pub const IDLE: u64 = 300_000;

/// Timers that can be touched.
pub trait Timers: Send + Sync + Sized + 'static {
    /// How the owner of a timer reaches it.
    type Timer: Send;

    /// Room for so many, where room can be asked for, and a few more.
    fn with_room(timers: usize) -> Self;

    /// A thread is inside while it uses the timers. Only some peers care.
    fn enter(&self) -> Option<EnterGuard<'_>> {
        None
    }

    /// No two timers that live at once have the same `id`, and it is below
    /// the room or one of the few more.
    fn insert(&self, now: u64, idle: u64, id: u64) -> Self::Timer;

    /// Now the timer expires at `now + idle`.
    fn touch(&self, timer: &mut Self::Timer, now: u64);
}

/// Timers that can be cancelled, and that expire.
pub trait Wheel: Timers {
    fn cancel(&self, timer: Self::Timer);

    /// Time passes, where a peer has a clock of its own: no work of the peer's.
    fn pass(&self, _now: u64) {}

    /// Hands out every payload that is due; how many those were.
    fn advance(&self, now: u64) -> usize;
}

/// How long the timers may idle.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Idles {
    /// All equally long.
    Uniform,
    /// A tenth of them for 1,000 to 30,000 ticks only.
    Mixed,
}

impl Idles {
    pub fn of(self, id: u64) -> u64 {
        if self == Self::Mixed {
            let draw = scatter(id);
            if draw % 10 == 0 {
                return 1_000 + (draw >> 32) % 29_001;
            }
        }
        IDLE
    }

    /// No idle time is shorter.
    pub fn least(self) -> u64 {
        match self {
            Self::Uniform => IDLE,
            Self::Mixed => 1_000,
        }
    }
}

/// Inserts timers while the time creeps through one idle period.
pub fn fill<T: Timers>(timers: &T, idles: Idles, ids: Range<u64>, held: &mut Vec<T::Timer>) {
    let _inside = timers.enter();
    for id in ids.clone() {
        let now = (id - ids.start) * IDLE / (ids.end - ids.start);
        held.push(timers.insert(now, idles.of(id), id));
    }
}

/// The timers of one thread out of so many.
pub fn share(live: usize, threads: usize, thread: usize) -> Range<u64> {
    let each = (live / threads) as u64;
    thread as u64 * each..(thread as u64 + 1) * each
}

/// Numbers below `below` in no order to speak of.
pub struct Random(u64);

impl Random {
    pub fn of(thread: usize) -> Self {
        Self(scatter(thread as u64 + 1))
    }

    pub fn below(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 32) * below as u64) >> 32) as usize
    }

    pub fn shuffle<V>(&mut self, values: &mut [V]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}
