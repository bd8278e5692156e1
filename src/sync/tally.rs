//! Statistics: sums that threads add to without writing to one another's cache
//! lines.
//!
//! *Heard* (`Announced`): whoever hears a sum has seen what was done before each
//! addition so far, and whoever adds later sees what was done before that hearing. So of
//! an addition and a hearing one comes first, though the threads that add do not meet.
//!
//! *In a model* a `Tally` is of std's atomics: nothing is decided by it, so a
//! switch of threads there would teach a search nothing.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | a `Tally`'s | `Relaxed` | nothing | a sum is exact at rest | |
//! | `add_one`, `hear` | `AcqRel` | each other | a search for what was added misses an addition that did not see the search | `the_time_told_follows_who_comes_during_the_search` |

use std::sync::atomic::{AtomicU64, Ordering::*};

use crossbeam_utils::CachePadded;

use super::atomic;

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

/// A sum, spread like a [`Tally`]'s, whose additions can be heard.
#[derive(Debug)]
pub(crate) struct Announced {
    lines: Box<[CachePadded<atomic::AtomicU64>]>,
}

impl Announced {
    /// Zero.
    pub(crate) fn new() -> Self {
        let line = |_| CachePadded::new(atomic::AtomicU64::new(0));
        Self { lines: (0..super::thread::lines()).map(line).collect() }
    }

    pub(crate) fn add_one(&self) {
        self.lines[super::thread::number() % self.lines.len()].fetch_add(1, AcqRel);
    }

    /// Sees what was done before the additions so far; shows the others what the
    /// caller did.
    pub(crate) fn hear(&self) {
        self.lines.iter().for_each(|line| _ = line.fetch_add(0, AcqRel));
    }

    pub(crate) fn sum(&self) -> u64 {
        self.lines.iter().map(|line| line.load(Relaxed)).fold(0, u64::wrapping_add)
    }
}
