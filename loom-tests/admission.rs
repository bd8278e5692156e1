//! Interleavings of the admission counter. The depth-first twin in
//! `crates/twin` runs this same file, less the models that are too large for a
//! search without a bound.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::linearize::{History, Spec};
use crate::product::{AdmissionCounter, Limit, Permit};
use crate::support::{Shared, model, race, thread};

fn counter(limit: u32) -> Arc<AdmissionCounter> {
    Arc::new(AdmissionCounter::new(Limit::at_most(limit)))
}

/// Counts holders beside the counter. Threads switch only at a checked
/// operation, so a step here is one with the acquire or release next to it.
struct Ghost {
    most: u32,
    inside: AtomicU32,
}

impl Ghost {
    fn new(most: u32) -> Self {
        Self { most, inside: AtomicU32::new(0) }
    }

    fn enter(&self) {
        let inside = self.inside.fetch_add(1, Relaxed) + 1;
        assert!(inside <= self.most, "{inside} inside, the limit is {}", self.most);
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Relaxed);
    }
}

fn contenders_never_exceed<const THREADS: usize>(limit: u32) {
    model(move || {
        let (counter, ghost) = (counter(limit), Arc::new(Ghost::new(limit)));
        race([(); THREADS].map(|()| -> Box<dyn FnOnce() + Send> {
            let (counter, ghost) = (Arc::clone(&counter), Arc::clone(&ghost));
            Box::new(move || {
                if let Ok(permit) = counter.try_acquire() {
                    ghost.enter();
                    thread::yield_now();
                    ghost.leave();
                    drop(permit);
                }
            })
        }));
        assert_eq!(counter.in_use(), 0);
    });
}

#[test]
fn two_acquires_never_exceed_the_limit() {
    contenders_never_exceed::<2>(1);
}

/// The sequential counter.
#[derive(Clone)]
struct Sequential {
    limit: u32,
    in_use: u32,
}

#[derive(Clone, Debug)]
enum Op {
    Acquire(u32),
    Release(u32),
    SetLimit(u32),
    InUse,
}

impl Spec for Sequential {
    type Op = Op;
    type Answer = u32;

    /// Acquire answers 1 or 0, `SetLimit` the old limit.
    fn apply(&mut self, op: &Op) -> u32 {
        match *op {
            Op::Acquire(slots) => {
                let fits = self.in_use + slots <= self.limit;
                self.in_use += if fits { slots } else { 0 };
                fits.into()
            }
            Op::Release(slots) => {
                self.in_use -= slots;
                0
            }
            Op::SetLimit(limit) => std::mem::replace(&mut self.limit, limit),
            Op::InUse => self.in_use,
        }
    }
}

/// A counter whose calls are recorded.
#[derive(Clone)]
struct Recorded {
    counter: Arc<AdmissionCounter>,
    history: Arc<History<Sequential>>,
}

impl Recorded {
    fn new(limit: u32) -> Self {
        Self { counter: counter(limit), history: Arc::new(History::new()) }
    }

    fn acquire(&self, slots: u32) -> Option<Permit<'_>> {
        self.history.record(Op::Acquire(slots), || {
            let permit = self.counter.try_acquire_many(slots as usize).ok();
            (permit.is_some().into(), permit)
        })
    }

    fn release(&self, permit: Permit<'_>) {
        let op = Op::Release(permit.slots());
        self.history.record(op, || (0, drop(permit)));
    }

    fn acquire_and_release(&self, slots: u32) {
        if let Some(permit) = self.acquire(slots) {
            self.release(permit);
        }
    }

    fn set_limit(&self, limit: u32) {
        self.history.record(Op::SetLimit(limit), || {
            let old = self.counter.set_limit(Limit::at_most(limit));
            (old.get().expect("no model is unlimited"), ())
        });
    }

    fn in_use(&self) {
        self.history.record(Op::InUse, || (self.counter.in_use(), ()));
    }
}

/// Runs `threads` on one recorded counter: what they were answered must be
/// what a sequential counter would answer, and nothing may be left in use.
fn linearizable<const THREADS: usize>(limit: u32, threads: [fn(&Recorded); THREADS]) {
    model(move || {
        let recorded = Recorded::new(limit);
        race(threads.map(|thread| -> Box<dyn FnOnce() + Send> {
            let recorded = recorded.clone();
            Box::new(move || thread(&recorded))
        }));
        recorded.history.assert_linearizable(&Sequential { limit, in_use: 0 });
        assert_eq!(recorded.counter.in_use(), 0);
    });
}

#[test]
fn no_refusal_is_spurious() {
    linearizable(1, [|c| c.acquire_and_release(1), |c| c.acquire_and_release(1)]);
}

#[test]
fn of_three_that_want_two_slots_exactly_two_get_one() {
    model(|| {
        let (counter, admitted) = (counter(2), Arc::new(AtomicU32::new(0)));
        race([(); 3].map(|()| -> Box<dyn FnOnce() + Send> {
            let (counter, admitted) = (Arc::clone(&counter), Arc::clone(&admitted));
            Box::new(move || {
                if let Ok(permit) = counter.try_acquire() {
                    admitted.fetch_add(1, Relaxed);
                    permit.forget();
                }
            })
        }));
        assert_eq!((admitted.load(Relaxed), counter.in_use()), (2, 2));
    });
}

#[test]
fn a_lowered_limit_admits_nobody_who_comes_later() {
    linearizable(
        1,
        [
            |c| c.acquire_and_release(1),
            |c| {
                c.set_limit(0);
                c.acquire_and_release(1);
            },
        ],
    );
}

/// A permit that its owner shares, as a session that may be evicted does.
/// Two evictors want its slot, a third thread tries to slip in between.
#[test]
fn a_hand_over_neither_dips_nor_doubles() {
    model(|| {
        let counter = counter(1);
        let victim = Shared::new(counter.try_acquire_owned().unwrap());
        let taken = Arc::new(AtomicU32::new(0));
        let evictor = || -> Box<dyn FnOnce() + Send> {
            let (victim, taken, counter) =
                (Shared::clone(&victim), Arc::clone(&taken), Arc::clone(&counter));
            Box::new(move || {
                if let Some(slot) = victim.hand_over() {
                    taken.fetch_add(slot.slots(), Relaxed);
                    assert_eq!(counter.in_use(), 1);
                    slot.forget();
                }
            })
        };
        let intruder = Arc::clone(&counter);
        race([
            evictor(),
            evictor(),
            Box::new(move || {
                assert!(intruder.try_acquire().is_err(), "the slot was free for an instant");
                assert_eq!(intruder.in_use(), 1);
            }),
        ]);
        assert_eq!(taken.load(Relaxed), 1, "the one slot went to exactly one evictor");
        drop(victim);
        assert_eq!(counter.in_use(), 1, "the victim's drop gives back nothing");
    });
}

/// The owner lets go while an evictor takes the slot: it goes back once.
#[test]
fn a_hand_over_that_races_the_owners_end_frees_the_slot_once() {
    model(|| {
        let counter = counter(2);
        let _other = counter.try_acquire().unwrap();
        let victim = Shared::new(counter.try_acquire_owned().unwrap());
        let evicted = Shared::clone(&victim);
        race([Box::new(move || drop(victim)), Box::new(move || drop(evicted.hand_over()))]);
        assert_eq!(counter.in_use(), 1);
    });
}

#[test]
fn an_unwinding_holder_gives_its_slot_back_once() {
    model(|| {
        let (counter, ghost) = (counter(1), Arc::new(Ghost::new(1)));
        let contender = |ends_by_panic: bool| -> Box<dyn FnOnce() + Send> {
            let (counter, ghost) = (Arc::clone(&counter), Arc::clone(&ghost));
            Box::new(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    if let Ok(_permit) = counter.try_acquire() {
                        ghost.enter();
                        thread::yield_now();
                        ghost.leave();
                        if ends_by_panic {
                            resume_unwind(Box::new("planned"));
                        }
                    }
                }));
                if let Err(panic) = outcome {
                    assert_eq!(panic.downcast_ref(), Some(&"planned"));
                }
            })
        };
        race([contender(true), contender(false)]);
        assert_eq!(counter.in_use(), 0);
    });
}

#[cfg(feature = "loom")]
mod three_threads {
    use super::*;

    #[test]
    fn three_acquires_never_exceed_the_limit() {
        contenders_never_exceed::<3>(2);
    }

    #[test]
    fn no_refusal_of_three_is_spurious() {
        linearizable(
            1,
            [
                |c| c.acquire_and_release(1),
                |c| c.acquire_and_release(1),
                |c| {
                    c.acquire_and_release(1);
                    c.in_use();
                },
            ],
        );
    }

    #[test]
    fn many_slots_are_taken_all_or_none() {
        linearizable(
            3,
            [
                |c| c.acquire_and_release(2),
                |c| c.acquire_and_release(2),
                |c| c.acquire_and_release(1),
            ],
        );
    }

    #[test]
    fn a_moving_limit_is_exact_and_drifts_nothing() {
        linearizable(
            1,
            [
                |c| c.acquire_and_release(1),
                |c| c.acquire_and_release(1),
                |c| {
                    c.set_limit(0);
                    c.set_limit(2);
                },
            ],
        );
    }

    #[test]
    fn two_that_move_the_limit_lose_no_slot() {
        linearizable(
            2,
            [
                |c| c.acquire_and_release(2),
                |c| c.set_limit(1),
                |c| {
                    c.set_limit(3);
                    c.in_use();
                },
            ],
        );
    }
}
