//! A sum whose additions can be heard: of an addition and a hearing one comes first,
//! though the threads that add do not meet.
//!
//! *Guarantee*: whoever hears the sum has seen what was done before each addition so
//! far, and whoever adds later sees what was done before that hearing.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | `add_one`, `hear` | `AcqRel` | each other | a search for what was added misses an addition that did not see the search | `the_time_told_follows_who_comes_during_the_search` |
//! | `sum` | `Relaxed` | nothing | it is exact at rest | |
//!
//! *Progress*: wait-free; `hear` writes to each line.

use crossbeam_utils::CachePadded;

use super::atomic::{AtomicU64, Ordering::*};

/// A sum, spread like a `Tally`'s, whose additions can be heard.
#[derive(Debug)]
pub(crate) struct Announced {
    lines: Box<[CachePadded<AtomicU64>]>,
}

impl Announced {
    /// Zero.
    pub(crate) fn new() -> Self {
        let line = |_| CachePadded::new(AtomicU64::new(0));
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
