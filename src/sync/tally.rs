//! Statistics: sums that threads add to without writing to one another's cache
//! lines.
//!
//! *Invariant*: a line of `own` is written by one thread, the one whose number is its
//! place. So a load and a store add to it, where the shared ones take a
//! read-modify-write.
//!
//! *In a model* too they are std's atomics: nothing is decided by them, so a
//! switch of threads there would teach a search nothing. All threads of a model have
//! one number, and run on one thread of the system.
//!
//! *Memory orderings*: every access is `Relaxed`; a sum is exact at rest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

type Line<const N: usize> = CachePadded<[AtomicU64; N]>;

/// `N` sums, each spread over lines.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize> {
    /// For the first threads of the process, one each.
    own: Box<[Line<N>]>,
    /// For all later ones.
    shared: Box<[Line<N>]>,
}

impl<const N: usize> Tally<N> {
    /// All zero.
    pub(crate) fn new() -> Self {
        let line = |_| CachePadded::new([const { AtomicU64::new(0) }; N]);
        let lines = || (0..super::thread::lines()).map(line).collect();
        Self { own: lines(), shared: lines() }
    }

    #[inline]
    pub(crate) fn add_one(&self, index: usize) {
        let thread = super::thread::number();
        match self.own.get(thread) {
            Some(line) => line[index].store(line[index].load(Relaxed).wrapping_add(1), Relaxed),
            None => _ = self.shared[thread % self.shared.len()][index].fetch_add(1, Relaxed),
        }
    }

    pub(crate) fn sum(&self, index: usize) -> u64 {
        let lines = self.own.iter().chain(&self.shared);
        lines.map(|line| line[index].load(Relaxed)).fold(0, u64::wrapping_add)
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    /// More threads than there are lines of either kind, all at once.
    #[test]
    fn no_addition_is_lost() {
        const EACH: u64 = 10_000;
        let tally: Tally<2> = Tally::new();
        let threads = 3 * tally.own.len();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..EACH).for_each(|_| tally.add_one(1)));
            }
        });
        assert_eq!((tally.sum(0), tally.sum(1)), (0, threads as u64 * EACH));
    }
}
