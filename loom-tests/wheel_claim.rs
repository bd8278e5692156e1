//! Interleavings of a claim: a timer is taken by who does not own it, while it is held,
//! touched, cancelled, fires, or is taken by another. And of the look that precedes it.

use std::sync::{Arc, Mutex};

use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::product::wheel_model::{
    Look, LookedFor, Place, Seen, cancel_live, claim, hold, insert_held, look, place, release,
    release_with_fixed,
};
use crate::product::{Deadlines, FixedDeadline, Timer};
use crate::support::{Shared, model, race};
use crate::wheel::{Bench, NoClock};

type TestTimer = Timer<u32, NoClock>;
type Thread = Box<dyn FnOnce() + Send>;
type Outcome<R> = Arc<Mutex<Option<R>>>;

fn thread<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> (Thread, Outcome<R>) {
    let outcome = Outcome::default();
    let set = Arc::clone(&outcome);
    (Box::new(move || *set.lock().unwrap() = Some(run())), outcome)
}

fn of<R>(outcome: &Outcome<R>) -> R {
    outcome.lock().unwrap().take().expect("its thread has run")
}

#[track_caller]
fn unused(bench: &Bench, place: Place) -> Seen {
    match look(&bench.wheel, place) {
        Look::Unused(seen) => seen,
        Look::Held => panic!("somebody holds the timer"),
        Look::Gone => panic!("the timer is gone"),
    }
}

/// What a claimant came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claimed {
    Never,
    Lost(LookedFor),
    Retired(u32),
}

impl Claimed {
    fn is_retired(self) -> bool {
        matches!(self, Self::Retired(_))
    }
}

/// Claims the timer as it was seen and retires it, if `is_meant` once it is claimed.
fn take(
    bench: &Bench,
    place: Place,
    seen: Seen,
    claimant: usize,
    is_meant: impl FnOnce() -> bool,
) -> Claimed {
    let Ok(claim) = claim(&bench.wheel, place, seen, claimant) else { return Claimed::Never };
    let retired = if is_meant() { claim.retire() } else { Err(claim.give_up()) };
    retired.map_or_else(Claimed::Lost, Claimed::Retired)
}

/// A claimant of a timer that is as it is now.
fn taking(bench: &Bench, place: Place, claimant: usize) -> (Thread, Outcome<Claimed>) {
    let (bench, seen) = (bench.clone(), unused(bench, place));
    thread(move || take(&bench, place, seen, claimant, || true))
}

/// A timer that is idle at 4.
fn timer(bench: &Bench) -> (Shared<TestTimer>, Place) {
    timer_with(bench, FixedDeadline::None)
}

/// ... with a fixed deadline.
fn timer_with(bench: &Bench, fixed: FixedDeadline) -> (Shared<TestTimer>, Place) {
    let deadlines = Deadlines { idle: 4, fixed };
    let timer = bench.wheel.insert_with_at(0, deadlines, 7).expect("there is room");
    let place = place(&timer);
    (Shared::new(timer), place)
}

/// Fails unless the payload of the timer leaves once: by the claim or when it is due.
#[track_caller]
fn assert_leaves_once(bench: &Bench, claimed: Claimed) {
    bench.advance(9);
    bench.assert_fired(if claimed.is_retired() { &[] } else { &[7] });
    assert_eq!((bench.wheel.len(), bench.wheel.linked()), (0, 0));
}

#[test]
fn claim_or_hold_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let (timer, place) = timer(&bench);
        let (take, claimed) = taking(&bench, place, 1);
        let holder = Shared::clone(&timer);
        let (keep, held) = thread(move || hold(&holder));
        race([take, keep]);
        let (claimed, held) = (of(&claimed), of(&held));
        assert_ne!(claimed.is_retired(), held, "one of the two");
        if held {
            bench.advance(5);
            bench.assert_fired(&[]);
            assert_eq!(release(&timer, 5), Some(LookedFor(false)), "nobody has looked since");
        }
        assert_leaves_once(&bench, claimed);
    });
}

#[test]
fn claim_or_touch_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let (timer, place) = timer(&bench);
        let (take, claimed) = taking(&bench, place, 1);
        let toucher = Shared::clone(&timer);
        let (touch, touched) = thread(move || toucher.touch_at(2).is_ok());
        race([take, touch]);
        let (claimed, touched) = (of(&claimed), of(&touched));
        assert_ne!(claimed.is_retired(), touched, "one of the two");
        if touched {
            // Whoever lost the claim has left the timer to the others.
            unused(&bench, place);
            bench.advance(5);
            bench.assert_fired(&[]);
        }
        assert_leaves_once(&bench, claimed);
    });
}

#[test]
fn claim_or_fire_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let (_timer, place) = timer(&bench);
        let (take, claimed) = taking(&bench, place, 1);
        race([take, bench.thread((), |b, ()| b.advance(4))]);
        let claimed = of(&claimed);
        assert_ne!(claimed.is_retired(), bench.has_fired(7), "one of the two");
        assert_leaves_once(&bench, claimed);
    });
}

/// A driver notes the word before it fires the timer by its fixed deadline.
#[test]
fn claim_or_fire_by_the_fixed_deadline_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let (_timer, place) = timer_with(&bench, FixedDeadline::After(2));
        let (take, claimed) = taking(&bench, place, 1);
        race([
            take,
            bench.thread((), move |b, ()| {
                // The mark of a look stays when the word is noted.
                look(&b.wheel, place);
                b.advance(2);
            }),
        ]);
        let claimed = of(&claimed);
        assert_ne!(claimed.is_retired(), bench.has_fired(7), "one of the two");
        assert_leaves_once(&bench, claimed);
    });
}

/// A change of the fixed deadline is not lost in a claim that is given up.
#[test]
fn a_claim_that_is_given_up_leaves_the_fixed_deadline_as_it_was_set() {
    model(|| {
        let bench = Bench::new();
        let (timer, place) = timer_with(&bench, FixedDeadline::After(4));
        timer.touch_at(2).unwrap();
        let seen = unused(&bench, place);
        let (claiming, setter) = (bench.clone(), Shared::clone(&timer));
        race([
            Box::new(move || _ = take(&claiming, place, seen, 1, || false)),
            Box::new(move || setter.set_fixed_deadline(Some(5)).unwrap()),
        ]);
        unused(&bench, place);
        bench.advance(4);
        bench.assert_fired(&[]);
        bench.advance(5);
        bench.assert_fired(&[7]);
    });
}

/// The node becomes that of another timer with the same word. Who is in it is written
/// before that timer is released, so a claimant knows it by then.
#[test]
fn a_timer_that_looks_the_same_is_not_taken_for_the_one_that_was_seen() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 4, 7);
        let place = place(&timer);
        let seen = unused(&bench, place);
        let who = Shared::new(AtomicU32::new(7));
        let (claiming, asked) = (bench.clone(), Shared::clone(&who));
        let is_meant = move || asked.load(Relaxed) == 7;
        let (take_it, claimed) = thread(move || take(&claiming, place, seen, 1, is_meant));
        let other = bench.clone();
        let (replace, replaced) = thread(move || {
            who.store(0, Relaxed);
            let retired = cancel_live(timer).map(|payload| assert_eq!(payload, 7));
            if let Err(timer) = retired {
                other.keep(timer);
                return None;
            }
            let timer = insert_held(&other.wheel, 0, 4, 8).expect("there is room");
            who.store(8, Relaxed);
            release(&timer, 0);
            // With another name, so that it is not the same claim.
            let second = match look(&other.wheel, place) {
                Look::Unused(seen) => take(&other, place, seen, 2, || true),
                Look::Held | Look::Gone => Claimed::Never,
            };
            other.keep(timer);
            Some(second)
        });
        race([take_it, replace]);
        match (of(&claimed), of(&replaced)) {
            (Claimed::Retired(payload), None) => {
                assert_eq!(payload, 7);
                bench.advance(4);
                bench.assert_fired(&[]);
            }
            (Claimed::Lost(_) | Claimed::Never, Some(second)) => {
                assert!(matches!(second, Claimed::Retired(8) | Claimed::Lost(_) | Claimed::Never));
                bench.advance(4);
                bench.assert_fired(if second.is_retired() { &[] } else { &[8] });
            }
            outcome => panic!("both or neither had the timer: {outcome:?}"),
        }
    });
}

/// Both have seen the timer: one of them gets it, and the other one's look does not
/// spoil the claim.
#[test]
fn of_two_claimants_one_gets_the_timer() {
    model(|| {
        let bench = Bench::new();
        let (_timer, place) = timer(&bench);
        let (take_it, first) = taking(&bench, place, 1);
        let other = bench.clone();
        let (look_and_take, second) = thread(move || match look(&other.wheel, place) {
            Look::Unused(seen) => take(&other, place, seen, 2, || true),
            Look::Held | Look::Gone => Claimed::Never,
        });
        race([take_it, look_and_take]);
        let (first, second) = (of(&first), of(&second));
        assert_ne!(first.is_retired(), second.is_retired(), "{first:?}, {second:?}");
        let winner = if first.is_retired() { first } else { second };
        assert_leaves_once(&bench, winner);
    });
}

/// Who looks and meets a claim takes the timer for one that is held. If the claim is
/// lost then, its maker tells: of the two at least one knows that the timer is unused.
#[test]
fn who_loses_a_claim_tells_if_the_timer_was_looked_for() {
    model(|| {
        let bench = Bench::new();
        let (timer, place) = timer(&bench);
        let (take, claimed) = taking(&bench, place, 1);
        let (other, toucher) = (bench.clone(), Shared::clone(&timer));
        let (touch_and_look, outcome) = thread(move || {
            let touched = toucher.touch_at(2).is_ok();
            (touched, look(&other.wheel, place))
        });
        race([take, touch_and_look]);
        let (claimed, (touched, look)) = (of(&claimed), of(&outcome));
        assert_ne!(claimed.is_retired(), touched, "one of the two");
        match look {
            Look::Gone => assert!(claimed.is_retired(), "it is live"),
            Look::Held => assert_eq!(claimed, Claimed::Lost(LookedFor(true))),
            Look::Unused(_) => assert!(touched),
        }
        assert_leaves_once(&bench, claimed);
    });
}

/// The same where it is given up, and nobody has touched the timer.
#[test]
fn who_gives_a_claim_up_tells_if_the_timer_was_looked_for() {
    model(|| {
        let bench = Bench::new();
        let (_timer, place) = timer(&bench);
        let seen = unused(&bench, place);
        let (claiming, other) = (bench.clone(), bench.clone());
        let (give_up, claimed) = thread(move || take(&claiming, place, seen, 1, || false));
        let (look_at_it, seen) = thread(move || look(&other.wheel, place));
        race([give_up, look_at_it]);
        match of(&seen) {
            Look::Gone => panic!("it is live"),
            Look::Held => assert_eq!(of(&claimed), Claimed::Lost(LookedFor(true))),
            Look::Unused(_) => assert_eq!(of(&claimed), Claimed::Lost(LookedFor(false))),
        }
        assert_leaves_once(&bench, Claimed::Never);
    });
}

/// Of a look and the release of the last hold one tells: the look finds the timer unused,
/// or the release says that it was looked for.
fn one_of_the_two_tells(end: fn(&TestTimer) -> Option<LookedFor>) {
    model(move || {
        let bench = Bench::new();
        let (timer, place) = timer(&bench);
        assert!(hold(&timer));
        let (other, holder) = (bench.clone(), Shared::clone(&timer));
        let (look_at_it, seen) = thread(move || look(&other.wheel, place));
        let (end_it, last) = thread(move || end(&holder).expect("it was the last hold"));
        race([look_at_it, end_it]);
        match of(&seen) {
            Look::Gone => panic!("it is live"),
            Look::Held => assert_eq!(of(&last), LookedFor(true)),
            Look::Unused(_) => assert_eq!(of(&last), LookedFor(false)),
        }
        // Told once.
        assert!(hold(&timer));
        assert_eq!(release(&timer, 0), Some(LookedFor(false)));
    });
}

#[test]
fn of_a_look_and_the_release_of_the_last_hold_one_tells() {
    one_of_the_two_tells(|timer| release(timer, 0));
}

#[test]
fn of_a_look_and_a_release_with_a_fixed_deadline_one_tells() {
    one_of_the_two_tells(|timer| release_with_fixed(timer, 0, 3));
}

/// The mark of a look stays when a driver notes the word, and when the note goes.
#[test]
fn a_driver_that_notes_a_held_timer_leaves_the_mark_of_a_look() {
    model(|| {
        let bench = Bench::new();
        let (timer, place) = timer_with(&bench, FixedDeadline::After(2));
        assert!(hold(&timer));
        let (other, holder) = (bench.clone(), Shared::clone(&timer));
        let (look_and_move, last) = thread(move || {
            assert!(matches!(look(&other.wheel, place), Look::Held | Look::Gone));
            holder.set_fixed_deadline(Some(5)).ok().and_then(|()| release(&holder, 0))
        });
        race([look_and_move, bench.thread((), |b, ()| b.advance(2))]);
        match of(&last) {
            Some(last) => assert_eq!(last, LookedFor(true)),
            None => assert!(bench.has_fired(7)),
        }
    });
}

/// The node becomes that of another timer with the same word, which is unused since later.
#[test]
fn a_timer_is_claimed_as_unused_since_it_is() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 4, 7);
        let place = place(&timer);
        let (claiming, other) = (bench.clone(), bench.clone());
        let (look_and_take, claimed) = thread(move || match look(&claiming.wheel, place) {
            Look::Unused(seen) => Some((seen.since(), take(&claiming, place, seen, 1, || true))),
            Look::Held | Look::Gone => None,
        });
        let replace = thread(move || {
            let kept = match cancel_live(timer) {
                Ok(_) => other.insert(2, 4, 8),
                Err(timer) => timer,
            };
            other.keep(kept);
        });
        race([look_and_take, replace.0]);
        match of(&claimed) {
            Some((since, Claimed::Retired(7))) => assert_eq!(since, 0),
            Some((since, Claimed::Retired(8))) => assert_eq!(since, 2),
            Some((_, Claimed::Never | Claimed::Lost(_))) | None => {}
            other => panic!("{other:?}"),
        }
    });
}
