//! When may unlinked memory be released: crossbeam-epoch, or under the feature
//! `loom` the worst that its contract allows.
//!
//! *Contract* (of crossbeam-epoch): what is deferred through a guard runs once,
//! after every guard that existed at the moment of the deferral is gone. A guard
//! made later protects nothing that was deferred before, and what the deferring
//! thread did before, an unlinking say, happens before it.
//!
//! *In a model*: it runs at the very moment the last of those guards goes, on
//! the thread that drops it. Crossbeam waits longer, which would hide a release
//! that comes too early. Guards order nothing between threads beyond the
//! contract, so that a missing `Acquire` or `Release` cannot hide behind them:
//! a guard acquires what deferrals have released, and only if there were any.
//!
//! *Checked by*: its own tests below; the mutants of the counts models that
//! retire too early, twice or never.

#[cfg(not(feature = "loom"))]
pub(crate) use crossbeam_epoch::{Guard, pin};

#[cfg(feature = "loom")]
pub(crate) use spec::{Guard, pin};

#[cfg(feature = "loom")]
#[allow(unsafe_code)]
mod spec {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering::*};

    loom::lazy_static! {
        static ref DEFERRALS: Deferrals = Deferrals::default();
    }

    /// The deferrals of one execution, for the guards made after them.
    #[derive(Default)]
    struct Deferrals {
        any: AtomicBool,
        order: loom::sync::atomic::AtomicUsize,
    }

    // All threads of a model run on one thread of the system, so this is one
    // reclaimer for each model.
    thread_local! {
        static RECLAIMER: RefCell<Reclaimer> = RefCell::default();
    }

    #[derive(Default)]
    struct Reclaimer {
        guards: BTreeSet<u64>,
        next: u64,
        waiting: Vec<Deferred>,
    }

    struct Deferred {
        /// The guards that existed at the deferral and still do.
        until_gone: BTreeSet<u64>,
        run: Box<dyn FnOnce()>,
    }

    /// Protects what is deferred while it exists.
    #[derive(Debug)]
    pub(crate) struct Guard {
        id: u64,
    }

    pub(crate) fn pin() -> Guard {
        if DEFERRALS.any.load(Relaxed) {
            DEFERRALS.order.fetch_add(0, Acquire);
        }
        RECLAIMER.with_borrow_mut(|reclaimer| {
            reclaimer.next += 1;
            reclaimer.guards.insert(reclaimer.next);
            Guard { id: reclaimer.next }
        })
    }

    impl Guard {
        /// Runs `f` as soon as every guard that exists now is gone.
        ///
        /// # Safety
        ///
        /// `f` may run on any thread, later than everything it borrows.
        pub(crate) unsafe fn defer_unchecked<F: FnOnce() + 'static>(&self, f: F) {
            DEFERRALS.order.fetch_add(1, Release);
            DEFERRALS.any.store(true, Relaxed);
            RECLAIMER.with_borrow_mut(|reclaimer| {
                let until_gone = reclaimer.guards.clone();
                reclaimer.waiting.push(Deferred { until_gone, run: Box::new(f) });
            });
        }

        /// Nothing is held back here, so there is nothing to do.
        #[allow(dead_code, reason = "models defer singly, without batches to flush")]
        pub(crate) fn flush(&self) {}

        /// This guard goes and a new one takes its place.
        pub(crate) fn repin(&mut self) {
            *self = pin();
        }
    }

    impl Drop for Guard {
        fn drop(&mut self) {
            let due = RECLAIMER.with_borrow_mut(|reclaimer| {
                reclaimer.guards.remove(&self.id);
                for deferred in &mut reclaimer.waiting {
                    deferred.until_gone.remove(&self.id);
                }
                let waiting = std::mem::take(&mut reclaimer.waiting);
                let (due, waiting): (Vec<_>, Vec<_>) =
                    waiting.into_iter().partition(|deferred| deferred.until_gone.is_empty());
                reclaimer.waiting = waiting;
                due
            });
            due.into_iter().for_each(|deferred| (deferred.run)());
        }
    }

    #[cfg(test)]
    mod tests {
        use std::cell::Cell;
        use std::rc::Rc;

        use super::*;

        #[test]
        fn what_is_deferred_waits_for_the_guards_of_its_moment_and_for_no_other() {
            loom::model(|| {
                let (first, second) = (pin(), pin());
                let ran = Rc::new(Cell::new(false));
                let sets = Rc::clone(&ran);
                // SAFETY: the closure owns all it uses.
                unsafe { first.defer_unchecked(move || sets.set(true)) };
                let _later = pin();
                drop(first);
                assert!(!ran.get(), "the second guard existed too");
                drop(second);
                assert!(ran.get(), "the later guard protects nothing deferred before");
            });
        }
    }
}
