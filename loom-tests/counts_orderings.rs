//! What the orderings of the subject counts promise to those who synchronise
//! through a subject's permits. Loom's cell fails the model when two accesses
//! are unordered.

use std::sync::Arc;

use loom::cell::UnsafeCell;

use crate::counts::{A, A2, C, Counts, Held, Thread, acquire, counts};
use crate::support::{model, race};

/// Plain memory that whoever has the permits to himself may use.
struct Guarded {
    counts: Arc<Counts>,
    data: UnsafeCell<u32>,
}

// SAFETY: the models access `data` only where the orderings promise that
// accesses are ordered; loom checks each of them and fails on a race.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self { counts: counts(), data: UnsafeCell::new(0) })
    }

    fn write(&self) {
        // SAFETY: as for `Sync`.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    /// Writes, if it may hold a permit of `A` under this limit.
    fn write_under(&self, limit: u32) -> Option<Held> {
        let permit = acquire(&self.counts, A, limit)?;
        self.write();
        Some(permit)
    }
}

fn thread(guarded: &Arc<Guarded>, run: impl FnOnce(&Guarded) + Send + 'static) -> Thread {
    let guarded = Arc::clone(guarded);
    Box::new(move || run(&guarded))
}

/// Writes and drops a permit.
fn leave(guarded: &Arc<Guarded>, permit: Option<Held>) -> Thread {
    thread(guarded, move |guarded| {
        guarded.write();
        drop(permit);
    })
}

/// Writes if it gets a permit, and keeps it.
fn enter(guarded: &Arc<Guarded>, limit: u32) -> Thread {
    thread(guarded, move |guarded| _ = guarded.write_under(limit).map(Held::forget))
}

#[test]
fn an_entry_hands_over_what_its_last_holder_wrote() {
    model(|| {
        let guarded = Guarded::new();
        let holder = acquire(&guarded.counts, A, 2);
        // Keeps the entry alive, so that the next holder takes over its count.
        acquire(&guarded.counts, A, 2).unwrap().forget();
        race([leave(&guarded, holder), enter(&guarded, 2)]);
    });
}

/// The count looks the same before a visit and after it; who looked before and
/// is counted after must see what the visitor wrote all the same.
#[test]
fn who_is_counted_after_a_visit_sees_what_the_visitor_wrote() {
    model(|| {
        let guarded = Guarded::new();
        acquire(&guarded.counts, A, 2).unwrap().forget();
        race([thread(&guarded, |guarded| drop(guarded.write_under(2))), enter(&guarded, 2)]);
    });
}

/// Whether the entry was there, died at that very moment or was gone: who holds
/// the only permit sees what the last holder wrote.
#[test]
fn who_is_alone_sees_what_the_last_holder_wrote() {
    model(|| {
        let guarded = Guarded::new();
        let holder = acquire(&guarded.counts, A, 2);
        race([
            leave(&guarded, holder),
            thread(&guarded, |guarded| {
                let _permit = acquire(&guarded.counts, A, 2).expect("there is room");
                if guarded.counts.count(&A) == 1 {
                    guarded.write();
                }
            }),
        ]);
    });
}

#[test]
fn a_new_entry_sees_what_the_last_holder_of_the_old_one_wrote() {
    model(|| {
        let guarded = Guarded::new();
        let holder = acquire(&guarded.counts, A, 1);
        race([leave(&guarded, holder), enter(&guarded, 1)]);
    });
}

/// The bucket looks the same before a visit and after it; who looked before and
/// enters after must see what the visitor wrote all the same.
#[test]
fn who_enters_after_a_visit_sees_what_the_visitor_wrote() {
    model(|| {
        let guarded = Guarded::new();
        race([thread(&guarded, |guarded| drop(guarded.write_under(1))), enter(&guarded, 1)]);
    });
}

/// Whoever of two finds the entry dying helps, and the other may enter anew.
#[test]
fn what_was_written_passes_through_who_helped() {
    model(|| {
        let guarded = Guarded::new();
        let holder = acquire(&guarded.counts, A, 1);
        race([leave(&guarded, holder), enter(&guarded, 1), enter(&guarded, 1)]);
    });
}

/// The last to leave publishes for those who left before.
#[test]
fn a_new_entry_sees_what_every_leaver_wrote() {
    model(|| {
        let guarded = Guarded::new();
        let (one, mut other) = (acquire(&guarded.counts, A, 2), acquire(&guarded.counts, A, 2));
        race([
            leave(&guarded, one),
            thread(&guarded, move |_| drop(other.take())),
            enter(&guarded, 1),
        ]);
    });
}

#[test]
fn who_counts_none_sees_what_the_last_holder_wrote() {
    model(|| {
        let guarded = Guarded::new();
        let holder = acquire(&guarded.counts, A, 1);
        race([
            leave(&guarded, holder),
            thread(&guarded, |guarded| {
                if guarded.counts.count(&A) == 0 {
                    guarded.write();
                }
            }),
        ]);
    });
}

#[test]
fn who_counts_one_less_sees_what_the_leaver_wrote() {
    model(|| {
        let guarded = Guarded::new();
        let holder = acquire(&guarded.counts, A, 2);
        acquire(&guarded.counts, A, 2).unwrap().forget();
        race([
            leave(&guarded, holder),
            thread(&guarded, |guarded| {
                if guarded.counts.count(&A) == 1 {
                    guarded.write();
                }
            }),
        ]);
    });
}

/// Who meets a link met what was written before it was linked: the node in its
/// memory, and what stands behind it.
#[test]
fn who_meets_a_node_meets_it_whole() {
    model(|| {
        let guarded = Guarded::new();
        race([
            thread(&guarded, |guarded| acquire(&guarded.counts, A, 1).unwrap().forget()),
            thread(&guarded, |guarded| {
                acquire(&guarded.counts, A2, 1).unwrap().forget();
                assert_eq!(guarded.counts.count(&A2), 1);
            }),
            thread(&guarded, |guarded| assert_eq!(guarded.counts.count(&C), 0)),
        ]);
    });
}
