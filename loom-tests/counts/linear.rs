//! Each recorded history of the map is one of a sequential map, whose entry goes
//! at zero.

use std::collections::HashMap;
use std::sync::Arc;

use super::bench::{A, A2, C, Counts, D, Held, Subject, Thread, acquire, assert_empty, counts};
use crate::linearize::{History, Spec};
use crate::support::{model, race};

/// The sequential map, whose entry goes at zero.
#[derive(Clone, Default)]
struct Sequential(HashMap<u8, u32>);

#[derive(Clone, Debug)]
enum Op {
    Acquire(u8, u32),
    Release(u8),
    Count(u8),
}

impl Spec for Sequential {
    type Op = Op;
    type Answer = u32;

    /// Acquire answers 1 or 0, release nothing, count the count.
    fn apply(&mut self, op: &Op) -> u32 {
        match *op {
            Op::Acquire(name, limit) => {
                let held = self.0.get(&name).copied().unwrap_or(0);
                if held < limit {
                    self.0.insert(name, held + 1);
                }
                (held < limit).into()
            }
            Op::Release(name) => {
                let held = self.0.remove(&name).expect("releases follow acquires");
                if held > 1 {
                    self.0.insert(name, held - 1);
                }
                0
            }
            Op::Count(name) => self.0.get(&name).copied().unwrap_or(0),
        }
    }
}

#[derive(Clone)]
struct Recorded {
    counts: Arc<Counts>,
    history: Arc<History<Sequential>>,
}

impl Recorded {
    fn acquire(&self, subject: Subject, limit: u32) -> Option<Held> {
        self.history.record(Op::Acquire(subject.name, limit), || {
            let permit = acquire(&self.counts, subject, limit);
            (permit.is_some().into(), permit)
        })
    }

    fn release(&self, subject: Subject, permit: Held) {
        self.history.record(Op::Release(subject.name), || (0, drop(permit)));
    }

    fn acquire_and_release(&self, subject: Subject, limit: u32) {
        if let Some(permit) = self.acquire(subject, limit) {
            self.release(subject, permit);
        }
    }

    fn count(&self, subject: Subject) {
        self.history.record(Op::Count(subject.name), || (self.counts.count(&subject), ()));
    }
}

fn linearizable<const THREADS: usize>(threads: [fn(&Recorded); THREADS]) {
    model(move || {
        let recorded = Recorded { counts: counts(), history: Arc::new(History::new()) };
        race(threads.map(|thread| -> Thread {
            let recorded = recorded.clone();
            Box::new(move || thread(&recorded))
        }));
        recorded.history.assert_linearizable(&Sequential::default());
        assert_empty(&recorded.counts);
    });
}

#[test]
fn one_subject_behaves_as_in_a_sequential_map() {
    linearizable([
        |r| r.acquire_and_release(A, 1),
        |r| {
            r.acquire_and_release(A, 1);
            r.count(A);
        },
    ]);
}

#[test]
fn a_run_behaves_as_in_a_sequential_map() {
    linearizable([
        |r| r.acquire_and_release(A, 1),
        |r| {
            r.acquire_and_release(A2, 1);
            r.count(A);
        },
    ]);
}

#[test]
fn a_bucket_being_linked_behaves_as_in_a_sequential_map() {
    linearizable([
        |r| {
            r.acquire_and_release(D, 2);
            r.count(C);
        },
        |r| r.acquire_and_release(C, 1),
    ]);
}

#[test]
fn a_third_that_counts_sees_what_a_sequential_map_would_say() {
    linearizable([
        |r| r.acquire_and_release(A, 1),
        |r| r.acquire_and_release(A, 1),
        |r| {
            r.count(A);
            r.count(A);
        },
    ]);
}
