//! What a driver and other threads bring about between two steps of a slot.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{OnceLock, Weak};
use std::task::Wake;

use super::*;
use crate::lifetimes::Lifetimes;

/// Is over when it is told.
struct Held {
    is_over: Arc<AtomicBool>,
    inside: Option<Contents>,
}

impl SlotContents for Held {
    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    fn take(&mut self) -> Option<Contents> {
        self.inside.take()
    }
}

/// What a user's tag does where it is dropped.
struct Tag<F: FnMut()>(F);

impl<F: FnMut()> Drop for Tag<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// What is held, from outside.
struct Seen {
    is_over: Arc<AtomicBool>,
    inside: Weak<()>,
}

impl Seen {
    fn is_held(&self) -> bool {
        self.inside.strong_count() > 0
    }

    /// It has reached its lifetime, and a driver comes.
    fn ends(&self, lifetimes: &Lifetimes<Shared>) {
        self.is_over.store(true, Relaxed);
        lifetimes.one_is_over();
    }
}

fn held_with(tag: impl FnMut() + Send + 'static) -> (Held, Seen) {
    let (is_over, inside) = (Arc::<AtomicBool>::default(), Arc::<()>::default());
    let seen = Seen { is_over: Arc::clone(&is_over), inside: Arc::downgrade(&inside) };
    (Held { is_over, inside: Some(Box::new((Tag(tag), inside))) }, seen)
}

fn held() -> (Held, Seen) {
    held_with(|| ())
}

/// A slot with a maximum lifetime, in these extensions.
fn offer(held: Held, lifetimes: &Arc<Lifetimes<Shared>>, extensions: &mut Extensions) -> Share {
    Slot::offer(held, Some(lifetimes.register(Location::caller())), extensions)
}

/// A driver came before the first had its place, and comes for the second.
#[test]
fn a_slot_that_is_over_at_once_is_not_given_up_in_place_of_another() {
    let lifetimes = Lifetimes::new();
    let ((first, first_seen), (second, second_seen)) = (held(), held());
    first_seen.is_over.store(true, Relaxed);
    let shares = [first, second].map(|held| {
        let share = offer(held, &lifetimes, &mut Extensions::new());
        share.is_answered();
        share
    });
    assert!(!first_seen.is_held() && second_seen.is_held());
    second_seen.ends(&lifetimes);
    assert!(!second_seen.is_held());
    drop(shares);
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_tag_whose_drop_panics_leaves_no_body_waiting() {
    let lifetimes = Lifetimes::new();
    let (held, seen) = held_with(|| panic!("of the tag"));
    let share = offer(held, &lifetimes, &mut Extensions::new());
    share.is_answered();
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    assert!(!share.wakes(&Arc::clone(&woken).into()));
    assert!(catch_unwind(AssertUnwindSafe(|| seen.ends(&lifetimes))).is_err());
    assert!(woken.0.load(Relaxed) && share.is_over() && !seen.is_held());
}

#[test]
fn a_tag_whose_drop_panics_leaves_no_outer_slot_taken() {
    let lifetimes = Lifetimes::new();
    let mut extensions = Extensions::new();
    let ((outer, outer_seen), (inner, inner_seen)) = (held(), held_with(|| panic!("of the tag")));
    let shares = [outer, inner].map(|held| offer(held, &lifetimes, &mut extensions));
    let work = extensions.get::<Slot>().cloned();
    drop(extensions);
    for (share, seen) in shares.iter().zip([&outer_seen, &inner_seen]) {
        share.is_answered();
        seen.ends(&lifetimes);
        assert!(seen.is_held(), "somebody works in it");
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(work))).is_err());
    assert!(!inner_seen.is_held() && !outer_seen.is_held());
}

/// For it may do anything.
#[test]
fn a_tag_is_dropped_under_no_lock() {
    let lifetimes = Lifetimes::new();
    let its_slot = Arc::<OnceLock<Weak<Shared>>>::default();
    let (slot, is_locked) = (Arc::clone(&its_slot), Arc::<OnceLock<bool>>::default());
    let seen_locked = Arc::clone(&is_locked);
    let (held, seen) = held_with(move || {
        let slot = slot.get().unwrap().upgrade().unwrap();
        is_locked.set(slot.held.try_lock().is_err()).unwrap();
    });
    let share = offer(held, &lifetimes, &mut Extensions::new());
    its_slot.set(Arc::downgrade(&share.0)).unwrap();
    share.is_answered();
    seen.ends(&lifetimes);
    assert_eq!(seen_locked.get(), Some(&false));
}

/// A middleware copies a request into two, each of which an inner layer counts.
#[test]
fn copies_of_a_request_keep_the_outer_slot_each_for_itself() {
    let lifetimes = Lifetimes::new();
    let mut extensions = Extensions::new();
    let (outer, seen) = held();
    let share = offer(outer, &lifetimes, &mut extensions);
    let [first, second] = [(); 2].map(|()| {
        let mut copy = extensions.clone();
        // Under one layer of the scope, and under two.
        let inner = [(); 2].map(|()| offer(held().0, &lifetimes, &mut copy));
        (copy, inner)
    });
    drop(extensions);
    share.is_answered();
    seen.ends(&lifetimes);
    assert!(seen.is_held() && share.is_taken());
    drop(first);
    assert!(seen.is_held(), "the second goes on");
    let work = second.0.get::<Slot>().cloned();
    drop(second);
    assert!(seen.is_held(), "so does its work");
    drop(work);
    assert!(!seen.is_held() && !share.is_taken());
}
