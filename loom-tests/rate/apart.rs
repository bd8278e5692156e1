//! Two threads that begin their searches at different cells: the first that is
//! spawned at the second one, the second at the first.

use std::sync::Arc;

use super::bench::WINDOW;
#[cfg(feature = "loom")]
use super::linear::linearizable_in;
use crate::product::SlidingWindow;
#[cfg(feature = "loom")]
use crate::product::{OwnedRateToken, RateToken};
use crate::support::{model, race};

/// Two places, both held.
#[cfg(feature = "loom")]
fn full() -> (Arc<SlidingWindow>, [OwnedRateToken; 2]) {
    let window = Arc::new(SlidingWindow::with_starts(2, WINDOW, 2));
    let held = [(); 2].map(|()| window.try_reserve_owned_at(0).unwrap());
    (window, held)
}

#[test]
fn each_gets_a_place_and_nobody_a_third() {
    model(|| {
        let window = Arc::new(SlidingWindow::with_starts(2, WINDOW, 2));
        race([(); 2].map(|()| -> Box<dyn FnOnce() + Send> {
            let window = Arc::clone(&window);
            Box::new(move || window.try_reserve_at(0).expect("there are two").commit())
        }));
        assert_eq!(window.try_reserve_at(0).unwrap_err().retry_after(), WINDOW);
    });
}

/// Somebody whose search begins at the second place looks for one while that of
/// number `freed` comes back. Nobody may be told "full" afterwards.
#[cfg(feature = "loom")]
fn one_comes_back(freed: usize) {
    model(move || {
        let (window, held) = full();
        let [mut stays, mut back] = held;
        if freed == 0 {
            std::mem::swap(&mut stays, &mut back);
        }
        stays.commit();
        let looker = Arc::clone(&window);
        race([Box::new(move || drop(looker.try_reserve_at(0))), Box::new(move || drop(back))]);
        assert!(window.try_reserve_at(0).is_ok(), "all were refused a free place");
    });
}

#[cfg(feature = "loom")]
#[test]
fn a_place_that_comes_back_behind_a_search_is_seen() {
    one_comes_back(1);
}

#[cfg(feature = "loom")]
#[test]
fn a_place_that_comes_back_before_a_search_is_seen() {
    one_comes_back(0);
}

/// As long as one place is free at every instant, nobody is refused, whichever
/// of them it is.
#[cfg(feature = "loom")]
#[test]
fn who_passes_the_free_place_as_it_moves_is_not_refused() {
    model(|| {
        let (window, [first, second]) = full();
        drop(first);
        let (looker, mover) = (Arc::clone(&window), Arc::clone(&window));
        race([
            Box::new(move || drop(looker.try_reserve_at(0).expect("one is always free"))),
            Box::new(move || {
                drop(second);
                // Where it stays: one of the two at most.
                mover.try_reserve_at(0).expect("one is always free").commit();
            }),
        ]);
        assert_eq!(window.in_use_at(0), 1);
    });
}

/// Both places come back while two look for one, the second of whom may meet the
/// mark of the first: then it looks by a mark that it did not make. One switch
/// shows it, and with two the search would take minutes.
#[cfg(feature = "loom")]
#[test]
fn who_meets_a_mark_sees_what_came_back_before_it() {
    crate::support::model_with(1, || {
        let (window, held) = full();
        let looker = || -> Box<dyn FnOnce() + Send> {
            let window = Arc::clone(&window);
            Box::new(move || window.try_reserve_at(0).into_iter().for_each(RateToken::commit))
        };
        race([looker(), looker(), Box::new(move || drop(held))]);
        while let Ok(token) = window.try_reserve_at(0) {
            token.commit();
        }
        assert_eq!(window.in_use_at(0), 2, "all were refused a free place");
    });
}

#[cfg(feature = "loom")]
#[test]
fn no_refusal_is_spurious() {
    fn two_apart() -> SlidingWindow {
        SlidingWindow::with_starts(2, WINDOW, 2)
    }
    linearizable_in(two_apart, 0, [|w| w.abandon(0), |w| w.admit(1, 0), |w| w.admit(2, 0)]);
}
