//! What headcount promises, held against what happened.

use crate::flood::{Outcome, SlowCall};
use crate::sampler::Left;
use crate::ways::{Policy, Rules};

/// Every promise that the flood saw broken, in words.
pub fn broken(outcome: &Outcome, rules: Rules) -> Vec<String> {
    let Rules { limit, per_subject, policy, .. } = rules;
    let Outcome { tally, slow_call, at_rest, at_end, .. } = outcome;
    let (peak, largest) = (outcome.peak(), outcome.largest_subject());
    let in_use = outcome.peak_in_use();
    let mut broken = Vec::new();
    let mut expect = |kept: bool, otherwise: String| {
        if !kept {
            broken.push(otherwise);
        }
    };
    expect(
        peak <= limit as usize,
        format!("{peak} sessions were open at once, the limit is {limit}"),
    );
    expect(
        largest <= per_subject as usize,
        format!("{largest} sessions of one client were open at once, its limit is {per_subject}"),
    );
    expect(in_use <= limit as usize, format!("in_use rose to {in_use}, the limit is {limit}"));
    for (status, times) in &tally.openings {
        let right = [200, 429, 503].contains(status);
        expect(right, format!("{times} clients that came were answered {status}"));
    }
    let silent = tally.without_retry_after;
    expect(silent == 0, format!("{silent} refusals did not say when to come back"));
    let (lost, failed) = (tally.lost_in_use, tally.failed);
    // A policy that evicts may end a session between two calls.
    expect(
        lost == 0 || policy != Policy::Reject,
        format!("{lost} sessions were ended before their idle timeout"),
    );
    expect(failed == 0, format!("{failed} calls had no result in a session that was there"));
    let answered = matches!(slow_call, SlowCall::Answered(_));
    expect(
        answered || outcome.interrupted,
        format!("the call that outlasts the idle timeout: {slow_call:?}"),
    );
    for (left, when) in [(at_rest, "the clients had left"), (at_end, "the shutdown")] {
        let Left { alive, in_use, subjects } = left;
        expect(
            *left == Left::default(),
            format!("after {when}: {alive} handlers, {in_use} in use, {subjects} clients"),
        );
    }
    let peopled = tally.answered(200) > 0 && peak > 0;
    expect(peopled || outcome.interrupted, "no session was opened and used".to_owned());
    broken
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::client::Tally;
    use crate::proof::{self, Span};
    use crate::sampler::Sample;

    const RULES: Rules = Rules {
        limit: 2,
        per_subject: 1,
        idle_timeout: Duration::from_secs(1),
        policy: Policy::Reject,
    };

    /// An outcome at the limits, in which nothing is broken.
    fn kept() -> Outcome {
        let proven = vec![Span { who: 0, from: 1, to: 5 }, Span { who: 1, from: 2, to: 4 }];
        Outcome {
            name: "test",
            gated: true,
            proven: proof::steps(proven.iter()),
            hostile: 1,
            tally: Tally {
                openings: BTreeMap::from([(200, 2), (429, 1), (503, 1)]),
                expired: 1,
                proven,
                ..Tally::default()
            },
            samples: vec![Sample { at: 1, alive: 3, in_use: 2 }],
            marks: [3, 4, 5],
            after_calm: 2,
            slow_call: SlowCall::Answered(Duration::from_secs(2)),
            at_rest: Left::default(),
            at_end: Left::default(),
            interrupted: false,
        }
    }

    /// What is broken once this was done to the outcome that keeps them all.
    fn found(break_it: impl FnOnce(&mut Outcome)) -> String {
        let mut outcome = kept();
        break_it(&mut outcome);
        broken(&outcome, RULES).join("; ")
    }

    fn prove(outcome: &mut Outcome, span: Span) {
        outcome.tally.proven.push(span);
        outcome.proven = proof::steps(outcome.tally.proven.iter());
    }

    #[test]
    fn an_outcome_at_the_limits_breaks_nothing() {
        assert_eq!(found(|_| {}), "");
    }

    #[test]
    fn each_promise_is_found_broken_alone() {
        let left = Left { alive: 1, in_use: 0, subjects: 0 };
        type Break<'a> = &'a dyn Fn(&mut Outcome);
        let cases: [(Break<'_>, &str); 11] = [
            (&|o| prove(o, Span { who: 2, from: 3, to: 4 }), "3 sessions were open at once, the"),
            (&|o| prove(o, Span { who: 0, from: 4, to: 5 }), "2 sessions of one client were open"),
            (&|o| o.samples[0].in_use = 3, "in_use rose to 3"),
            (&|o| _ = o.tally.openings.insert(500, 7), "7 clients that came were answered 500"),
            (&|o| o.tally.without_retry_after = 1, "1 refusals did not say when"),
            (&|o| o.tally.lost_in_use = 1, "1 sessions were ended before their idle timeout"),
            (&|o| o.tally.failed = 1, "1 calls had no result"),
            (&|o| o.slow_call = SlowCall::CutOff(Duration::ZERO), "that outlasts the idle timeout"),
            (&|o| o.at_rest = left, "after the clients had left: 1 handlers"),
            (&|o| o.at_end.subjects = 2, "after the shutdown: 0 handlers, 0 in use, 2 clients"),
            (&|o| _ = o.tally.openings.remove(&200), "no session was opened and used"),
        ];
        for (break_it, expected) in cases {
            let found = found(break_it);
            assert!(found.contains(expected) && !found.contains(';'), "{expected}: {found}");
        }
    }

    #[test]
    fn a_policy_that_evicts_may_end_a_session_between_two_calls() {
        let mut outcome = kept();
        outcome.tally.lost_in_use = 1;
        let rules = Rules { policy: Policy::EvictIdle, ..RULES };
        assert_eq!(broken(&outcome, rules), [""; 0]);
    }
}
