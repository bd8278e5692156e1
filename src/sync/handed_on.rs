//! Values that are handed on, from whoever has come to have a reference to whoever comes to
//! take them: in a gate, evicted sessions that a driver is to report.
//!
//! *Origin*: Treiber's stack (1986), pushed to and taken whole, so that nothing recurs
//! that a compare-and-swap could mistake. The link is in the value, so nothing is
//! allocated.
//!
//! *Invariant*: of each value that is put here one reference is here. Whoever takes it
//! passes it on, or puts it back: also one that is stopped by a panic.
//!
//! *Those that nobody wants any more*, because their owner has left: if nobody takes, they
//! would be kept for ever, so owners that leave take them out now and then, when they are
//! more than half of what was put back by the last who took. So each costs
//! its owner a constant, on the average, and there are never more of them than half of what
//! was wanted then, and a few.
//!
//! *What is in such an owner's hand* is put back soon: meanwhile `is_empty` says no.
//!
//! *Closed* when nobody will take any more: what is put then is dropped at once.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | the push, CAS | `Release` | the take | the link is read before it is written | `what_is_handed_on_is_taken_once` |
//! | the take, CAS | `Acquire` | the push | the same, from the other side | `what_is_handed_on_is_taken_once` |
//! | the close, swap | `Acquire` | the push | what an owner has just put back is missed | `nothing_is_left_in_a_list_that_is_closed` |
//! | the take | `Release` | the first load of `is_empty` | who finds nothing misses the hand that has it | `what_is_in_a_hand_is_seen` |
//! | `hands`' subtraction | `Release` | its load | who sees no hand misses what that put back | `what_is_in_a_hand_is_seen` |
//! | the loads of `is_empty` | `Acquire` | these | the same, from the other side | `what_is_in_a_hand_is_seen` |
//! | the counts | `Relaxed` | nothing | they say when, not what | |
//!
//! *Progress*: a push and a take are lock-free.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;

use super::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use super::counted::{Counted, HasCount};

/// Owners that leave before what nobody wants is taken out, at least.
#[cfg(not(feature = "loom"))]
const FEW: usize = 16;
#[cfg(feature = "loom")]
const FEW: usize = 0;

/// What can be in a list, once at a time.
pub(crate) trait Linked: HasCount {
    fn next(&self) -> &AtomicPtr<()>;
    /// Not if the owner has left.
    fn is_wanted(&self) -> bool;
}

pub(crate) struct HandedOn<R: HasCount> {
    first: AtomicPtr<()>,
    /// Owners that have taken and not put back yet.
    hands: AtomicUsize,
    /// What was put back by the last who took.
    stayed: AtomicUsize,
    /// The owners that have left since.
    left: AtomicUsize,
    holds: PhantomData<Counted<R>>,
}

/// In the place of the first, once it is closed.
fn closed() -> *mut () {
    static CLOSED: u8 = 0;
    (&raw const CLOSED).cast_mut().cast()
}

impl<R: HasCount> HandedOn<R> {
    pub(crate) fn new() -> Self {
        let zero = || AtomicUsize::new(0);
        Self {
            first: AtomicPtr::new(null_mut()),
            hands: zero(),
            stayed: zero(),
            left: zero(),
            holds: PhantomData,
        }
    }

    /// Is there nothing, and nothing about to be put back?
    pub(crate) fn is_empty(&self) -> bool {
        let is_empty = || self.first.load(Acquire).is_null();
        is_empty() && self.hands.load(Acquire) == 0 && is_empty()
    }
}

impl<R: Linked> HandedOn<R> {
    pub(crate) fn put(&self, value: Counted<R>) {
        let mut first = self.first.load(Relaxed);
        let value = ManuallyDrop::new(value);
        loop {
            if first == closed() {
                drop(ManuallyDrop::into_inner(value));
                return;
            }
            value.next().store(first, Relaxed);
            match self.first.compare_exchange(first, Counted::as_raw(&value), Release, Relaxed) {
                Ok(_) => return,
                Err(other) => first = other,
            }
        }
    }

    /// All that there are.
    pub(crate) fn take(&self) -> Taken<'_, R> {
        let mut first = self.first.load(Relaxed);
        // Nothing is pushed on what is closed.
        while !first.is_null() && first != closed() {
            match self.first.compare_exchange(first, null_mut(), AcqRel, Relaxed) {
                Ok(_) => {
                    self.stayed.store(0, Relaxed);
                    return Taken { from: self, first };
                }
                Err(other) => first = other,
            }
        }
        Taken { from: self, first: null_mut() }
    }

    /// The owner of a value that was put here has left.
    pub(crate) fn owner_left(&self) {
        if self.left.fetch_add(1, Relaxed) < self.stayed.load(Relaxed) / 2 + FEW {
            return;
        }
        self.left.swap(0, Relaxed);
        // Before the take, which publishes it.
        self.hands.fetch_add(1, Relaxed);
        let _hand = Hand(&self.hands);
        let mut stayed = 0;
        for value in self.take() {
            if value.is_wanted() {
                self.put(value);
                stayed += 1;
            }
        }
        self.stayed.swap(stayed, Relaxed);
    }

    /// Nobody will take any more: drops what there is. If drops of tags panic, the others
    /// are dropped all the same.
    pub(crate) fn close(&self) {
        let first = self.first.swap(closed(), Acquire);
        let first = if first == closed() { null_mut() } else { first };
        let mut outcome = Ok(());
        for value in (Taken { from: self, first }) {
            outcome = outcome.and(catch_unwind(AssertUnwindSafe(|| drop(value))));
        }
        if let (Err(panic), false) = (outcome, std::thread::panicking()) {
            resume_unwind(panic);
        }
    }
}

/// What is in it is put back before it is dropped.
struct Hand<'a>(&'a AtomicUsize);

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Release);
    }
}

/// Values that are in one hand. Those that are left when it is dropped, by a panic say,
/// are put back.
pub(crate) struct Taken<'a, R: Linked> {
    from: &'a HandedOn<R>,
    first: *mut (),
}

impl<R: Linked> Iterator for Taken<'_, R> {
    type Item = Counted<R>;

    fn next(&mut self) -> Option<Counted<R>> {
        if self.first.is_null() {
            return None;
        }
        // SAFETY: it was pushed, and its take made the reference the taker's.
        #[allow(unsafe_code)]
        let value = unsafe { Counted::<R>::of_raw(self.first) };
        self.first = value.next().load(Relaxed);
        Some(value)
    }
}

impl<R: Linked> Drop for Taken<'_, R> {
    fn drop(&mut self) {
        while let Some(value) = self.next() {
            self.from.put(value);
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::rc::Rc;

    use super::super::atomic::AtomicU32;
    use super::*;

    struct Value {
        references: AtomicU32,
        next: AtomicPtr<()>,
        is_wanted: bool,
        _alive: Rc<()>,
    }

    impl HasCount for Value {
        fn references(&self) -> &AtomicU32 {
            &self.references
        }
    }

    impl Linked for Value {
        fn next(&self) -> &AtomicPtr<()> {
            &self.next
        }

        fn is_wanted(&self) -> bool {
            self.is_wanted
        }
    }

    fn put(list: &HandedOn<Value>, is_wanted: bool, alive: &Rc<()>) {
        let (references, next) = (AtomicU32::new(2), AtomicPtr::new(null_mut()));
        let (value, _owners) =
            Counted::pair(Value { references, next, is_wanted, _alive: Rc::clone(alive) });
        list.put(value);
    }

    /// Many stayed once, and were taken since: what nobody wants is few all the same.
    #[test]
    fn what_stayed_and_was_taken_makes_no_room_for_the_unwanted() {
        let (list, alive) = (HandedOn::new(), Rc::new(()));
        (0..1_000).for_each(|_| put(&list, true, &alive));
        (0..=FEW).for_each(|_| list.owner_left());
        assert_eq!(list.take().count(), 1_000);
        for _ in 0..1_000 {
            put(&list, false, &alive);
            list.owner_left();
            assert!(Rc::strong_count(&alive) <= FEW + 2, "{}", Rc::strong_count(&alive));
        }
    }
}
