//! A sequential model of the admission counter's whole API. The property test
//! and the fuzz target drive the same steps through it.

use std::sync::Arc;

use headcount::{AcquireManyError, AdmissionCounter, Limit};

/// One call. Indices are taken modulo the number of permits alive.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Step {
    /// `try_acquire`
    Acquire,
    /// `try_acquire_many`
    AcquireMany(usize),
    /// Drops a permit.
    Drop(usize),
    /// `forget`
    Forget(usize),
    /// `hand_over`; the emptied permit stays.
    HandOver(usize),
    /// `split`
    Split(usize, usize),
    /// `merge` of the second into the first
    Merge(usize, usize),
    /// `merge` of a permit of another counter
    MergeForeign(usize),
    /// `set_limit`
    SetLimit(u32),
}

/// What a sequential counter knows.
struct Model {
    limit: u32,
    in_use: u32,
    /// The slots of each permit, in the order of the real ones.
    held: Vec<u32>,
}

impl Model {
    fn acquire(&mut self, slots: u32) -> bool {
        let fits = u64::from(self.in_use) + u64::from(slots) <= u64::from(self.limit);
        if fits {
            self.in_use += slots;
            self.held.push(slots);
        }
        fits
    }
}

/// `Permit` and `OwnedPermit` have the same methods and no common trait.
macro_rules! runner {
    ($(#[$attribute:meta])* $name:ident, $one:ident, $many:ident) => {
        $(#[$attribute])*
        pub fn $name(limit: u32, steps: &[Step]) {
            let counter = Arc::new(AdmissionCounter::new(Limit::at_most(limit)));
            let foreign = Arc::new(AdmissionCounter::new(Limit::UNLIMITED));
            let mut model = Model { limit, in_use: 0, held: Vec::new() };
            let mut permits = Vec::new();
            for &step in steps {
                let alive = permits.len();
                let at = |index: usize| index.checked_rem(alive);
                match step {
                    Step::Acquire => {
                        let expected = model.acquire(1);
                        match counter.$one() {
                            Ok(permit) => permits.push(permit),
                            Err(full) => assert_eq!(full.limit(), Limit::at_most(model.limit)),
                        }
                        assert_eq!(permits.len() > alive, expected, "{step:?}");
                    }
                    Step::AcquireMany(slots) => match (counter.$many(slots), u32::try_from(slots)) {
                        (answer, Ok(0)) => assert_eq!(answer.err(), Some(AcquireManyError::NoSlots)),
                        (answer, Err(_)) => assert_eq!(
                            answer.err(),
                            Some(AcquireManyError::TooManySlots { asked: slots }),
                        ),
                        (Ok(permit), Ok(slots)) => {
                            assert!(model.acquire(slots), "{step:?} was admitted");
                            permits.push(permit);
                        }
                        (Err(refused), Ok(slots)) => {
                            assert!(!model.acquire(slots), "{step:?} was refused");
                            assert!(matches!(refused, AcquireManyError::AtCapacity(_)));
                        }
                    },
                    Step::Drop(index) => {
                        if let Some(index) = at(index) {
                            drop(permits.remove(index));
                            model.in_use -= model.held.remove(index);
                        }
                    }
                    Step::Forget(index) => {
                        if let Some(index) = at(index) {
                            permits.remove(index).forget();
                            model.held.remove(index);
                        }
                    }
                    Step::HandOver(index) => {
                        if let Some(index) = at(index) {
                            let held = std::mem::take(&mut model.held[index]);
                            let taken = permits[index].hand_over();
                            assert_eq!(taken.as_ref().map_or(0, |permit| permit.slots()), held);
                            if let Some(permit) = taken {
                                permits.push(permit);
                                model.held.push(held);
                            }
                        }
                    }
                    Step::Split(index, slots) => {
                        if let Some(index) = at(index) {
                            let fits = 0 < slots && slots <= model.held[index] as usize;
                            match permits[index].split(slots) {
                                Ok(part) => {
                                    assert!(fits, "{step:?} gave a part");
                                    permits.push(part);
                                    model.held[index] -= slots as u32;
                                    model.held.push(slots as u32);
                                }
                                Err(_) => assert!(!fits, "{step:?} gave no part"),
                            }
                        }
                    }
                    Step::Merge(into, from) => {
                        if let (Some(into), Some(from)) = (at(into), at(from)) {
                            if into != from {
                                let part = permits.remove(from);
                                let slots = model.held.remove(from);
                                let into = if from < into { into - 1 } else { into };
                                permits[into].merge(part).expect("one counter");
                                model.held[into] += slots;
                            }
                        }
                    }
                    Step::MergeForeign(index) => {
                        if let Some(index) = at(index) {
                            let part = foreign.$one().expect("unlimited");
                            let refused = permits[index].merge(part).expect_err("two counters");
                            assert_eq!(refused.rejected.slots(), 1);
                            assert_eq!(foreign.in_use(), 1);
                        }
                    }
                    Step::SetLimit(limit) => {
                        let old = counter.set_limit(Limit::at_most(limit));
                        let expected = std::mem::replace(&mut model.limit, limit);
                        assert_eq!(old, Limit::at_most(expected));
                    }
                }
                assert_eq!(counter.in_use(), model.in_use, "after {step:?}");
                assert_eq!(counter.available(), model.limit.saturating_sub(model.in_use));
                assert_eq!(counter.limit(), Limit::at_most(model.limit));
                assert!(permits.iter().map(|permit| permit.slots()).eq(model.held.iter().copied()));
                assert_eq!(foreign.in_use(), 0);
            }
            let held: u32 = model.held.iter().sum();
            drop(permits);
            assert_eq!(counter.in_use(), model.in_use - held, "only the forgotten stay in use");
        }
    };
}

runner! {
    /// Runs `steps` with `Permit`.
    run_borrowed, try_acquire, try_acquire_many
}
runner! {
    /// Runs `steps` with `OwnedPermit`.
    run_owned, try_acquire_owned, try_acquire_many_owned
}
