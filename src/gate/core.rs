//! Read after `settings/config.rs`, `closed.rs`. What the sessions of a gate share,
//! whatever their subjects are. It is generic over the record of a session, whose
//! type names it (`session/record.rs`).

use std::fmt;
use std::sync::Arc as StdArc;
use std::time::Duration;

use super::closed::ClosedWord;
use super::decide::candidates::Candidates;
use super::session::reason::CloseReason;
use super::settings::config::{GateConfig, NEVER, Rate};
use super::stats::Tallies;
use crate::admission::AdmissionCounter;
use crate::clock::{Clock, duration_of};
use crate::rate::SlidingWindow;
use crate::sync::alarm::Alarm;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed, load_settled};
use crate::sync::counted::{Counted, HasCount};
use crate::sync::handed_on::HandedOn;
use crate::wheel::{FirstEnd, TimerWheel};

/// When to come back where that is not known: no timeout will end a session, or a
/// session of one subject must end.
pub(super) const SOME_TIME: Duration = Duration::from_secs(1);

/// A moment as the clock shows it, rounded down and rounded up.
pub(crate) type BothWays = (u64, u64);

/// `R` is the record of a session.
pub(crate) struct Core<R: HasCount, C> {
    pub(super) counter: AdmissionCounter,
    pub(super) rate: Option<StdArc<SlidingWindow>>,
    pub(crate) wheel: TimerWheel<Counted<R>, C>,
    /// `None` if the gate evicts nobody.
    pub(super) candidates: Option<Candidates>,
    pub(super) unreported: HandedOn<R>,
    pub(super) first_end: FirstEnd,
    pub(super) tallies: Tallies,
    pub(crate) timeouts: Timeouts,
    pub(crate) alarm: StdArc<Alarm>,
    tick: Duration,
    closed: ClosedWord,
}

impl<R: HasCount, C: Clock> Core<R, C> {
    pub(super) fn new<K>(config: &GateConfig<K>, clock: C) -> Self {
        let rate = config.rate.map(|Rate { most, window }| {
            let window = config.ticks(Some(window));
            StdArc::new(SlidingWindow::new(most, window).expect("the configuration was checked"))
        });
        let wheel = TimerWheel::new(clock);
        Self {
            counter: AdmissionCounter::new(config.limit),
            rate,
            candidates: Candidates::of(config, wheel.shards()),
            wheel,
            unreported: HandedOn::new(),
            first_end: FirstEnd::unknown(),
            tallies: Tallies::new(),
            timeouts: Timeouts::of(config),
            alarm: StdArc::default(),
            tick: config.tick,
            closed: ClosedWord::open(),
        }
    }
}

impl<R: HasCount, C: Clock> Core<R, C> {
    /// By which it is judged what has come.
    pub(crate) fn now(&self) -> u64 {
        self.wheel.clock().now()
    }

    /// The same, and from which a timeout is reckoned that begins now.
    pub(crate) fn now_both_ways(&self) -> BothWays {
        self.wheel.clock().now_both_ways()
    }

    /// From which a timeout is reckoned that begins now.
    pub(super) fn now_rounded_up(&self) -> u64 {
        self.wheel.clock().now_rounded_up()
    }

    /// When to come back, for a newcomer that found the gate full at this moment.
    pub(super) fn retry_after(&self, moment @ (now, _): BothWays) -> Duration {
        match self.first_end.tick(now, &self.wheel, || self.counter.hear()) {
            Some(first) => self.wait(first.saturating_sub(now).max(1), moment),
            None => SOME_TIME,
        }
    }

    /// A tick before which a driver has nothing to do, for the sessions there are now.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        if !self.unreported.is_empty() {
            return Some(0);
        }
        let next = self.wheel.next_deadline();
        self.closed().map_or(next, |_| next.map(|_| 0))
    }

    /// So many ticks from this moment on, for who waits them by another clock:
    /// by this one they have passed then, even if it lies behind by as much as it may.
    pub(super) fn wait(&self, ticks: u64, (now, rounded_up): BothWays) -> Duration {
        self.duration_of(ticks.saturating_add(rounded_up.saturating_sub(now)))
    }
}

impl<R: HasCount, C> Core<R, C> {
    pub(crate) fn closed(&self) -> Option<CloseReason> {
        self.closed.reason()
    }

    /// Closes the gate, unless it was closed before.
    pub(super) fn close(&self, reason: CloseReason) {
        self.closed.close(reason);
    }

    pub(crate) fn duration_of(&self, ticks: u64) -> Duration {
        duration_of(ticks, self.tick)
    }
}

impl<R: HasCount, C> fmt::Debug for Core<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// In ticks, as they are for the next admission. Each is a number of its own
/// and publishes nothing, so every access is `Relaxed`.
#[derive(Debug)]
pub(crate) struct Timeouts {
    init: AtomicU64,
    idle: AtomicU64,
    life: AtomicU64,
    /// The shortest that was ever in force.
    shortest: AtomicU64,
}

impl Timeouts {
    fn of<K>(config: &GateConfig<K>) -> Self {
        let zero = || AtomicU64::new(0);
        let timeouts =
            Self { init: zero(), idle: zero(), life: zero(), shortest: AtomicU64::new(NEVER) };
        timeouts.set(config);
        timeouts
    }

    /// To be called by one thread at a time.
    pub(super) fn set<K>(&self, config: &GateConfig<K>) {
        let life = config.ticks(config.max_lifetime);
        let idle = config.ticks(config.idle_timeout);
        let init = config.ticks(config.init_timeout);
        let shortest = load_settled(&self.shortest).min(life).min(idle).min(init);
        // The shortest first: a driver learns of it before a timer does.
        self.shortest.swap(shortest, Relaxed);
        self.init.swap(init, Relaxed);
        self.idle.swap(idle, Relaxed);
        self.life.swap(life, Relaxed);
    }

    pub(crate) fn init(&self) -> u64 {
        load_settled(&self.init)
    }

    pub(crate) fn idle(&self) -> u64 {
        load_settled(&self.idle)
    }

    pub(crate) fn life(&self) -> u64 {
        load_settled(&self.life)
    }

    pub(crate) fn shortest(&self) -> u64 {
        load_settled(&self.shortest)
    }
}
