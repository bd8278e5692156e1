//! Statistics: sums that threads add to without writing to one another's cache
//! lines.
//!
//! *In a model* too they are std's atomics: nothing is decided by them, so a
//! switch of threads there would teach a search nothing.
//!
//! *Memory orderings*: every access is `Relaxed`; a sum is exact at rest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

/// `N` sums, each spread over a few lines of which a thread uses one.
#[derive(Debug)]
pub(crate) struct Tally<const N: usize> {
    lines: Box<[CachePadded<[AtomicU64; N]>]>,
}

impl<const N: usize> Tally<N> {
    /// All zero.
    pub(crate) fn new() -> Self {
        let line = |_| CachePadded::new([const { AtomicU64::new(0) }; N]);
        Self { lines: (0..super::thread::lines()).map(line).collect() }
    }

    pub(crate) fn add_one(&self, index: usize) {
        let line = super::thread::number() % self.lines.len();
        self.lines[line][index].fetch_add(1, Relaxed);
    }

    pub(crate) fn sum(&self, index: usize) -> u64 {
        self.lines.iter().map(|line| line[index].load(Relaxed)).fold(0, u64::wrapping_add)
    }
}
