//! `ledger.lua` beside `ledger.rs`, on a real engine: the same histories, and after each step
//! the same replies and the same keys. Then what only a real engine can show.

#[path = "../support/history.rs"]
mod history;
mod keys;
mod real;
#[path = "../support/mod.rs"]
mod support;

use std::cell::RefCell;
use std::collections::BTreeSet;

use headcount_fleet::ledger::{Engine, FOLD, Ledger};
use headcount_fleet::message::{Claim, Intent, Limits, Request, TOTAL, Verdict};
use headcount_fleet::script;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use history::{Event, TERMS, history};
use support::{Connection, Server, engines};

pub(crate) const FLEET: &str = "mcp";

/// The script with the engine's clock and life given by the last two arguments.
fn test_build() -> String {
    let mut source = script::SOURCE.to_owned();
    for (was, is) in [
        ("local clock = redis.call('TIME')", "local clock = { 0, table.remove(ARGV) * 1000 }"),
        (
            "local info = redis.call('INFO', 'server', 'replication')",
            "local info = '\\nrun_id:' .. table.remove(ARGV) .. '\\nmaster_replid:0'",
        ),
    ] {
        assert_eq!(source.matches(was).count(), 1, "the script reads once: {was}");
        source = source.replace(was, is);
    }
    source
}

/// A ledger on an engine, beside one that is none.
struct Pair<'a> {
    seen: &'a RefCell<BTreeSet<&'static str>>,
    connection: Connection,
    script: String,
    ledger: Ledger,
    engine: Engine,
}

impl<'a> Pair<'a> {
    fn new(server: &Server, seen: &'a RefCell<BTreeSet<&'static str>>) -> Self {
        let mut connection = server.connect();
        connection.call(["FLUSHALL"]);
        let script = connection.call(["SCRIPT", "LOAD", &test_build()]).text();
        let engine = Engine { now: 1_764_000_000_000, run: "a0:0".into() };
        Self { seen, connection, script, ledger: Ledger::default(), engine }
    }

    /// Serves a request on both, and tells whether they are still alike.
    fn serve(&mut self, request: &Request) -> Result<(), TestCaseError> {
        let reply = self.ledger.serve(&self.engine, request);
        let mut command = vec!["EVALSHA".to_owned(), self.script.clone(), "4".to_owned()];
        command.extend(script::keys(FLEET, 0, request.nonce));
        command.extend(script::arguments(request));
        let (life, _) = self.engine.run.split_once(':').expect("it has two parts");
        command.extend([life.to_owned(), self.engine.now.to_string()]);
        let answer = self.connection.call(command).texts();
        let answer =
            script::reply(&answer).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&answer, &reply, "{:?}", request);
        prop_assert_eq!(&keys::read(&mut self.connection, FLEET), &self.ledger, "{:?}", request);
        self.seen.borrow_mut().insert(match &reply.verdict {
            Verdict::Done { learning: 0, granted, .. }
                if granted.iter().any(|granted| granted.short > 0) =>
            {
                "short"
            }
            Verdict::Done { learning: 0, .. } => "done",
            Verdict::Done { .. } => "learning",
            Verdict::Stale => "stale",
            Verdict::Lapsed => "lapsed",
            Verdict::Deposed => "deposed",
            Verdict::OtherTerms(_) => "other terms",
        });
        Ok(())
    }

    fn play(&mut self, history: &[Event]) -> Result<(), TestCaseError> {
        for event in history {
            match event {
                Event::Ask(ask) => {
                    self.serve(&ask.request(&self.ledger))?;
                }
                Event::Pass(millis) => {
                    self.engine.now = self.engine.now.saturating_add_signed(*millis)
                }
                Event::Run(run) => self.engine.run = format!("a{run}:0"),
                Event::Lose => {
                    self.connection.call(["FLUSHALL"]);
                    self.ledger = Ledger::default();
                }
            }
        }
        Ok(())
    }
}

fn config(cases: u32) -> ProptestConfig {
    let deep = if std::env::var_os("HEADCOUNT_DEEP").is_some() { 20 } else { 1 };
    ProptestConfig { cases: cases * deep, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_script_and_the_ledger_answer_and_keep_the_same() {
    for program in engines() {
        let server = Server::start(&program);
        let mut runner = TestRunner::new(config(200));
        let seen = RefCell::default();
        runner.run(&history(), |history| Pair::new(&server, &seen).play(&history)).unwrap();
        let all = ["deposed", "done", "lapsed", "learning", "other terms", "short", "stale"];
        assert_eq!(seen.into_inner(), BTreeSet::from(all));
    }
}

pub(crate) fn request(nonce: u64, seq: u64, keep: u32, want: u32) -> Request {
    Request {
        nonce,
        seq,
        epoch: 0,
        intent: Intent::Stay,
        terms: TERMS[0],
        limits: Limits { version: 0, total: 1_000, subject: 1 },
        claims: vec![Claim { key: TOTAL.to_owned(), keep, want }],
    }
}

#[test]
fn lapsed_members_are_folded_back_so_many_at_a_request() {
    let members = FOLD as u64 + 40;
    for program in engines() {
        let server = Server::start(&program);
        let seen = RefCell::default();
        let mut pair = Pair::new(&server, &seen);
        // While it learns claims are recorded, of many at one instant.
        for nonce in 1..=members {
            pair.engine.now += u64::from(nonce % 100 == 0);
            pair.serve(&request(nonce, 1, 2, 2)).unwrap();
        }
        let mut folded = Vec::new();
        for seq in 1..20 {
            pair.engine.now += TERMS[0].slack;
            let before = pair.ledger.members.len();
            pair.serve(&request(0, seq, 0, 0)).unwrap();
            folded.push(before.saturating_sub(pair.ledger.members.len()));
        }
        folded.retain(|&count| count > 0);
        assert_eq!(folded, [FOLD, members as usize - FOLD]);
    }
}
