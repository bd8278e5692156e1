//! What the exact way promises, held against what happened.

use crate::flood::Outcome;
use crate::tenants::Tenants;
use crate::ways::{Cause, Limits};

/// Every promise that the flood saw broken, in words; none of an exact way.
pub fn broken(outcome: &Outcome, limits: Limits) -> Vec<String> {
    let (limit, per_subject) = (limits.global as usize, limits.per_subject as usize);
    let tally = &outcome.tally;
    let spurious = outcome.verdict.spurious_by(Cause::AtCapacity);
    let spurious_of_subject = outcome.verdict.spurious_by(Cause::SubjectAtLimit);
    let (open, largest) = (outcome.peak_open, outcome.largest_subject);
    let Tenants { well_behaved, hostile, refused_for_hostile } = outcome.tenants;
    let in_use = outcome.peak_in_use();
    let rest = outcome.at_rest;
    let subjects = outcome.subjects_at_rest;
    let mut broken = Vec::new();
    let mut expect = |kept: bool, otherwise: String| {
        if !kept {
            broken.push(otherwise);
        }
    };
    expect(open <= limit, format!("{open} sessions were open at once, the limit is {limit}"));
    expect(
        largest <= per_subject,
        format!("{largest} sessions of one subject were open at once, its limit is {per_subject}"),
    );
    expect(in_use <= limit, format!("in_use rose to {in_use}, the limit is {limit}"));
    expect(spurious == 0, format!("{spurious} clients were refused while a slot was free"));
    expect(
        spurious_of_subject == 0,
        format!("{spurious_of_subject} clients were refused while their subject had a slot free"),
    );
    expect(
        hostile.largest <= per_subject,
        format!("the hostile tenant had {} open, its limit is {per_subject}", hostile.largest),
    );
    expect(
        refused_for_hostile == 0,
        format!("the well-behaved tenant was refused {refused_for_hostile} times for the hostile"),
    );
    expect(
        well_behaved.at_subject_limit == 0,
        format!(
            "the well-behaved tenant was told {} times that it had too many",
            well_behaved.at_subject_limit
        ),
    );
    expect(
        well_behaved.evicted == 0,
        format!("the well-behaved tenant was evicted {} times", well_behaved.evicted),
    );
    expect(
        outcome.busy_ended == 0,
        format!("{} sessions were ended while they were busy", outcome.busy_ended),
    );
    expect(rest.open == 0, format!("{} sessions were open at rest", rest.open));
    expect(rest.in_use == 0, format!("in_use was {} at rest", rest.in_use));
    expect(subjects == 0, format!("{subjects} subjects were left at rest"));
    let first = tally.first_error.as_deref().unwrap_or("none");
    expect(tally.errors == 0, format!("{} wrong answers, the first: {first}", tally.errors));
    let seen = [tally.admitted, tally.at_subject_limit, tally.at_capacity].map(|n| n as usize);
    let served = <[usize; 3]>::from(outcome.served);
    expect(
        tally.errors > 0 || seen == served,
        format!("clients saw {seen:?} admitted, 429 and 503, the server {served:?}"),
    );
    expect(tally.requests() > 0 || outcome.interrupted, "no request was made".to_owned());
    broken
}
