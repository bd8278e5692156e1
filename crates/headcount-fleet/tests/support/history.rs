//! Random histories: requests of some members, honest and not, and what befalls the engine.

use headcount_fleet::ledger::Ledger;
use headcount_fleet::message::{Claim, Intent, Limits, Request, TOTAL};
use headcount_fleet::terms::Terms;
use proptest::prelude::*;

pub(crate) const TERMS: [Terms; 3] = [
    Terms { term: 40, deposed: 4, slack: 20, guard: 4 },
    Terms { term: 60, deposed: 4, slack: 20, guard: 4 },
    Terms { term: 20, deposed: 0, slack: 20, guard: 4 },
];

const KEYS: [&str; 4] = [TOTAL, "alice", "/", "a key: 100 % {odd}"];

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A request of a member.
    Ask(Ask),
    /// The engine's clock moves, back as well.
    Pass(i64),
    /// Another life of the engine.
    Run(u8),
    /// It loses everything.
    Lose,
}

#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) member: u64,
    /// Of the seq after the member's last.
    steps_back: u64,
    /// Of the ledger's epoch.
    epoch_on: i64,
    leaves: bool,
    terms: usize,
    version: u64,
    claims: Vec<(usize, Keep, u32)>,
}

#[derive(Debug, Clone, Copy)]
enum Keep {
    /// All of its row.
    Row,
    /// Half of it.
    Half,
    Any(u32),
}

fn ask() -> impl Strategy<Value = Event> {
    let keep = prop_oneof![4 => Just(Keep::Row), 2 => Just(Keep::Half), 1 => (0..4_u32).prop_map(Keep::Any)];
    let claim = (0..KEYS.len(), keep, 0..7_u32);
    let steps_back = prop_oneof![8 => Just(0_u64), 1 => Just(1), 1 => Just(2)];
    let epoch_on = prop_oneof![8 => Just(0_i64), 1 => Just(1), 1 => Just(-1)];
    let terms = prop_oneof![20 => Just(0), 1 => Just(1_usize), 1 => Just(2)];
    let version = prop_oneof![8 => Just(0_u64), 1 => 1..4_u64];
    let claims = prop::collection::vec(claim, 0..5);
    (0..4_u64, steps_back, epoch_on, prop::bool::weighted(0.1), terms, version, claims).prop_map(
        |(member, steps_back, epoch_on, leaves, terms, version, mut claims)| {
            claims.sort_by_key(|claim| claim.0);
            claims.dedup_by_key(|claim| claim.0);
            Event::Ask(Ask { member, steps_back, epoch_on, leaves, terms, version, claims })
        },
    )
}

pub(crate) fn history() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        60 => ask(),
        20 => (0..18_i64).prop_map(Event::Pass),
        3 => (-200..400_i64).prop_map(Event::Pass),
        1 => (0..3_u8).prop_map(Event::Run),
        1 => Just(Event::Lose),
    ];
    prop::collection::vec(event, 1..100)
}

impl Ask {
    /// The request that it is, as the ledger stands.
    pub(crate) fn request(&self, ledger: &Ledger) -> Request {
        let member = ledger.members.get(&self.member);
        let seq = member.map_or(2, |member| member.seq + 1).saturating_sub(self.steps_back);
        let epoch = ledger.head.as_ref().map_or(0, |head| head.epoch);
        let claim = |&(key, keep, want): &(usize, Keep, u32)| {
            let row = member.and_then(|member| member.rows.get(KEYS[key]));
            let share = row.map_or(0, |row| row.share as u32);
            let keep = match keep {
                Keep::Row => share,
                Keep::Half => share / 2,
                Keep::Any(keep) => keep,
            };
            Claim { key: KEYS[key].to_owned(), keep, want }
        };
        let version = self.version as u32;
        Request {
            nonce: self.member,
            seq,
            epoch: epoch.saturating_add_signed(self.epoch_on),
            intent: if self.leaves { Intent::Leave } else { Intent::Stay },
            terms: TERMS[self.terms],
            limits: Limits { version: self.version, total: 5 - version, subject: 2 + version },
            claims: self.claims.iter().map(claim).collect(),
        }
    }
}
