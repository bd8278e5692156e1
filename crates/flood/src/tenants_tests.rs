//! Histories made by hand: what of them concerns the two tenants.

use super::*;
use crate::audit::{Refusal, Span, Stamp, Stay};

const LIMITS: Limits = Limits { global: 3, per_subject: 1 };
const WELL_BEHAVED: Who = Some(0);
const HOSTILE: Who = Some(1);
const OTHER: Who = Some(2);

fn stay(who: Who, from: Stamp, to: Stamp) -> Stay {
    let held = Span { from, to };
    Stay { who, held, open: Some(held), end: End::Left, was_quiet: false }
}

/// The well-behaved tenant, told 503 from 20 to 30.
fn refusal() -> Refusal {
    let during = Span { from: 20, to: 30 };
    Refusal { who: WELL_BEHAVED, cause: Cause::AtCapacity, during }
}

fn refused_for_hostile(stays: &[Stay], limits: Limits) -> usize {
    let history = History { stays: stays.to_vec(), refusals: vec![refusal()] };
    Tenants::of(&history, WELL_BEHAVED, HOSTILE, limits).refused_for_hostile
}

#[test]
fn a_refusal_that_only_the_excess_of_the_hostile_explains_is_one_for_it() {
    let excess = [stay(HOSTILE, 10, 40); 2];
    let full = [&excess[..], &[stay(OTHER, 10, 40)]].concat();
    assert_eq!(refused_for_hostile(&full, LIMITS), 1);
    assert_eq!(refused_for_hostile(&[stay(HOSTILE, 10, 40); 3], LIMITS), 1);
}

#[test]
fn a_refusal_that_the_others_explain_is_not_one_for_the_hostile() {
    let within = [stay(HOSTILE, 10, 40), stay(OTHER, 10, 40), stay(OTHER, 10, 40)];
    assert_eq!(refused_for_hostile(&within, LIMITS), 0);
    let for_an_instant = [stay(HOSTILE, 10, 40), stay(OTHER, 10, 20), stay(OTHER, 10, 40)];
    assert_eq!(refused_for_hostile(&for_an_instant, LIMITS), 0);
    let by_itself = [stay(WELL_BEHAVED, 10, 40), stay(OTHER, 10, 40), stay(HOSTILE, 10, 40)];
    assert_eq!(refused_for_hostile(&by_itself, LIMITS), 0);
}

#[test]
fn a_refusal_of_a_server_that_was_not_full_is_spurious_and_nobodys() {
    assert_eq!(refused_for_hostile(&[stay(HOSTILE, 10, 40); 2], LIMITS), 0);
}

#[test]
fn a_hostile_tenant_that_may_have_everything_is_blamed_for_nothing() {
    let all = Limits { global: 3, per_subject: 3 };
    assert_eq!(refused_for_hostile(&[stay(HOSTILE, 10, 40); 3], all), 0);
}

#[test]
fn each_tenant_is_counted_for_itself() {
    let evicted = Stay { end: End::Evicted, was_quiet: true, ..stay(OTHER, 15, 25) };
    let stays = vec![stay(WELL_BEHAVED, 1, 5), stay(OTHER, 10, 40), evicted];
    let at_limit = Refusal { who: OTHER, cause: Cause::SubjectAtLimit, ..refusal() };
    let history = History { stays, refusals: vec![refusal(), at_limit, at_limit] };
    let well_behaved = Tenant { admitted: 1, at_capacity: 1, largest: 1, ..Tenant::default() };
    assert_eq!(Tenant::of(&history, WELL_BEHAVED), well_behaved);
    let other =
        Tenant { admitted: 2, at_subject_limit: 2, evicted: 1, largest: 2, ..Tenant::default() };
    assert_eq!((Tenant::of(&history, OTHER), other.refused()), (other, 2));
    assert_eq!(Tenant::of(&history, None), Tenant::default(), "one that never came");
}
