//! The protocol, in every order of steps within the bounds of each slice: the very
//! `ledger.rs`, `holder.rs` and `term.rs`, under loss, delay, duplication, crashes, stops
//! that outlast a term, restarts with all, some or none of the memory, a second primary
//! and leaps of the engine's clock.
//!
//! Each search is whole or fails. `HEADCOUNT_DEEP=1 cargo test --release -p headcount-fleet
//! --test model -- --nocapture` takes more lives, limits, faults and longer terms.

mod alike;
mod search;
mod slice;
mod steps;
mod stories;
mod world;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use headcount_fleet::terms::Terms;
use stateright::{Checker, HasDiscoveries, Model};

use slice::{Fault, Seen, Sessions, Slice};

/// A term that can be renewed once before it ends, and a leap of a tick.
const SHORT: Terms = Terms { term: 2, deposed: 0, slack: 1, guard: 0 };

fn is_deep() -> bool {
    std::env::var_os("HEADCOUNT_DEEP").is_some()
}

/// The smallest, in which nothing fails.
fn slice() -> Slice {
    Slice {
        processes: 2,
        lives: 1,
        limit: 1,
        terms: SHORT,
        faults: 0,
        can: &[],
        writes_for: 0,
        sessions: Sessions::Any,
        joined: false,
        is_sorted: true,
        seen: 0.into(),
    }
}

/// The property that does not hold, if there is one, and what was seen.
fn search(name: &str, slice: Slice) -> (Option<&'static str>, u32) {
    let began = Instant::now();
    let cap = if is_deep() { 2_000_000_000 } else { 10_000_000 };
    let search = slice.checker().target_state_count(cap).finish_when(HasDiscoveries::Any);
    if is_deep() {
        // Depth first waits with few states for their turn; the run that breaks a property is
        // longer than it need be.
        report(name, began, cap, &search.spawn_dfs().join())
    } else {
        report(name, began, cap, &search.spawn_bfs().join())
    }
}

fn report(
    name: &str,
    began: Instant,
    cap: usize,
    search: &impl Checker<Slice>,
) -> (Option<&'static str>, u32) {
    let (states, steps, depth) =
        (search.unique_state_count(), search.state_count(), search.max_depth());
    println!(
        "model {name}: {states} states, {steps} steps, depth {depth}, {:.1?}",
        began.elapsed()
    );
    let broken = search.discoveries().into_iter().next();
    if let Some((property, path)) = &broken {
        println!("not so: {property}, by these steps:");
        path.clone().into_actions().iter().for_each(|step| println!("  {step:?}"));
        println!("{:#?}", path.last_state());
    } else {
        assert!(steps < cap, "{name}: the search stopped at its cap");
    }
    (broken.map(|(property, _)| property), search.model().seen.load(Relaxed))
}

/// Every property holds, and all of this was seen.
fn holds(name: &str, slice: Slice, wants: &[Seen]) {
    let (broken, seen) = search(name, slice);
    assert_eq!(broken, None, "{name}");
    for &want in wants {
        assert!(seen & 1 << want as u32 != 0, "{name}: never saw {want:?}");
    }
}

#[test]
fn calls_in_any_order_and_lost() {
    holds("calls", Slice { limit: 2, ..slice() }, &[]);
    holds("two lives", Slice { lives: 2, ..slice() }, &[Seen::LapsedIsBack]);
    if is_deep() {
        holds("a limit of three", Slice { limit: 3, ..slice() }, &[]);
        holds(
            "longer terms",
            Slice { limit: 2, terms: Terms { term: 3, ..SHORT }, ..slice() },
            &[],
        );
        holds("three processes", Slice { processes: 3, joined: true, ..slice() }, &[]);
    }
}

#[test]
fn requests_and_replies_that_come_late_or_twice() {
    let can = &[Fault::Late, Fault::Twice];
    let late = || Slice { faults: 1, joined: !is_deep(), can, ..slice() };
    holds("late or twice", late(), &[]);
    if is_deep() {
        holds("late or twice, two lives", Slice { lives: 2, ..late() }, &[]);
        holds("late and twice", Slice { faults: 2, joined: true, ..late() }, &[]);
    }
}

#[test]
fn crashes_leaves_and_leaps_of_the_clock() {
    let wants = &[Seen::DeadShareIsUsed];
    let can = &[Fault::Crash, Fault::LeapForward];
    holds("crashes and a leap", Slice { faults: 2, can, ..slice() }, wants);
    let can = &[Fault::Leave, Fault::LeapBack, Fault::LeapFar];
    let joined = !is_deep();
    holds("leaves and leaps back", Slice { faults: 1, joined, can, ..slice() }, &[]);
    if is_deep() {
        let can =
            &[Fault::Crash, Fault::Leave, Fault::LeapForward, Fault::LeapFar, Fault::LeapBack];
        holds("all of it, two lives", Slice { lives: 2, faults: 2, can, ..slice() }, wants);
    }
}

#[test]
fn restarts_with_all_some_or_nothing_of_the_memory() {
    let wants = &[Seen::GrowthAfterLearning];
    let can = &[Fault::RestartWithAll, Fault::RestartWithNothing];
    let restart = || Slice { faults: 1, joined: !is_deep(), can, ..slice() };
    holds("restarts", restart(), wants);
    let can = &[Fault::RestartWithCopy];
    let copy = || Slice { faults: 1, joined: !is_deep(), can, ..slice() };
    holds("an old copy", copy(), wants);
    if is_deep() {
        holds("restarts, two lives", Slice { lives: 2, ..restart() }, wants);
        holds("two restarts", Slice { faults: 2, ..restart() }, wants);
        holds("an old copy, two lives", Slice { lives: 2, joined: true, ..copy() }, wants);
    }
}

/// Two that serve are many states: the stories have this one in default runs.
#[test]
fn a_deposed_primary_that_takes_writes() {
    if is_deep() {
        let (terms, wants) = (Terms { deposed: 2, ..SHORT }, &[Seen::GrowthAfterLearning]);
        let two = || Slice { terms, writes_for: 2, faults: 1, joined: true, ..slice() };
        holds("two primaries", Slice { can: &[Fault::SecondPrimary], ..two() }, wants);
        holds("one with a copy", Slice { can: &[Fault::SecondPrimaryWithCopy], ..two() }, wants);
    }
}

#[test]
fn sessions_one_by_one_where_a_lapse_ends_none() {
    let wants = &[Seen::LapsedIsBack, Seen::SlotGivenBack];
    let sessions = || Slice { sessions: Sessions::Each, joined: !is_deep(), ..slice() };
    holds("sessions of two lives", Slice { processes: 1, lives: 2, limit: 2, ..sessions() }, wants);
    holds("sessions of two", Slice { limit: 2, ..sessions() }, &[Seen::SlotGivenBack]);
    if is_deep() {
        holds("sessions of two, two lives", Slice { lives: 2, ..sessions() }, wants);
        holds("a limit of three", Slice { limit: 3, ..sessions() }, &[Seen::SlotGivenBack]);
    }
}
