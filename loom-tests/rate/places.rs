//! Interleavings of places in the window: taken, left in time, and given back by a
//! rollback.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::bench::{WINDOW, exact, nothing};
use crate::product::SlidingWindow;
use crate::support::{model, race};

#[test]
fn two_that_race_for_one_place_get_one() {
    exact(1, nothing, [|w| _ = w.admit_at(0), |w| _ = w.admit_at(0)], |w| {
        assert_eq!(w.committed.lock().unwrap().len(), 1)
    });
}

#[test]
fn an_expired_place_is_taken_by_one() {
    exact(
        1,
        |w| assert!(w.admit_at(0)),
        [|w| _ = w.admit_at(10), |w| _ = w.admit_at(11)],
        |w| assert_eq!(w.committed.lock().unwrap().len(), 2),
    );
}

/// The clock of the second lags: the place that the first gave back is still
/// that of the admission at 0.
#[cfg(feature = "loom")]
#[test]
fn who_lags_gets_no_place_that_a_rollback_gave_back() {
    exact(
        1,
        |w| assert!(w.admit_at(0)),
        [|w| w.abandon_at(10), |w| assert!(!w.admit_at(5))],
        |w| assert!(w.admit_at(10), "the rollback left its place taken"),
    );
}

/// Clocks that differ by half a window, and a rollback between them.
#[cfg(feature = "loom")]
#[test]
fn clocks_that_differ_let_no_more_in() {
    exact(
        2,
        |w| assert!(w.admit_at(0)),
        [
            |w| _ = w.admit_at(5),
            |w| {
                w.abandon_at(10);
                w.admit_at(12);
            },
        ],
        |w| _ = w.admit_at(14),
    );
}

/// A token outlives its place: whether it still has it or not, the one who
/// comes at 10 is in.
#[test]
fn a_rollback_after_expiry_takes_nothing_from_the_next() {
    model(|| {
        let window = Arc::new(SlidingWindow::new(1, WINDOW).unwrap());
        let late = window.try_reserve_owned_at(0).unwrap();
        let next = Arc::clone(&window);
        race([
            Box::new(move || drop(late)),
            Box::new(move || next.try_reserve_at(10).expect("the place has expired").commit()),
        ]);
        assert!(window.try_reserve_at(19).is_err(), "the place was given away twice");
        assert!(window.try_reserve_at(20).is_ok());
    });
}

/// The end of time: what would leave after it never leaves.
#[test]
fn time_does_not_begin_again_at_its_end() {
    exact(1, nothing, [|w| _ = w.admit_at(u64::MAX - 3), |w| _ = w.admit_at(u64::MAX)], |w| {
        assert!(!w.admit_at(u64::MAX));
        assert!(!w.admit_at(0));
        assert_eq!(w.committed.lock().unwrap().len(), 1);
    });
}

/// Far beyond "full until", where each refusal looks for itself.
#[cfg(feature = "loom")]
#[test]
fn refusals_late_in_time_are_justified_too() {
    exact(1, nothing, [|w| w.abandon_at(1 << 63), |w| _ = w.window.try_reserve_at(1 << 63)], |w| {
        assert!(w.admit_at(1 << 63), "a rolled back place stayed taken");
        assert_eq!(w.window.try_reserve_at(1 << 63).unwrap_err().retry_after(), WINDOW);
    });
}

/// Late in time a refusal leaves its mark, so that the next one looks only once.
/// One of the two places is free at every instant, but who comes at 21 may look
/// at each of them while it is the other: at the first before it is given back,
/// at the second after somebody whose clock lags has taken it.
#[cfg(feature = "loom")]
#[test]
fn a_look_that_a_rollback_interrupts_refuses_nobody() {
    const LATE: u64 = 1 << 63;
    exact(
        2,
        |w| {
            assert!(w.admit_at(LATE + 10));
            assert!(w.admit_at(LATE + 5));
        },
        [
            |w| {
                let Ok(first) = w.window.try_reserve_at(LATE + 20) else { return };
                if w.window.try_reserve_at(LATE + 14).is_err() {
                    drop(first);
                    w.admit_at(LATE + 16);
                }
            },
            |w| assert!(w.admit_at(LATE + 21), "there was room at every instant"),
        ],
        nothing,
    );
}

/// Where to begin is a hint: all of them point behind the only free place, at one
/// that was free until now.
#[test]
fn an_old_hint_hides_no_place() {
    exact(
        2,
        |w| {
            assert!(w.admit_at(5));
            assert!(w.admit_at(0));
            assert!(!w.admit_at(6));
            w.abandon_at(10);
        },
        [|w| _ = w.admit_at(14), |w| assert!(w.admit_at(15))],
        nothing,
    );
}

#[test]
fn who_is_told_when_to_come_is_told_the_first() {
    exact(
        2,
        |w| assert!(w.admit_at(0)),
        [|w| _ = w.admit_at(4), |w| _ = w.admit_at(4)],
        |w| {
            for now in [5, 9] {
                assert_eq!(w.window.try_reserve_at(now).unwrap_err().retry_after(), 10 - now);
            }
            assert!(w.admit_at(10));
        },
    );
}

#[cfg(feature = "loom")]
#[test]
fn a_holder_that_unwinds_is_rolled_back() {
    exact(
        1,
        nothing,
        [
            |w| {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    let _token = w.window.try_reserve_at(0);
                    resume_unwind(Box::new("planned"));
                }));
                assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"planned"));
            },
            |w| w.abandon_at(0),
        ],
        |w| assert!(w.admit_at(0), "the place did not come back"),
    );
}

/// Somebody looks at all cells while a place comes back. Nobody may be told
/// "full" afterwards: the rollback has returned.
#[test]
fn who_looks_after_a_rollback_sees_its_cell() {
    model(|| {
        let window = Arc::new(SlidingWindow::new(1, WINDOW).unwrap());
        let held = window.try_reserve_owned_at(0).unwrap();
        let looker = Arc::clone(&window);
        race([Box::new(move || drop(held)), Box::new(move || drop(looker.try_reserve_at(0)))]);
        assert!(window.try_reserve_at(0).is_ok(), "all were refused a free place");
    });
}
