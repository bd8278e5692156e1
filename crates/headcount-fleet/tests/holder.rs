//! The holder alone: each of its rules, by a counter that writes down what it is told.

use headcount_fleet::holder::{Counter, Holder, Outcome};
use headcount_fleet::message::{
    Claim, Granted, Intent, Key, Limits, Reply, Request, TOTAL, Verdict,
};
use headcount_fleet::terms::Terms;

const TERMS: Terms = Terms { term: 60, deposed: 0, slack: 12, guard: 6 };
const LIMITS: Limits = Limits { version: 1, total: 10, subject: 2 };

#[derive(Debug, Default)]
struct Gate {
    limit: u32,
    in_use: u32,
    until: u64,
    lapses: u32,
    told: Vec<String>,
}

impl Counter for Gate {
    fn set_limit(&mut self, _: &Key, limit: u32) -> u32 {
        self.limit = limit;
        self.told.push(format!("limit {limit}"));
        self.in_use
    }

    fn set_until(&mut self, until: u64) {
        self.until = until;
        self.told.push(format!("until {until}"));
    }

    fn lapse(&mut self) {
        self.lapses += 1;
    }
}

fn total() -> Key {
    TOTAL.to_owned()
}

fn reply(seq: u64, epoch: u64, verdict: Verdict) -> Reply {
    Reply { seq, epoch, verdict }
}

fn done(request: &Request, share: u32) -> Reply {
    let granted = request.claims.iter().map(|_| Granted { share, free: 0, short: 0 }).collect();
    reply(request.seq, 1, Verdict::Done { limits: LIMITS, members: 1, learning: 0, granted })
}

/// A holder that was granted this at time 100.
fn with(share: u32) -> (Holder, Gate) {
    let (mut holder, mut gate) = (Holder::new(TERMS, LIMITS), Gate::default());
    holder.want(&total(), share);
    let request = holder.call(100, 7, &mut gate);
    assert_eq!(holder.receive(101, &done(&request, share), &mut gate), Outcome::Renewed);
    assert_eq!((gate.limit, gate.until), (share, TERMS.until(100)));
    gate.told.clear();
    (holder, gate)
}

fn claim(keep: u32, want: u32) -> Vec<Claim> {
    vec![Claim { key: total(), keep, want }]
}

#[test]
fn what_grows_is_granted_before_the_counter_is_told() {
    let (mut holder, mut gate) = with(3);
    holder.want(&total(), 8);
    let request = holder.call(110, 0, &mut gate);
    assert_eq!((request.claims.clone(), gate.limit), (claim(3, 8), 3));
    holder.receive(111, &done(&request, 5), &mut gate);
    // The limit, then the term: a slot that is taken under the new term is within it.
    assert_eq!(gate.told, ["limit 3", "limit 5", &format!("until {}", TERMS.until(110))]);
}

#[test]
fn what_shrinks_is_taken_from_the_counter_before_the_ledger_is_told() {
    let (mut holder, mut gate) = with(8);
    gate.in_use = 5;
    holder.want(&total(), 2);
    let request = holder.call(110, 0, &mut gate);
    assert_eq!((request.claims.clone(), gate.limit), (claim(5, 5), 2));
    holder.receive(111, &done(&request, 5), &mut gate);
    gate.in_use = 1;
    assert_eq!(holder.call(112, 0, &mut gate).claims, claim(2, 2));
}

#[test]
fn what_is_wanted_less_before_the_answer_comes_is_not_raised() {
    let (mut holder, mut gate) = with(3);
    holder.want(&total(), 8);
    let request = holder.call(110, 0, &mut gate);
    holder.want(&total(), 1);
    holder.receive(111, &done(&request, 8), &mut gate);
    assert_eq!(gate.limit, 1);
}

#[test]
fn only_the_answer_to_the_last_request_counts_and_only_once() {
    let (mut holder, mut gate) = with(3);
    holder.want(&total(), 8);
    let early = holder.call(110, 0, &mut gate);
    let last = holder.call(120, 0, &mut gate);
    assert_eq!(last.seq, early.seq + 1);
    assert_eq!(holder.receive(121, &done(&early, 8), &mut gate), Outcome::Ignored);
    assert_eq!((gate.limit, gate.until), (3, TERMS.until(100)));
    assert_eq!(holder.receive(122, &done(&last, 8), &mut gate), Outcome::Renewed);
    assert_eq!(holder.receive(123, &done(&last, 8), &mut gate), Outcome::Ignored);
    assert_eq!((gate.limit, gate.until), (8, TERMS.until(120)));
}

#[test]
fn a_term_counts_from_before_its_request_was_sent() {
    let (mut holder, mut gate) = with(3);
    let request = holder.call(110, 0, &mut gate);
    holder.receive(150, &done(&request, 3), &mut gate);
    assert_eq!(gate.until, 110 + 60 - 6);
    assert_eq!(holder.due(), Some(110 + 10));
}

#[test]
fn an_answer_that_lay_about_while_the_process_was_stopped_extends_no_term() {
    let (mut holder, mut gate) = with(3);
    gate.in_use = 2;
    let request = holder.call(120, 0, &mut gate);
    let end = TERMS.until(100);
    assert_eq!(holder.receive(end, &done(&request, 3), &mut gate), Outcome::Lapsed);
    assert_eq!((gate.limit, gate.until, gate.lapses), (0, 0, 1));
    // It lives again under a new nonce, and keeps nothing of what it had.
    let request = holder.call(end + 1, 8, &mut gate);
    assert_eq!((request.nonce, request.claims), (8, claim(0, 3)));
}

#[test]
fn an_answer_to_the_first_call_that_comes_after_its_term_gives_nothing() {
    let (mut holder, mut gate) = (Holder::new(TERMS, LIMITS), Gate::default());
    holder.want(&total(), 3);
    let request = holder.call(100, 7, &mut gate);
    assert_eq!(holder.receive(TERMS.until(100), &done(&request, 3), &mut gate), Outcome::Lapsed);
    assert_eq!((gate.limit, gate.until), (0, 0));
}

#[test]
fn an_overhang_of_an_earlier_life_is_not_claimed() {
    let (mut holder, mut gate) = with(3);
    gate.in_use = 3;
    assert_eq!(holder.look(TERMS.until(100), &mut gate), Some(Outcome::Lapsed));
    let request = holder.call(200, 8, &mut gate);
    holder.receive(201, &done(&request, 2), &mut gate);
    assert_eq!(gate.limit, 2);
    assert_eq!(holder.call(202, 0, &mut gate).claims, claim(2, 3));
}

#[test]
fn less_than_what_is_kept_is_no_grant() {
    let (mut holder, mut gate) = with(3);
    let request = holder.call(110, 0, &mut gate);
    assert_eq!(holder.receive(111, &done(&request, 2), &mut gate), Outcome::Lapsed);
    let (mut holder, mut gate) = with(3);
    let request = holder.call(110, 0, &mut gate);
    let none = Request { claims: Vec::new(), ..request };
    assert_eq!(holder.receive(111, &done(&none, 0), &mut gate), Outcome::Lapsed);
}

#[test]
fn an_incarnation_that_was_deposed_is_left() {
    let (mut holder, mut gate) = with(3);
    let request = holder.call(110, 0, &mut gate);
    let back = Reply { epoch: 0, ..done(&request, 3) };
    assert_eq!(holder.receive(111, &back, &mut gate), Outcome::Reconnect);
    let request = holder.call(112, 0, &mut gate);
    assert_eq!(
        holder.receive(113, &reply(request.seq, 1, Verdict::Deposed), &mut gate),
        Outcome::Reconnect
    );
    assert_eq!((gate.limit, gate.until), (3, TERMS.until(100)));
}

#[test]
fn other_verdicts_change_nothing_but_a_lapse() {
    let (mut holder, mut gate) = with(3);
    for (verdict, outcome) in [
        (Verdict::Stale, Outcome::AskAgain),
        (Verdict::OtherTerms(TERMS), Outcome::OtherTerms(TERMS)),
        (Verdict::Lapsed, Outcome::Lapsed),
    ] {
        let request = holder.call(110, 0, &mut gate);
        assert_eq!((gate.limit, gate.until), (3, TERMS.until(100)));
        assert_eq!(holder.receive(111, &reply(request.seq, 1, verdict), &mut gate), outcome);
    }
    assert_eq!((gate.limit, gate.until, gate.lapses), (0, 0, 1));
}

#[test]
fn who_leaves_gives_up_what_is_not_in_use_and_goes_when_nothing_is() {
    let (mut holder, mut gate) = with(3);
    gate.in_use = 2;
    holder.leave();
    let request = holder.call(110, 0, &mut gate);
    assert_eq!(
        (request.intent, request.claims.clone(), gate.limit),
        (Intent::Stay, claim(2, 2), 0)
    );
    holder.receive(111, &done(&request, 2), &mut gate);
    gate.in_use = 0;
    let request = holder.call(112, 0, &mut gate);
    assert_eq!((request.intent, request.claims.len()), (Intent::Leave, 0));
    assert_eq!(holder.receive(113, &done(&request, 0), &mut gate), Outcome::Left);
    assert_eq!((gate.limit, gate.until, gate.lapses), (0, 0, 0));
}

#[test]
fn a_subject_that_nobody_uses_is_not_spoken_of() {
    let (mut holder, mut gate) = with(3);
    let alice: Key = "alice".into();
    holder.want(&alice, 1);
    let request = holder.call(110, 0, &mut gate);
    assert_eq!(request.claims.len(), 2);
    holder.receive(111, &done(&request, 3), &mut gate);
    holder.want(&alice, 0);
    let request = holder.call(112, 0, &mut gate);
    assert_eq!(request.claims.len(), 1);
    holder.receive(113, &done(&request, 3), &mut gate);
    assert_eq!(holder.shares.len(), 1);
}

#[test]
fn of_two_changes_of_the_limits_the_ledgers_is_in_force() {
    let (mut holder, mut gate) = with(3);
    let mine = Limits { version: 2, total: 20, subject: 4 };
    let early = holder.call(110, 0, &mut gate);
    holder.set_limits(20, 4);
    // The answer to what was asked before takes nothing back.
    holder.receive(111, &done(&early, 3), &mut gate);
    assert_eq!(holder.limits, mine);
    let request = holder.call(112, 0, &mut gate);
    assert_eq!(request.limits, mine);
    let theirs = Limits { total: 30, ..mine };
    let granted = vec![Granted { share: 3, free: 0, short: 0 }];
    let verdict = Verdict::Done { limits: theirs, members: 2, learning: 0, granted };
    holder.receive(113, &reply(request.seq, 1, verdict), &mut gate);
    assert_eq!(holder.limits, theirs);
}
