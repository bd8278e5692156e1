//! Read after `timer_wheel.rs`. What a driver calls: how long it may sleep, and
//! what fires when it wakes.
//!
//! *Memory orderings*: `turn` is a hint and `Relaxed`; all else is in the files
//! that this one calls.

use super::deadline::Deadline;
use super::level::MAX_TICK;
use super::timer_wheel::TimerWheel;
use super::visit::Purpose;
use crate::sync::atomic::Ordering::Relaxed;

/// What a bounded advance did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advanced {
    /// The timers that fired.
    pub fired: usize,
    /// Is nothing left that is due? If not, call again.
    pub is_complete: bool,
}

impl<T, C> TimerWheel<T, C> {
    /// A tick before which no timer is due whose insert has returned, nor any
    /// insert that it overlapped; `None` if there is none. It may lie well
    /// before the first deadline, and comes nearer with each advance that is
    /// told it. While others insert, it may stay in the past after an advance;
    /// a driver waits for the next tick then.
    pub fn next_deadline(&self) -> Option<u64> {
        let next = self.each_shard().map(|shard| shard.hint.load().tick()).min();
        next.filter(|&tick| tick <= MAX_TICK)
    }

    /// Fires every timer whose deadline is at or before `now`, calls `f` with
    /// each payload, and returns how many there were.
    ///
    /// `f` may use the wheel and its timers. A timer that it inserts due
    /// already fires in this call or in the next.
    ///
    /// # Panics
    ///
    /// Whatever `f` panics with. Only the payload that it was called with is
    /// lost; what else is due fires at the next advance.
    pub fn advance(&self, now: u64, mut f: impl FnMut(T)) -> usize {
        self.advance_with_deadline(now, |payload, _| f(payload))
    }

    /// [`advance`](Self::advance) that tells by which of its deadlines each timer
    /// fires: of two that have passed the earlier one, and of two at one tick the
    /// fixed one.
    ///
    /// # Panics
    ///
    /// As [`advance`](Self::advance).
    pub fn advance_with_deadline(&self, now: u64, f: impl FnMut(T, Deadline)) -> usize {
        self.advance_for(now, Purpose::Fire, f)
    }

    /// [`advance`](Self::advance) that fires every timer, due or not, held or
    /// not, that was inserted before the call.
    pub(crate) fn fire_all(&self, now: u64, mut f: impl FnMut(T)) -> usize {
        self.advance_for(now, Purpose::FireAll, |payload, _| f(payload))
    }

    fn advance_for(&self, now: u64, purpose: Purpose, mut f: impl FnMut(T, Deadline)) -> usize {
        let mut no_bound = usize::MAX;
        self.each_shard().map(|shard| shard.advance(now, purpose, &mut no_bound, &mut f)).sum()
    }

    /// [`advance`](Self::advance) that looks at no more than `most` timers, and
    /// so fires no more: a tick with a million expiries need not hold a thread.
    pub fn advance_some(&self, now: u64, most: usize, mut f: impl FnMut(T)) -> Advanced {
        let (mut left, mut fired) = (most, 0);
        let first = self.turn.fetch_add(1, Relaxed);
        for index in 0..self.shards() {
            if left == 0 {
                break;
            }
            let shard = self.shard(first.wrapping_add(index) % self.shards());
            fired += shard.advance(now, Purpose::Fire, &mut left, &mut |payload, _| f(payload));
        }
        Advanced { fired, is_complete: left > 0 }
    }

    /// The payloads of every timer whose deadline is at or before `now`.
    pub fn expired(&self, now: u64) -> Vec<T> {
        let mut expired = Vec::new();
        self.advance(now, |payload| expired.push(payload));
        expired
    }

    /// Makes the nodes of all cancelled timers usable and returns how many. The
    /// wheel does without; it is for a driver with time to spare after many
    /// long timers were cancelled.
    pub fn sweep(&self, now: u64) -> usize {
        self.each_shard().map(|shard| shard.sweep(now)).sum()
    }
}
