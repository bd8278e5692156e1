//! The ledger that an engine's keys hold.

use std::collections::BTreeMap;

use headcount_fleet::ledger::{Head, Ledger, Member, Row};
use headcount_fleet::message::{Key, Limits};
use headcount_fleet::terms::Terms;

use crate::support::{Answer, Connection};

/// Reads all of them: what is not the ledger's is a failure.
pub(crate) fn read(engine: &mut Connection, fleet: &str) -> Ledger {
    let bucket = format!("{{{fleet}.0}}:");
    let mut ledger = Ledger::default();
    let mut expiries = BTreeMap::new();
    for key in engine.call(["KEYS", "*"]).texts() {
        assert_eq!(
            engine.call(["TTL", &key]),
            Answer::Text("-1".into()),
            "{key} has a time to live"
        );
        match key.strip_prefix(&bucket).unwrap_or_else(|| panic!("{key} is not the ledger's")) {
            "head" => ledger.head = Some(head(hash(engine, &key))),
            "sums" => ledger.sums = rows(hash(engine, &key)),
            "live" => {
                let all = engine.call(["ZRANGE", &key, "0", "-1", "WITHSCORES"]).texts();
                expiries =
                    pairs(all).map(|(nonce, expiry)| (hex(&nonce), number(&expiry))).collect();
            }
            other => {
                let nonce =
                    other.strip_prefix("m:").unwrap_or_else(|| panic!("{key} is not the ledger's"));
                let mut fields = hash(engine, &key);
                let seq = number(&fields.remove("seq").expect("a member has a seq"));
                ledger.members.insert(hex(nonce), Member { expiry: 0, seq, rows: rows(fields) });
            }
        }
    }
    assert!(
        ledger.members.keys().eq(expiries.keys()),
        "each member is in `live`, and nothing else is"
    );
    for (nonce, member) in &mut ledger.members {
        member.expiry = expiries[nonce];
    }
    ledger
}

fn head(fields: BTreeMap<String, String>) -> Head {
    assert_eq!(fields.len(), 13, "{fields:?}");
    let of = |field: &str| number(&fields[field]);
    Head {
        l: of("l"),
        last: of("last"),
        run: fields["run"].clone(),
        epoch: of("epoch"),
        born: of("born"),
        resumed: of("resumed"),
        terms: Terms {
            term: of("term"),
            deposed: of("deposed"),
            slack: of("slack"),
            guard: of("guard"),
        },
        limits: Limits {
            version: of("version"),
            total: of("total") as u32,
            subject: of("subject") as u32,
        },
    }
}

fn rows(fields: BTreeMap<String, String>) -> BTreeMap<Key, Row> {
    let row = |(field, value): (String, String)| {
        let (share, lack) = value.split_once(' ').expect("a row is two numbers");
        let key = field.strip_prefix('/').expect("a row's field begins with a slash");
        (key.to_owned(), Row { share: number(share), lack: number(lack) })
    };
    fields.into_iter().map(row).collect()
}

fn hash(engine: &mut Connection, key: &str) -> BTreeMap<String, String> {
    pairs(engine.call(["HGETALL", key]).texts()).collect()
}

fn pairs(all: Vec<String>) -> impl Iterator<Item = (String, String)> {
    let mut all = all.into_iter();
    std::iter::from_fn(move || all.next().zip(all.next()))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn hex(nonce: &str) -> u64 {
    u64::from_str_radix(nonce, 16).expect("a nonce is hexadecimal")
}
