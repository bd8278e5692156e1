//! Interleavings of the sliding window, which every call tells the time. The
//! depth-first twin in `crates/twin` runs this same file, less the models that
//! are too large for a search without a bound.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use crate::linearize::{History, Spec};
use crate::product::{RateToken, SlidingWindow};
use crate::support::{model, race};

/// The ticks of every window here.
const WINDOW: u64 = 10;

/// A window, and the ticks of the admissions that stay in it.
struct Audited {
    window: SlidingWindow,
    committed: Mutex<Vec<u64>>,
}

impl Audited {
    fn new(most: u32) -> Self {
        let window = SlidingWindow::new(most, WINDOW).expect("the arguments are valid");
        Self { window, committed: Mutex::default() }
    }

    fn admit_at(&self, now: u64) -> bool {
        let token = self.window.try_reserve_at(now);
        token.map(|token| self.commit(token, now)).is_ok()
    }

    fn commit(&self, token: RateToken<'_>, now: u64) {
        token.commit();
        self.committed.lock().unwrap().push(now);
    }

    fn abandon_at(&self, now: u64) {
        drop(self.window.try_reserve_at(now));
    }

    /// The most committed admissions that any window holds.
    fn worst(&self) -> usize {
        let ticks = self.committed.lock().unwrap();
        let within = |from: u64| {
            let inside = ticks.iter().filter(|&&tick| tick >= from && tick - from < WINDOW);
            inside.count()
        };
        ticks.iter().map(|&from| within(from)).max().unwrap_or(0)
    }
}

/// Runs `threads` on one window that `before` has prepared, then `after`; never
/// may a window hold more than `most`.
fn exact<const THREADS: usize>(
    most: u32,
    before: fn(&Audited),
    threads: [fn(&Audited); THREADS],
    after: fn(&Audited),
) {
    model(move || {
        let audited = Arc::new(Audited::new(most));
        before(&audited);
        race(threads.map(|thread| -> Box<dyn FnOnce() + Send> {
            let audited = Arc::clone(&audited);
            Box::new(move || thread(&audited))
        }));
        after(&audited);
        let worst = audited.worst();
        assert!(worst <= most as usize, "{worst} in a window that has room for {most}");
    });
}

fn nothing(_: &Audited) {}

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

/// Two threads that begin their searches at different cells: the first that is
/// spawned at the second one, the second at the first.
mod apart {
    use super::*;
    #[cfg(feature = "loom")]
    use crate::product::OwnedRateToken;

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
}

/// The sequential window, asked in the order of time.
#[derive(Clone)]
struct Sequential {
    most: usize,
    /// Who holds a place, and until when.
    held: Vec<(u8, u64)>,
}

#[derive(Clone, Debug)]
enum Op {
    Reserve { who: u8, now: u64 },
    RollBack { who: u8 },
}

impl Spec for Sequential {
    type Op = Op;
    type Answer = u64;

    /// Reserve answers 0, or the ticks after which to come back.
    fn apply(&mut self, op: &Op) -> u64 {
        match *op {
            Op::Reserve { who, now } => {
                let live = || self.held.iter().map(|held| held.1).filter(|&until| until > now);
                if live().count() >= self.most {
                    return live().min().expect("most is not 0") - now;
                }
                self.held.push((who, now + WINDOW));
                0
            }
            Op::RollBack { who } => {
                self.held.retain(|held| held.0 != who);
                0
            }
        }
    }
}

/// A window whose calls are recorded.
struct Recorded {
    window: SlidingWindow,
    history: History<Sequential>,
}

impl Recorded {
    fn reserve(&self, who: u8, now: u64) -> Option<RateToken<'_>> {
        self.history.record(Op::Reserve { who, now }, || match self.window.try_reserve_at(now) {
            Ok(token) => (0, Some(token)),
            Err(limited) => (limited.retry_after(), None),
        })
    }

    fn roll_back(&self, who: u8, token: Option<RateToken<'_>>) {
        if let Some(token) = token {
            self.history.record(Op::RollBack { who }, || (0, drop(token)));
        }
    }

    fn abandon(&self, who: u8) {
        let token = self.reserve(who, 0);
        self.roll_back(who, token);
    }

    fn admit(&self, who: u8, now: u64) {
        self.reserve(who, now).into_iter().for_each(RateToken::commit);
    }
}

/// Runs `threads` on one recorded window; what they were answered, and what
/// one who comes at `last` is answered, must be what a sequential window answers.
fn linearizable<const THREADS: usize>(most: u32, last: u64, threads: [fn(&Recorded); THREADS]) {
    let window = move || SlidingWindow::new(most, WINDOW).expect("the arguments are valid");
    linearizable_in(window, last, threads);
}

/// [`linearizable`], on the window that `window` makes.
fn linearizable_in<const THREADS: usize>(
    window: impl Fn() -> SlidingWindow + Send + Sync + 'static,
    last: u64,
    threads: [fn(&Recorded); THREADS],
) {
    model(move || {
        let recorded = Arc::new(Recorded { window: window(), history: History::new() });
        race(threads.map(|thread| -> Box<dyn FnOnce() + Send> {
            let recorded = Arc::clone(&recorded);
            Box::new(move || thread(&recorded))
        }));
        recorded.admit(u8::MAX, last);
        let most = recorded.window.most() as usize;
        recorded.history.assert_linearizable(&Sequential { most, held: Vec::new() });
    });
}

#[test]
fn no_refusal_is_spurious() {
    linearizable(1, 0, [|w| w.abandon(0), |w| w.admit(1, 0)]);
}

#[test]
fn who_comes_later_is_answered_for_later() {
    linearizable(1, 10, [|w| w.admit(0, 0), |w| w.admit(1, 10)]);
}

#[cfg(feature = "loom")]
mod three_threads {
    use super::*;

    #[test]
    fn three_that_race_for_two_places_get_two() {
        exact(
            2,
            nothing,
            [|w| _ = w.admit_at(0), |w| _ = w.admit_at(0), |w| _ = w.admit_at(0)],
            |w| assert_eq!(w.committed.lock().unwrap().len(), 2),
        );
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
}
