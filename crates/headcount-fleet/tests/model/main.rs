//! The protocol, in every order of steps within the bounds of each slice: the very
//! `ledger.rs`, `holder.rs` and `term.rs`, under loss, delay, duplication, crashes, stops
//! that outlast a term, restarts with all, some or none of the memory, a second primary
//! and leaps of the engine's clock.
//!
//! Each search is whole or fails. `HEADCOUNT_DEEP=1 cargo test --release -p headcount-fleet
//! --test model -- --nocapture` takes more lives, limits, faults and longer terms.

mod steps;
mod stories;
mod world;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use headcount_fleet::terms::Terms;
use stateright::{Checker, HasDiscoveries, Model};

use steps::{Fault, Seen, Sessions, Slice};

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
    let cap = if is_deep() { 1_000_000_000 } else { 10_000_000 };
    let search = slice.checker().target_state_count(cap).finish_when(HasDiscoveries::Any);
    let search = search.spawn_bfs().join();
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
    let (limit, term) = if is_deep() { (3, 3) } else { (2, 2) };
    holds("calls", Slice { limit, terms: Terms { term, ..SHORT }, ..slice() }, &[]);
    let processes = if is_deep() { 3 } else { 2 };
    holds("two lives", Slice { processes, lives: 2, ..slice() }, &[Seen::LapsedIsBack]);
}

#[test]
fn requests_and_replies_that_come_late_or_twice() {
    let (lives, limit) = if is_deep() { (2, 2) } else { (1, 1) };
    let can = &[Fault::Late, Fault::Twice];
    holds("late or twice", Slice { lives, limit, faults: 1, can, ..slice() }, &[]);
}

#[test]
fn crashes_leaves_and_leaps_of_the_clock() {
    let lives = if is_deep() { 2 } else { 1 };
    let can = &[Fault::Crash, Fault::LeapForward];
    holds(
        "crashes and a leap",
        Slice { lives, faults: 2, can, ..slice() },
        &[Seen::DeadShareIsUsed],
    );
    let can = &[Fault::Leave, Fault::LeapBack];
    holds("leaves and leaps back", Slice { lives, faults: 1, can, ..slice() }, &[]);
}

#[test]
fn restarts_with_all_some_or_nothing_of_the_memory() {
    let (lives, faults) = if is_deep() { (2, 2) } else { (1, 1) };
    let can = &[Fault::RestartWithAll, Fault::RestartWithNothing];
    holds("restarts", Slice { lives, faults, can, ..slice() }, &[Seen::GrowthAfterLearning]);
    let can = &[Fault::RestartWithCopy];
    let joined = !is_deep();
    holds("an old copy", Slice { faults, joined, can, ..slice() }, &[Seen::GrowthAfterLearning]);
}

#[test]
fn a_deposed_primary_that_takes_writes() {
    // Two that serve are many states: the stories have this one in default runs.
    let (terms, writes_for) = (Terms { deposed: 2, ..SHORT }, 2);
    if is_deep() {
        let wants = &[Seen::GrowthAfterLearning];
        let can = &[Fault::SecondPrimary];
        holds("two primaries", Slice { terms, writes_for, faults: 1, can, ..slice() }, wants);
        let can = &[Fault::SecondPrimaryWithCopy];
        holds(
            "an old copy",
            Slice { terms, writes_for, faults: 1, joined: true, can, ..slice() },
            wants,
        );
    }
}

#[test]
fn sessions_one_by_one_where_a_lapse_ends_none() {
    let limit = if is_deep() { 2 } else { 1 };
    let wants = &[Seen::LapsedIsBack, Seen::SlotGivenBack];
    holds("sessions", Slice { lives: 2, limit, sessions: Sessions::Each, ..slice() }, wants);
}
