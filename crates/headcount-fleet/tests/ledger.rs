//! The ledger alone: what holds after any request, whoever sends it, and each verdict.

#[path = "support/history.rs"]
mod history;

use std::collections::BTreeMap;

use headcount_fleet::ledger::{Engine, Ledger, Row};
use headcount_fleet::message::{Claim, Granted, Intent, Key, Limits, Request, TOTAL, Verdict};
use proptest::prelude::*;

use history::{Event, TERMS, history};

const LIMIT: u32 = 10;

/// A ledger on an engine of its own.
struct Bench {
    ledger: Ledger,
    engine: Engine,
}

impl Bench {
    fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            engine: Engine { now: 1_764_000_000_000, run: "a".into() },
        }
    }

    /// One that has learned.
    fn learned() -> Self {
        let mut bench = Self::new();
        bench.serve(&request(99, 1, 0, 0));
        bench.pass(TERMS[0].reclaim());
        bench
    }

    fn serve(&mut self, request: &Request) -> Verdict {
        self.ledger.serve(&self.engine, request).verdict
    }

    /// So much time, in which a member without a share calls.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis {
            self.engine.now += 1;
            let seq = self.ledger.members.get(&99).map_or(1, |member| member.seq + 1);
            self.serve(&request(99, seq, 0, 0));
        }
    }

    fn share(&self, nonce: u64) -> u64 {
        let rows = self.ledger.members.get(&nonce).map(|member| &member.rows);
        rows.and_then(|rows| rows.get(TOTAL)).map_or(0, |row| row.share)
    }
}

fn request(nonce: u64, seq: u64, keep: u32, want: u32) -> Request {
    Request {
        nonce,
        seq,
        epoch: 0,
        intent: Intent::Stay,
        terms: TERMS[0],
        limits: Limits { version: 0, total: LIMIT, subject: 1 },
        claims: vec![Claim { key: TOTAL.to_owned(), keep, want }],
    }
}

fn granted(verdict: Verdict) -> Granted {
    match verdict {
        Verdict::Done { granted, .. } => granted[0],
        other => panic!("it is done, not {other:?}"),
    }
}

fn sums(ledger: &Ledger) -> BTreeMap<Key, Row> {
    let mut sums: BTreeMap<Key, Row> = BTreeMap::new();
    for (key, row) in ledger.members.values().flat_map(|member| &member.rows) {
        let sum = sums.entry(key.clone()).or_default();
        sum.share += row.share;
        sum.lack += row.lack;
    }
    sums
}

/// What holds between the states before and after a request.
fn follows(
    before: &Ledger,
    engine: &Engine,
    request: &Request,
    after: &Ledger,
) -> Result<(), TestCaseError> {
    let head = after.head.as_ref().expect("it was served");
    prop_assert_eq!(&after.sums, &sums(after));
    let is_same_life = before.head.as_ref().is_some_and(|was| was.run == engine.run);
    if let Some(was) = &before.head {
        prop_assert!(head.l >= was.l && head.l - was.l <= was.terms.slack);
        prop_assert!(head.epoch >= was.epoch + u64::from(!is_same_life));
    }
    for (nonce, was) in before.members.iter().filter(|(nonce, _)| **nonce != request.nonce) {
        let is = after.members.get(nonce);
        prop_assert!(
            is == Some(was) || (is.is_none() && was.expiry <= head.l),
            "{} is another's",
            nonce
        );
    }
    for (key, sum) in &after.sums {
        let limit = u64::from(head.limits.of(key));
        let claim = request.claims.iter().find(|claim| claim.key == *key);
        let keep = claim.map_or(0, |claim| u64::from(claim.keep));
        let row = |ledger: &Ledger| {
            let member = ledger.members.get(&request.nonce);
            member.and_then(|member| member.rows.get(key)).map_or(0, |row| row.share)
        };
        if row(after) > row(before) {
            let is_granted = head.learning() == 0 && sum.share <= limit;
            prop_assert!(is_granted || (head.learning() > 0 && row(after) == keep), "{key:?}");
        }
    }
    Ok(())
}

#[test]
fn no_request_takes_of_another_or_grants_beyond_the_limit() {
    let deep = if std::env::var_os("HEADCOUNT_DEEP").is_some() { 100 } else { 1 };
    let config =
        ProptestConfig { cases: 1_000 * deep, failure_persistence: None, ..Default::default() };
    proptest!(config, |(history in history())| {
        let mut bench = Bench::new();
        for event in history {
            match event {
                Event::Ask(ask) => {
                    let before = bench.ledger.clone();
                    let request = ask.request(&before);
                    bench.serve(&request);
                    follows(&before, &bench.engine, &request, &bench.ledger)?;
                }
                Event::Pass(millis) => bench.engine.now = bench.engine.now.saturating_add_signed(millis),
                Event::Run(run) => bench.engine.run = run.to_string(),
                Event::Lose => bench.ledger = Ledger::default(),
            }
        }
    });
}

#[test]
fn a_new_ledger_learns_for_as_long_as_a_row_that_it_lost_may_be_held() {
    let mut bench = Bench::new();
    assert_eq!(granted(bench.serve(&request(1, 1, 4, 9))).share, 4);
    bench.pass(TERMS[0].reclaim() - 1);
    assert_eq!(granted(bench.serve(&request(1, 2, 4, 9))).share, 4);
    bench.pass(1);
    assert_eq!(granted(bench.serve(&request(1, 3, 4, 9))), Granted { share: 9, free: 1, short: 0 });
}

#[test]
fn an_old_row_that_its_member_gave_up_is_not_given_back_by_a_replica() {
    let mut bench = Bench::learned();
    bench.serve(&request(1, 1, 0, 10));
    bench.engine.run = "b".into();
    // Its primary had been told of nothing kept, and granted the ten to another.
    assert_eq!(granted(bench.serve(&request(1, 3, 0, 10))).share, 0);
}

#[test]
fn who_is_folded_back_and_keeps_something_has_lapsed() {
    let mut bench = Bench::learned();
    bench.serve(&request(1, 1, 0, 10));
    bench.pass(TERMS[0].reclaim() - 1);
    assert_eq!(
        granted(bench.serve(&request(2, 1, 0, 10))),
        Granted { share: 0, free: 0, short: 0 }
    );
    bench.pass(1);
    assert_eq!(granted(bench.serve(&request(2, 2, 0, 10))).share, 10);
    assert_eq!(bench.serve(&request(1, 2, 10, 10)), Verdict::Lapsed);
    assert_eq!(bench.share(1), 0);
}

#[test]
fn more_than_the_row_is_kept_by_nobody_who_has_not_lapsed() {
    let mut bench = Bench::learned();
    bench.serve(&request(1, 1, 0, 3));
    assert_eq!(bench.serve(&request(1, 2, 4, 4)), Verdict::Lapsed);
    assert_eq!(granted(bench.serve(&request(1, 3, 3, 4))).share, 4);
}

#[test]
fn a_request_that_is_not_after_the_last_changes_no_row() {
    let mut bench = Bench::learned();
    bench.serve(&request(1, 5, 0, 3));
    for seq in [5, 4] {
        assert_eq!(bench.serve(&request(1, seq, 0, 0)), Verdict::Stale);
        assert_eq!(bench.share(1), 3);
    }
}

#[test]
fn a_leap_or_a_stop_of_the_engine_takes_no_time_and_is_learned_from() {
    let slack = TERMS[0].slack;
    let mut bench = Bench::learned();
    let l = |bench: &Bench| bench.ledger.head.as_ref().unwrap().l;
    let before = l(&bench);
    bench.engine.now += slack;
    assert_eq!(granted(bench.serve(&request(1, 1, 0, 3))).share, 3);
    assert_eq!(l(&bench), before + slack);
    bench.engine.now -= 7_200_000;
    assert_eq!(granted(bench.serve(&request(1, 2, 3, 4))).share, 4);
    assert_eq!(l(&bench), before + slack);
    bench.engine.now += slack + 1;
    assert_eq!(granted(bench.serve(&request(1, 3, 4, 5))).share, 4);
    assert_eq!(l(&bench), before + slack);
    // It has its memory: who was answered by a later one tells that it was deposed meanwhile.
    assert_eq!(bench.serve(&Request { epoch: 2, ..request(1, 4, 4, 4) }), Verdict::Deposed);
    bench.pass(TERMS[0].reclaim());
    assert_eq!(granted(bench.serve(&request(2, 1, 0, 5))).share, 5);
}

#[test]
fn the_newest_limits_are_in_force_and_take_nothing_that_was_granted() {
    let mut bench = Bench::learned();
    bench.serve(&request(1, 1, 0, 8));
    let limits = Limits { version: 1, total: 5, subject: 1 };
    let lowered = Request { limits, ..request(2, 1, 0, 4) };
    assert_eq!(granted(bench.serve(&lowered)), Granted { share: 0, free: 0, short: 0 });
    assert_eq!(bench.share(1), 8);
    // The others still know the limits of before.
    assert_eq!(granted(bench.serve(&request(1, 2, 3, 3))), Granted { share: 3, free: 2, short: 4 });
    assert_eq!(granted(bench.serve(&request(2, 2, 0, 4))).share, 2);
}

#[test]
fn who_was_answered_by_a_later_incarnation_tells_a_deposed_one() {
    let mut bench = Bench::learned();
    assert_eq!(bench.serve(&Request { epoch: 2, ..request(1, 1, 0, 1) }), Verdict::Deposed);
    // One that learns may be the successor of that, without its memory.
    let mut bench = Bench::new();
    bench.serve(&request(1, 1, 0, 0));
    assert_eq!(granted(bench.serve(&Request { epoch: 7, ..request(2, 1, 3, 3) })).share, 3);
    assert_eq!(bench.ledger.head.unwrap().epoch, 7);
}

#[test]
fn other_terms_are_refused_but_longer_ones_of_members_that_it_may_not_know() {
    let (short, long) = (TERMS[2], TERMS[1]);
    let mut bench = Bench::learned();
    for terms in [short, long] {
        assert_eq!(
            bench.serve(&Request { terms, ..request(1, 1, 0, 1) }),
            Verdict::OtherTerms(TERMS[0])
        );
    }
    let mut bench = Bench::new();
    bench.serve(&request(1, 1, 0, 0));
    assert_eq!(
        bench.serve(&Request { terms: short, ..request(2, 1, 1, 1) }),
        Verdict::OtherTerms(TERMS[0])
    );
    assert_eq!(granted(bench.serve(&Request { terms: long, ..request(2, 1, 1, 1) })).share, 1);
    assert_eq!(bench.serve(&request(1, 2, 0, 0)), Verdict::OtherTerms(long));
    assert_eq!(bench.ledger.head.unwrap().learning(), long.reclaim());
}

#[test]
fn who_leaves_leaves_nothing() {
    let mut bench = Bench::learned();
    bench.serve(&request(1, 1, 0, 3));
    let leave = Request { intent: Intent::Leave, claims: Vec::new(), ..request(1, 2, 0, 0) };
    assert!(matches!(bench.serve(&leave), Verdict::Done { .. }));
    bench.serve(&Request { nonce: 99, seq: u64::MAX, ..leave });
    assert_eq!(bench.ledger.members.len() + bench.ledger.sums.len(), 0);
}
