//! What the exact way promises, held against what happened.

use crate::flood::Outcome;

/// Every promise that the flood saw broken, in words; none of an exact way.
pub fn broken(outcome: &Outcome, limit: u32) -> Vec<String> {
    let limit = limit as usize;
    let tally = &outcome.tally;
    let spurious = outcome.verdict.spurious.len();
    // The registry counts while it happens, the sweep afterwards from stamps.
    let open = outcome.peak_open.max(outcome.verdict.peak());
    let in_use = outcome.peak_in_use();
    let rest = outcome.at_rest;
    let mut broken = Vec::new();
    let mut expect = |kept: bool, otherwise: String| {
        if !kept {
            broken.push(otherwise);
        }
    };
    expect(open <= limit, format!("{open} sessions were open at once, the limit is {limit}"));
    expect(in_use <= limit, format!("in_use rose to {in_use}, the limit is {limit}"));
    expect(spurious == 0, format!("{spurious} clients were refused while a slot was free"));
    expect(rest.open == 0, format!("{} sessions were open at rest", rest.open));
    expect(rest.in_use == 0, format!("in_use was {} at rest", rest.in_use));
    let first = tally.first_error.as_deref().unwrap_or("none");
    expect(tally.errors == 0, format!("{} wrong answers, the first: {first}", tally.errors));
    let seen = (tally.admitted as usize, tally.refused as usize);
    let served = outcome.served;
    expect(
        tally.errors > 0 || seen == served,
        format!("clients saw {seen:?} admitted and refused, the server {served:?}"),
    );
    expect(tally.requests() > 0 || outcome.interrupted, "no request was made".to_owned());
    broken
}
