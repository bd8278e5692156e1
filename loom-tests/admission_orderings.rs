//! What the admission counter's orderings promise to those who synchronise
//! through it. Loom's cell fails the model when two accesses are unordered.

use std::sync::Arc;

use loom::cell::UnsafeCell;

use crate::product::{AdmissionCounter, Limit};
use crate::support::{model, race};

/// Plain memory that whoever holds the slot, or saw it come free, may use.
struct Guarded {
    counter: AdmissionCounter,
    data: UnsafeCell<u32>,
}

// SAFETY: the models access `data` only where the counter's orderings promise
// that accesses are ordered; loom checks each of them and fails on a race.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new(limit: u32) -> Arc<Self> {
        let counter = AdmissionCounter::new(Limit::at_most(limit));
        Arc::new(Self { counter, data: UnsafeCell::new(0) })
    }

    fn write(&self) {
        // SAFETY: as for `Sync`.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }
}

fn spawned(guarded: &Arc<Guarded>, run: fn(&Guarded)) -> Box<dyn FnOnce() + Send> {
    let guarded = Arc::clone(guarded);
    Box::new(move || run(&guarded))
}

#[test]
fn a_slot_hands_over_what_its_holder_wrote() {
    model(|| {
        let guarded = Guarded::new(1);
        let holder = |guarded: &Guarded| {
            if let Ok(_permit) = guarded.counter.try_acquire() {
                guarded.write();
            }
        };
        race([spawned(&guarded, holder), spawned(&guarded, holder)]);
    });
}

#[test]
fn who_a_raise_admits_sees_what_was_prepared() {
    model(|| {
        let guarded = Guarded::new(0);
        race([
            spawned(&guarded, |guarded| {
                guarded.write();
                guarded.counter.set_limit(Limit::at_most(1));
            }),
            spawned(&guarded, |guarded| {
                if let Ok(_permit) = guarded.counter.try_acquire() {
                    guarded.write();
                }
            }),
        ]);
    });
}

#[test]
fn an_empty_counter_is_a_finished_drain() {
    model(|| {
        let guarded = Guarded::new(1);
        race([
            spawned(&guarded, |guarded| {
                if let Ok(_permit) = guarded.counter.try_acquire() {
                    guarded.write();
                }
            }),
            spawned(&guarded, |guarded| {
                guarded.counter.set_limit(Limit::at_most(0));
                if guarded.counter.in_use() == 0 {
                    guarded.write();
                }
            }),
        ]);
    });
}
