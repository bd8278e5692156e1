//! Read after `terms.rs`. A term as admissions see it: one word, which the holder
//! moves on and whoever admits reads.
//!
//! *Rule*: read the term, take the slot, read the clock; if the term that was read
//! is over by then, give the slot back. Each of the three in its place:
//!
//! | if instead | then |
//! |---|---|
//! | the clock is read first | a process that is stopped between the two admits on waking, whatever was granted to others meanwhile |
//! | the term is read last | a slot that was taken under a term that lapsed passes by the term of the next life, whose share it is beyond |
//! | a flag is read that a task lowers | threads that serve requests may run before that task |
//!
//! *Memory orderings*: the holder sets limits before it moves the term on, with
//! `Release`; who reads the term with `Acquire` then takes slots under limits that
//! are no older.
//!
//! *Linearization point* of an admission: the reading of the clock.
//!
//! *Progress*: wait-free but for what takes the slot.
//!
//! *Checked by*: `tests/model`, the unit tests here.

use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

/// Until when a share is valid.
#[derive(Debug, Default)]
pub struct Term {
    until: AtomicU64,
}

/// A term that was read before a slot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pass {
    /// The end of that term.
    pub until: u64,
}

impl Pass {
    /// Whether it holds by a clock that was read after the slot was taken.
    pub fn holds(self, now: u64) -> bool {
        now < self.until
    }
}

impl Term {
    /// Moves it on, or ends it by 0.
    pub fn set(&self, until: u64) {
        self.until.store(until, Release);
    }

    /// Reads it: before a slot is taken.
    pub fn pass(&self) -> Pass {
        Pass { until: self.until.load(Acquire) }
    }

    /// A slot under a valid term, or nothing: then what was taken is dropped.
    ///
    /// A term that is renewed as this one ends is no reason to be refused: it
    /// is tried again under that.
    pub fn admit<S>(
        &self,
        mut take: impl FnMut() -> Option<S>,
        mut now: impl FnMut() -> u64,
    ) -> Option<S> {
        let mut pass = self.pass();
        loop {
            let slot = take()?;
            if pass.holds(now()) {
                return Some(slot);
            }
            drop(slot);
            let next = self.pass();
            if next == pass {
                return None;
            }
            pass = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A slot that counts itself.
    struct Slot<'a>(&'a Cell<u32>);

    impl Drop for Slot<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    fn take(taken: &Cell<u32>) -> Option<Slot<'_>> {
        taken.set(taken.get() + 1);
        Some(Slot(taken))
    }

    #[test]
    fn a_term_that_ends_as_the_slot_is_taken_admits_nobody() {
        let (term, clock, taken) = (Term::default(), Cell::new(9), Cell::new(0));
        term.set(10);
        let slot = term.admit(
            || {
                clock.set(10);
                take(&taken)
            },
            || clock.get(),
        );
        assert!(slot.is_none());
        assert_eq!(taken.get(), 0);
    }

    #[test]
    fn a_slot_of_one_life_does_not_pass_by_the_term_of_the_next() {
        let (term, clock, taken, limit) =
            (Term::default(), Cell::new(9), Cell::new(0), Cell::new(1));
        term.set(10);
        let slot = term.admit(
            || {
                let slot = (limit.get() > 0).then(|| take(&taken)).flatten();
                // The term ends, the process lapses, and lives again with a share of nothing.
                clock.set(11);
                limit.set(0);
                term.set(20);
                slot
            },
            || clock.get(),
        );
        assert!(slot.is_none());
        assert_eq!(taken.get(), 0);
    }

    #[test]
    fn a_renewal_at_the_end_of_a_term_refuses_nobody() {
        let (term, clock, taken) = (Term::default(), Cell::new(9), Cell::new(0));
        term.set(10);
        let slot = term.admit(
            || {
                clock.set(10);
                term.set(20);
                take(&taken)
            },
            || clock.get(),
        );
        assert!(slot.is_some());
        assert_eq!(taken.get(), 1);
    }

    #[test]
    fn no_term_admits_nobody() {
        let taken = Cell::new(0);
        assert!(Term::default().admit(|| take(&taken), || 0).is_none());
        assert_eq!(taken.get(), 0);
    }
}
