//! Read after `timer.rs`. The wheel as its users see it: shards that threads are
//! spread over, and the clock that says when a wait begins.
//!
//! *Progress, checked by*: in `mod.rs`.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use super::arena::MOST;
use super::deadline::Deadlines;
use super::error::WheelFull;
use super::horizon::check_clock;
use super::level::MAX_TICK;
use super::node::{Number, TimerId};
use super::shard::{Shard, Shared};
use super::timer::Timer;
use super::word::Word;
use crate::clock::{Clock, SystemClock};
use crate::sync::atomic::AtomicUsize;
use crate::sync::thread;

/// Fires each timer once, never before its deadline, at the first
/// [`advance`](Self::advance) that is told a time at or past it; a timer that
/// was touched, held or cancelled before that does not fire. A timer may have a
/// second, [fixed](Self::insert_with) deadline, at which it fires touched or held.
///
/// Times are whole ticks of a [`Clock`]; a duration is rounded up to ticks, and
/// so is the present where a wait begins, so that neither makes a timer early. Nothing runs in the
/// background: whoever calls `advance` drives the wheel, on any thread, several
/// at once if need be. [`next_deadline`](Self::next_deadline) says how long
/// they may sleep.
///
/// # Consistency
///
/// A timer is fired by the first `advance(now)` with `now` at or past its
/// deadline that starts after every insert, advance and sweep that overlapped
/// one another and its insert has returned. Of two drivers at once, one may
/// return while the other still fires. Within one advance there is no order.
/// A time before that of an earlier call is fine: then nothing new is due.
///
/// # Memory
///
/// A timer is a node of 44 bytes with a payload of eight. Nodes are reused and
/// never given back before the wheel is dropped. Each thread works on one of a
/// few shards; a shard never makes more than twice as many nodes as it had
/// timers at once, and 1,024, whatever comes and goes, and with equal idle
/// times no more than it had timers, and a few for each thread. (A thread that
/// is descheduled with nodes in its hand may let others exceed that for as
/// long.) The payload of a cancelled timer leaves at once.
///
/// # Memory ordering
///
/// What a thread did before it inserted a timer, moved its deadline by a touch,
/// or released a hold of it happens before what the callback does with its
/// payload.
///
/// # Example
///
/// ```
/// use headcount::{ManualClock, TimerWheel};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = ManualClock::new();
/// let wheel = TimerWheel::new(&clock);
///
/// let alice = wheel.insert(30, "alice").expect("the wheel has room"); // idle for 30 ticks
/// let _bob = wheel.insert(30, "bob").expect("the wheel has room");
///
/// clock.set(20);
/// alice.touch()?; // not idle: 50 now
/// clock.set(40);
/// assert_eq!(wheel.expired(40), ["bob"]);
///
/// let request = alice.hold()?; // never idle while something is in flight
/// clock.set(1000);
/// assert!(wheel.expired(1000).is_empty());
/// drop(request);
/// assert_eq!(alice.deadline(), Some(1030));
/// assert_eq!(alice.cancel(), Some("alice"));
/// # Ok(())
/// # }
/// ```
pub struct TimerWheel<T, C = SystemClock> {
    pub(super) shards: Box<[NonNull<Shared<T, C>>]>,
    clock: Arc<C>,
    most_timers: usize,
    /// The shard that the next bounded advance begins with.
    pub(super) turn: AtomicUsize,
}

// SAFETY: payloads are handed from thread to thread, never shared, so `Send`
// is enough for them; all else are atomics, and the clock.
#[allow(unsafe_code)]
unsafe impl<T: Send, C: Send + Sync> Send for TimerWheel<T, C> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<T: Send, C: Send + Sync> Sync for TimerWheel<T, C> {}

impl<T, C> TimerWheel<T, C> {
    /// The last tick that a deadline can have; later ones are taken as this.
    /// At a millisecond a tick, 557 years. Once a clock is past it every timer
    /// is due, so [`new`](Self::new) refuses one that would come there within a
    /// century, if its [ticks have a length](Clock::tick_length).
    pub const MAX_TICK: u64 = MAX_TICK;

    /// Timers fired by none and cancelled by none, exact while nobody else
    /// uses the wheel.
    pub fn len(&self) -> usize {
        self.each_shard().map(|shard| shard.len() as usize).sum()
    }

    /// Is no timer live?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nodes that the slots hold, those of cancelled timers included. Looks at
    /// every node: for operators and tests.
    pub fn linked(&self) -> usize {
        self.each_shard().map(Shard::linked).sum()
    }

    /// Nodes ever made, which is what memory follows.
    pub fn nodes(&self) -> usize {
        self.each_shard().map(|shard| shard.arena.made() as usize).sum()
    }

    /// How many shards the threads are spread over.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The clock that `insert`, `touch` and the end of a hold read.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// [`insert`](Self::insert), for a caller who knows the time.
    ///
    /// # Errors
    ///
    /// [`WheelFull`] with the payload.
    pub fn insert_at(&self, now: u64, idle: u64, payload: T) -> Result<Timer<T, C>, WheelFull<T>> {
        self.insert_with_at(now, idle.into(), payload)
    }

    /// [`insert_with`](Self::insert_with), for a caller who knows the time.
    ///
    /// # Errors
    ///
    /// [`WheelFull`] with the payload.
    pub fn insert_with_at(
        &self,
        now: u64,
        deadlines: Deadlines,
        payload: T,
    ) -> Result<Timer<T, C>, WheelFull<T>> {
        let index = self.shard_of_thread();
        match self.shard(index).insert(now, deadlines, payload, Word::live) {
            Ok(number) => {
                let id = TimerId::new(index as u32, number);
                // SAFETY: inserted just now, and nobody else has the number.
                #[allow(unsafe_code)]
                Ok(unsafe { Timer::new(self.shards[index], id) })
            }
            Err(payload) => Err(WheelFull::new(payload)),
        }
    }

    /// [`insert_at`](Self::insert_at) of a timer that is held from the start,
    /// until the caller [releases](Timer::release) it. `None` if the wheel is full;
    /// the payload is dropped then.
    // In its callers the timer is in registers.
    #[inline(always)]
    pub(crate) fn insert_held_at(
        &self,
        now: u64,
        deadlines: impl Into<Deadlines>,
        payload: T,
    ) -> Option<Timer<T, C>> {
        let index = self.shard_of_thread();
        let number = self.insert_held_in(index, now, deadlines.into(), payload)?;
        // SAFETY: inserted just now, and nobody else has the number.
        #[allow(unsafe_code)]
        Some(unsafe { Timer::new(self.shards[index], TimerId::new(index as u32, number)) })
    }

    /// Returns what fits into registers; its caller makes a timer of it.
    #[inline(never)]
    fn insert_held_in(
        &self,
        index: usize,
        now: u64,
        deadlines: Deadlines,
        payload: T,
    ) -> Option<Number> {
        self.shard(index).insert(now, deadlines, payload, Word::held).ok()
    }

    fn shard_of_thread(&self) -> usize {
        thread::number() % self.shards.len()
    }

    pub(super) fn shard(&self, index: usize) -> &Shard<T> {
        // SAFETY: the shards are there until this wheel's drop closes them.
        #[allow(unsafe_code)]
        unsafe {
            &self.shards[index].as_ref().shard
        }
    }

    pub(super) fn each_shard(&self) -> impl Iterator<Item = &Shard<T>> {
        (0..self.shards.len()).map(|index| self.shard(index))
    }

    /// So many empty shards with room for so many nodes each.
    fn make_shards(clock: &Arc<C>, shards: usize, most: u32) -> Box<[NonNull<Shared<T, C>>]> {
        (0..shards).map(|_| Shared::new(most, Arc::clone(clock))).collect()
    }

    #[allow(unsafe_code)]
    fn close_shards(&mut self) -> std::thread::Result<()> {
        let shards = std::mem::take(&mut self.shards);
        let mut outcome = Ok(());
        for shard in shards {
            // SAFETY: each is closed once and not used by the wheel any more.
            outcome = outcome.and(unsafe { Shared::close(shard) });
        }
        outcome
    }
}

impl<T, C: Clock> TimerWheel<T, C> {
    /// An empty wheel with about as many shards as the machine has threads, 4
    /// to 16.
    ///
    /// # Panics
    ///
    /// If the clock would come to [the last tick](Self::MAX_TICK) within a century, such
    /// as one that begins now with ticks under 180 microseconds.
    pub fn new(clock: C) -> Self {
        check_clock(&clock);
        let clock = Arc::new(clock);
        let shards = Self::make_shards(&clock, default_shards(), MOST);
        Self { shards, clock, most_timers: usize::MAX, turn: AtomicUsize::new(0) }
    }

    /// With so many shards instead, rounded up to a power of two. More than
    /// there are threads buys nothing.
    ///
    /// # Panics
    ///
    /// If `shards` is 0 or over 64, or the wheel has been used.
    pub fn with_shards(self, shards: usize) -> Self {
        assert!((1..=64).contains(&shards), "{shards} shards asked for; 1 to 64 are possible");
        self.rebuilt(shards.next_power_of_two())
    }

    /// Refuses timers beyond `most`, of which each shard has its share, rounded
    /// up; without this, beyond 67,108,800 a shard. A timer counts until its
    /// handle is dropped.
    ///
    /// # Panics
    ///
    /// If `most` is 0, or the wheel has been used.
    pub fn with_max_timers(mut self, most: usize) -> Self {
        assert!(most > 0, "a wheel for 0 timers asked for; the least is 1");
        self.most_timers = most;
        let shards = self.shards.len();
        self.rebuilt(shards)
    }

    fn rebuilt(mut self, shards: usize) -> Self {
        assert!(self.nodes() == 0, "the wheel has been used");
        let share = u32::try_from(self.most_timers.div_ceil(shards)).unwrap_or(u32::MAX);
        let fresh = Self::make_shards(&self.clock, shards, share);
        self.close_shards().expect("there was no payload to drop");
        self.shards = fresh;
        self
    }

    /// Starts a timer that fires when it was not touched or held for `idle`
    /// ticks from now, unless its handle is dropped before.
    ///
    /// # Errors
    ///
    /// [`WheelFull`], which gives the payload back: there are as many timers
    /// as this thread's shard may hold, or other threads have its last unused
    /// nodes in hand, or memory is short.
    pub fn insert(&self, idle: u64, payload: T) -> Result<Timer<T, C>, WheelFull<T>> {
        self.insert_at(self.clock.now_rounded_up(), idle, payload)
    }

    /// [`insert`](Self::insert) of a timer that has a second, fixed deadline, at
    /// which it fires even if it is touched or held: a maximum lifetime beside the
    /// idle time.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn insert_with(
        &self,
        deadlines: Deadlines,
        payload: T,
    ) -> Result<Timer<T, C>, WheelFull<T>> {
        self.insert_with_at(self.clock.now_rounded_up(), deadlines, payload)
    }
}

#[cfg(not(feature = "loom"))]
fn default_shards() -> usize {
    let threads = std::thread::available_parallelism().map_or(4, usize::from);
    threads.next_power_of_two().clamp(4, 16)
}

/// In a model all threads are one to the system.
#[cfg(feature = "loom")]
fn default_shards() -> usize {
    1
}

/// The payloads of timers that are still live are dropped; if drops of theirs
/// panic, the others are dropped all the same and the first panic goes on.
impl<T, C> Drop for TimerWheel<T, C> {
    fn drop(&mut self) {
        if let Err(panic) = self.close_shards() {
            if !std::thread::panicking() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl<T, C> fmt::Debug for TimerWheel<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerWheel")
            .field("len", &self.len())
            .field("next_deadline", &self.next_deadline())
            .finish_non_exhaustive()
    }
}
