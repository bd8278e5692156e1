//! Interleavings of three threads in one window: too many for a search without a
//! bound.

use std::sync::Arc;

use super::bench::{WINDOW, exact, nothing};
use super::linear::linearizable;
use crate::product::{RateToken, SlidingWindow};
use crate::support::{model, race};

#[test]
fn three_that_race_for_two_places_get_two() {
    exact(2, nothing, [|w| _ = w.admit_at(0), |w| _ = w.admit_at(0), |w| _ = w.admit_at(0)], |w| {
        assert_eq!(w.committed.lock().unwrap().len(), 2)
    });
}

/// Two look at all cells while the place comes back: the mark that one of
/// them left must not be taken for the other's.
#[test]
fn two_who_look_while_a_place_comes_back_leave_no_false_verdict() {
    model(|| {
        let window = Arc::new(SlidingWindow::new(1, WINDOW).unwrap());
        let held = window.try_reserve_owned_at(0).unwrap();
        let looker = || -> Box<dyn FnOnce() + Send> {
            let window = Arc::clone(&window);
            Box::new(move || window.try_reserve_at(0).into_iter().for_each(RateToken::commit))
        };
        race([looker(), looker(), Box::new(move || drop(held))]);
        window.try_reserve_at(0).into_iter().for_each(RateToken::commit);
        assert_eq!(window.in_use_at(0), 1, "all were refused a free place");
    });
}

#[test]
fn no_refusal_of_three_is_spurious() {
    linearizable(1, 0, [|w| w.abandon(0), |w| w.abandon(1), |w| w.abandon(2)]);
}

#[test]
fn no_refusal_beside_two_places_is_spurious() {
    linearizable(2, 0, [|w| w.abandon(0), |w| w.admit(1, 0), |w| w.abandon(2)]);
}
