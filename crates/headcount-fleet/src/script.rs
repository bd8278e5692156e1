//! Read after `ledger.rs`. The engine's script, what it is called with and what it answers,
//! as text: no connection.
//!
//! *Keys*, of the bucket `b` of the fleet `name`, all in one slot of a cluster and none
//! with a time to live, since an engine that forgets a key by itself forgets rows that
//! are held:
//!
//! | key | what | holds |
//! |---|---|---|
//! | `{name.b}:head` | hash | the head, by field |
//! | `{name.b}:live` | sorted set | each member's nonce, by its expiry |
//! | `{name.b}:sums` | hash | `/key` → `share lack`, of all members |
//! | `{name.b}:m:NONCE` | hash | `seq`, and `/key` → `share lack` |
//!
//! *Bounds*: numbers are exact below 2^53, for milliseconds 285,000 years.
//!
//! *Checked by*: `tests/lua`.

use std::fmt;

use crate::ledger::FOLD;
use crate::message::{Granted, Intent, Limits, Nonce, Reply, Request, Verdict};
use crate::terms::Terms;

/// What the engine runs.
pub const SOURCE: &str = include_str!("ledger.lua");

/// The keys that a member's request names.
pub fn keys(fleet: &str, bucket: u32, nonce: Nonce) -> [String; 4] {
    let key = |rest: &str| format!("{{{fleet}.{bucket}}}:{rest}");
    [key("head"), key("live"), key("sums"), key(&format!("m:{}", written(nonce)))]
}

/// A nonce as it is written in keys: in the order of its numbers.
pub fn written(nonce: Nonce) -> String {
    format!("{nonce:016x}")
}

/// The arguments of a request.
pub fn arguments(request: &Request) -> Vec<String> {
    let Terms { term, deposed, slack, guard } = request.terms;
    let Limits { version, total, subject } = request.limits;
    let intent = match request.intent {
        Intent::Stay => "stay",
        Intent::Leave => "leave",
    };
    let mut all = vec![
        written(request.nonce),
        request.seq.to_string(),
        request.epoch.to_string(),
        intent.into(),
    ];
    all.extend([term, deposed, slack, guard, version].map(|number| number.to_string()));
    all.extend([total, subject].map(|number| number.to_string()));
    all.push(FOLD.to_string());
    for claim in &request.claims {
        all.extend([claim.key.clone(), claim.keep.to_string(), claim.want.to_string()]);
    }
    all
}

/// An answer that is not the script's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAReply(Vec<String>);

impl fmt::Display for NotAReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine answered {:?}, which the ledger's script never does", self.0)
    }
}

impl std::error::Error for NotAReply {}

/// What the script answered.
///
/// # Errors
///
/// If it is none of its answers.
pub fn reply(answer: &[String]) -> Result<Reply, NotAReply> {
    read(answer).ok_or_else(|| NotAReply(answer.to_vec()))
}

fn read(answer: &[String]) -> Option<Reply> {
    let (verdict, numbers) = answer.split_first()?;
    let numbers: Vec<u64> =
        numbers.iter().map(|number| number.parse().ok()).collect::<Option<_>>()?;
    let (&[seq, epoch], numbers) = numbers.split_first_chunk()?;
    let small = |number: u64| u32::try_from(number).ok();
    let verdict = match (verdict.as_str(), numbers) {
        ("done", [version, total, subject, members, learning, granted @ ..]) => {
            let limits =
                Limits { version: *version, total: small(*total)?, subject: small(*subject)? };
            let (granted, []) = granted.as_chunks() else {
                return None;
            };
            let granted = granted.iter().map(|&[share, free, short]| {
                Some(Granted { share: small(share)?, free: small(free)?, short })
            });
            let granted = granted.collect::<Option<_>>()?;
            Verdict::Done { limits, members: small(*members)?, learning: *learning, granted }
        }
        ("stale", []) => Verdict::Stale,
        ("lapsed", []) => Verdict::Lapsed,
        ("deposed", []) => Verdict::Deposed,
        ("terms", &[term, deposed, slack, guard]) => {
            Verdict::OtherTerms(Terms { term, deposed, slack, guard })
        }
        _ => return None,
    };
    Some(Reply { seq, epoch, verdict })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &[&str]) -> Option<Verdict> {
        let answer: Vec<String> = answer.iter().map(ToString::to_string).collect();
        reply(&answer).ok().map(|reply| reply.verdict)
    }

    #[test]
    fn what_the_script_never_answers_is_an_error_that_shows_it() {
        assert_eq!(of(&["stale", "1", "1"]), Some(Verdict::Stale));
        for answer in [
            &[][..],
            &["stale"],
            &["stale", "1"],
            &["stale", "1", "1", "1"],
            &["stale", "1", "-1"],
            &["done", "1", "1", "0", "1", "1", "1"],
            &["done", "1", "1", "0", "1", "1", "1", "0", "1", "0"],
            &["done", "1", "1", "0", "1", "1", "1", "0", "4294967296", "0", "0"],
            &["terms", "1", "1", "1", "1", "1"],
            &["OK", "1", "1"],
        ] {
            assert_eq!(of(answer), None, "{answer:?}");
        }
        let error = reply(&["OK".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("[\"OK\"]"), "{error}");
    }
}
