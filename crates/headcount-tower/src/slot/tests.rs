//! What a driver and other threads bring about between two steps of a slot.

use std::panic::Location;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::lifetimes::Lifetimes;

/// Is over when it is told, until it is let go.
struct Held {
    is_over: Arc<AtomicBool>,
    until: Option<Arc<()>>,
}

impl Hold for Held {
    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    fn let_go(&mut self) {
        self.until = None;
    }
}

/// What is held, from outside.
struct Seen {
    is_over: Arc<AtomicBool>,
    until: std::sync::Weak<()>,
}

impl Seen {
    fn is_held(&self) -> bool {
        self.until.strong_count() > 0
    }
}

fn held() -> (Held, Seen) {
    let (is_over, until) = (Arc::<AtomicBool>::default(), Arc::default());
    let seen = Seen { is_over: Arc::clone(&is_over), until: Arc::downgrade(&until) };
    (Held { is_over, until: Some(until) }, seen)
}

/// A slot with a maximum lifetime, in these extensions.
fn offer(held: Held, lifetimes: &Arc<Lifetimes<Shared>>, extensions: &mut Extensions) -> Share {
    Slot::offer(held, Some(lifetimes.place(Location::caller())), extensions)
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
    second_seen.is_over.store(true, Relaxed);
    lifetimes.one_is_over();
    assert!(!second_seen.is_held());
    drop(shares);
}
