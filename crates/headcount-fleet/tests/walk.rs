//! Random walks through the protocol, where the model is small and whole: four members, two keys,
//! clocks that drift, milliseconds, leaps, losses, restarts and deposed primaries in one run.

use std::cell::Cell;
use std::collections::BTreeMap;

use headcount_fleet::holder::{Counter, Holder, Outcome};
use headcount_fleet::ledger::{Engine, Ledger};
use headcount_fleet::message::{Key, Limits, Reply, Request, TOTAL};
use headcount_fleet::terms::Terms;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const TERMS: Terms = Terms { term: 200, deposed: 100, slack: 40, guard: 20 };
/// For how long a deposed primary takes writes, if it is not stopped.
const WRITES: u64 = 50;
const LIMITS: Limits = Limits { version: 0, total: 10, subject: 3 };
const KEYS: [&str; 2] = [TOTAL, "alice"];
const MEMBERS: usize = 4;

#[derive(Debug, Clone)]
enum Event {
    Call {
        member: usize,
        wants: [u32; 2],
        in_use: [u32; 2],
    },
    /// The newest of the requests under way but so many.
    Serve {
        back: usize,
        by_the_deposed: bool,
    },
    Receive {
        back: usize,
    },
    Leap(i64),
    Snapshot,
    Restart(Memory),
    Promote,
}

#[derive(Debug, Clone, Copy)]
enum Memory {
    All,
    Snapshot,
    Nothing,
}

fn event() -> impl Strategy<Value = (u64, Event)> {
    let memory = prop_oneof![Just(Memory::All), Just(Memory::Snapshot), Just(Memory::Nothing)];
    let back = prop_oneof![6 => Just(0_usize), 2 => Just(1), 1 => 0..9_usize];
    let what = prop_oneof![
        200 => (0..MEMBERS, [0..11_u32, 0..4_u32], [0..11_u32, 0..4_u32])
            .prop_map(|(member, wants, in_use)| Event::Call { member, wants, in_use }),
        200 => (back.clone(), prop::bool::weighted(0.15)).prop_map(|(back, by_the_deposed)| Event::Serve { back, by_the_deposed }),
        200 => back.prop_map(|back| Event::Receive { back }),
        2 => (-500..500_i64).prop_map(Event::Leap),
        4 => Just(Event::Snapshot),
        1 => memory.prop_map(Event::Restart),
        1 => Just(Event::Promote),
    ];
    (prop_oneof![100 => 0..4_u64, 5 => 0..25_u64, 1 => 0..70_u64], what)
}

/// A gate in which as many are in as can be.
#[derive(Debug, Default)]
struct Gate {
    limits: BTreeMap<Key, u32>,
    in_use: BTreeMap<Key, u32>,
}

impl Counter for Gate {
    fn set_limit(&mut self, key: &Key, limit: u32) -> u32 {
        self.limits.insert(key.clone(), limit);
        self.in_use.get(key).copied().unwrap_or(0)
    }

    fn set_until(&mut self, _: u64) {}

    fn lapse(&mut self) {
        self.in_use.clear();
    }
}

impl Gate {
    fn held(&self, key: &str) -> u32 {
        let of = |map: &BTreeMap<Key, u32>| map.get(key).copied().unwrap_or(0);
        of(&self.limits).max(of(&self.in_use))
    }
}

struct Member {
    holder: Holder,
    gate: Gate,
    /// In thousandths, of the engine's clock.
    drift: u64,
}

impl Member {
    fn clock(&self, now: u64) -> u64 {
        now * self.drift / 1_000
    }

    fn held(&self, key: &str, now: u64) -> u32 {
        let is_valid = self.holder.until.is_some_and(|until| self.clock(now) < until);
        if is_valid { self.gate.held(key) } else { 0 }
    }
}

#[derive(Clone)]
struct Server {
    ledger: Ledger,
    run: u32,
    /// Until when it takes writes.
    writes: u64,
}

struct Walk {
    now: u64,
    engines_clock: i64,
    leaped: u64,
    runs: u32,
    lives: u64,
    members: Vec<Member>,
    primary: Server,
    deposed: Option<Server>,
    snapshot: Ledger,
    requests: Vec<(usize, Request)>,
    replies: Vec<(usize, Reply)>,
}

/// What the walks came by.
#[derive(Debug, Default)]
struct Seen {
    full: Cell<u32>,
    lapsed: Cell<u32>,
    grown_again: Cell<u32>,
}

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

impl Walk {
    fn new() -> Self {
        let member = |index: usize| Member {
            holder: Holder::new(TERMS, LIMITS),
            gate: Gate::default(),
            drift: [999, 1_000, 1_001, 1_000][index],
        };
        Self {
            now: 1_000_000,
            engines_clock: 5_000_000,
            leaped: 0,
            runs: 0,
            lives: 0,
            members: (0..MEMBERS).map(member).collect(),
            primary: Server { ledger: Ledger::default(), run: 0, writes: u64::MAX },
            deposed: None,
            snapshot: Ledger::default(),
            requests: Vec::new(),
            replies: Vec::new(),
        }
    }

    fn step(&mut self, wait: u64, event: &Event, seen: &Seen) {
        self.now += wait;
        self.engines_clock += wait as i64;
        match *event {
            Event::Call { member, wants, in_use } => self.call(member, wants, in_use),
            Event::Serve { back, by_the_deposed } => self.serve(back, by_the_deposed, seen),
            Event::Receive { back } => self.receive(back, seen),
            // Once in so long, as the protocol assumes; back as often as it likes.
            Event::Leap(by) if by < 0 || self.now > self.leaped + TERMS.reclaim() => {
                self.engines_clock += by;
                self.leaped = if by > 0 { self.now } else { self.leaped };
            }
            Event::Leap(_) => {}
            Event::Snapshot => self.snapshot = self.primary.ledger.clone(),
            Event::Restart(memory) => {
                self.runs += 1;
                self.primary.run = self.runs;
                match memory {
                    Memory::All => {}
                    Memory::Snapshot => self.primary.ledger = self.snapshot.clone(),
                    Memory::Nothing => self.primary.ledger = Ledger::default(),
                }
            }
            Event::Promote => {
                self.runs += 1;
                let next =
                    Server { ledger: self.snapshot.clone(), run: self.runs, writes: u64::MAX };
                let was = std::mem::replace(&mut self.primary, next);
                self.deposed = Some(Server { writes: self.now + WRITES, ..was });
            }
        }
    }

    fn call(&mut self, index: usize, wants: [u32; 2], in_use: [u32; 2]) {
        let member = &mut self.members[index];
        for (key, (want, in_use)) in KEYS.iter().zip(wants.into_iter().zip(in_use)) {
            member.holder.want(&(*key).to_owned(), want);
            let in_use = in_use.min(member.gate.held(key));
            member.gate.in_use.insert((*key).to_owned(), in_use);
        }
        self.lives += 1;
        let now = member.clock(self.now);
        let request = member.holder.call(now, self.lives, &mut member.gate);
        self.requests.push((index, request));
    }

    fn serve(&mut self, back: usize, by_the_deposed: bool, seen: &Seen) {
        let Some(at) = self.requests.len().checked_sub(back + 1) else {
            return;
        };
        let (index, request) = self.requests.remove(at);
        let now = self.now;
        let clock = self.engines_clock as u64;
        // A deposed one may have been stopped, for less than the slack or for longer.
        if let Some(server) = &mut self.deposed
            && server.ledger.head.as_ref().is_some_and(|head| clock > head.last + TERMS.slack)
        {
            server.writes = now + WRITES;
        }
        let deposed = self.deposed.as_mut();
        let deposed = deposed.filter(|server| by_the_deposed && now <= server.writes + TERMS.slack);
        let server = deposed.unwrap_or(&mut self.primary);
        let engine = Engine { now: clock, run: server.run.to_string() };
        let before = server.ledger.sums.get(TOTAL).map_or(0, |sum| sum.share);
        let reply = server.ledger.serve(&engine, &request);
        let after = server.ledger.sums.get(TOTAL).map_or(0, |sum| sum.share);
        let head = server.ledger.head.as_ref().expect("it was served");
        if head.epoch > 1 && head.learning() == 0 && after > before {
            count(&seen.grown_again);
        }
        self.replies.push((index, reply));
    }

    fn receive(&mut self, back: usize, seen: &Seen) {
        let Some(at) = self.replies.len().checked_sub(back + 1) else {
            return;
        };
        let (index, reply) = self.replies.remove(at);
        let member = &mut self.members[index];
        let now = member.clock(self.now);
        match member.holder.receive(now, &reply, &mut member.gate) {
            Outcome::Lapsed => count(&seen.lapsed),
            Outcome::Renewed => {
                for key in KEYS {
                    let held = member.gate.held(key);
                    member.gate.in_use.insert(key.to_owned(), held);
                }
            }
            _ => {}
        }
    }

    fn check(&self, seen: &Seen) -> Result<(), TestCaseError> {
        for key in KEYS {
            let held: u32 = self.members.iter().map(|member| member.held(key, self.now)).sum();
            prop_assert!(held <= LIMITS.of(key), "{held} of {key:?} are held");
            if held == LIMITS.of(key) {
                count(&seen.full);
            }
        }
        Ok(())
    }
}

#[test]
fn no_walk_leads_over_the_limit() {
    let deep = if std::env::var_os("HEADCOUNT_DEEP").is_some() { 50 } else { 1 };
    let config =
        ProptestConfig { cases: 300 * deep, failure_persistence: None, ..Default::default() };
    let seen = Seen::default();
    let events = prop::collection::vec(event(), 1_000..2_000);
    let walks = TestRunner::new(config).run(&events, |events| {
        let mut walk = Walk::new();
        for (wait, event) in &events {
            walk.step(*wait, event, &seen);
            walk.check(&seen)?;
        }
        Ok(())
    });
    walks.unwrap();
    println!("{seen:?}");
    assert!(
        seen.full.get() > 1_000 && seen.lapsed.get() > 100 && seen.grown_again.get() > 100,
        "{seen:?}"
    );
}
