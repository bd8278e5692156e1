//! The state of the model: servers, processes, and what is under way between them.
//!
//! Time is what is left of it: every clock reads `NOW` for ever, and a tick moves all instants
//! back.

use headcount_fleet::holder::{Counter, Holder};
use headcount_fleet::ledger::{Engine, Ledger};
use headcount_fleet::message::{Key, Limits, Reply, Request, TOTAL};
use headcount_fleet::term::Pass;
use headcount_fleet::terms::Terms;

/// What every clock reads.
pub(crate) const NOW: u64 = 100;

/// The gate of a process, of which the model decides who is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gate {
    pub(crate) limit: u32,
    pub(crate) until: u64,
    /// All sessions, and the slot of `asking`.
    pub(crate) in_use: u32,
    /// Those of `in_use` that are left from lives before.
    pub(crate) old: u32,
    /// An admission that has taken a slot, and has yet to read the clock.
    pub(crate) asking: Option<Pass>,
}

impl Counter for Gate {
    fn set_limit(&mut self, _: &Key, limit: u32) -> u32 {
        self.limit = limit;
        self.in_use
    }

    fn set_until(&mut self, until: u64) {
        self.until = until;
    }

    fn lapse(&mut self) {
        self.old = self.in_use;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Runs,
    /// With this share.
    Crashed(u32),
    Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) fate: Fate,
    pub(crate) holder: Holder,
    pub(crate) gate: Gate,
    /// How many it has begun.
    pub(crate) lives: u64,
}

impl Process {
    /// The most that its clients have been promised under a valid term.
    pub(crate) fn held(&self) -> u32 {
        let valid = self.fate == Fate::Runs && self.holder.until.is_some_and(|until| NOW < until);
        if valid { self.gate.limit.max(self.gate.in_use - self.gate.old) } else { 0 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) ledger: Ledger,
    pub(crate) run: u64,
    /// For how many ticks it still takes writes, if it is deposed.
    pub(crate) writes_for: Option<u64>,
}

impl Server {
    pub(crate) fn engine(&self) -> Engine {
        Engine { now: NOW, run: self.run.to_string() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The primary, and then one that was.
    pub(crate) servers: Vec<Server>,
    /// What a replica or a disk has.
    pub(crate) copy: Option<Ledger>,
    pub(crate) processes: Vec<Process>,
    pub(crate) requests: Vec<(usize, Request)>,
    pub(crate) replies: Vec<(usize, Reply)>,
    pub(crate) faults_left: u32,
    /// Whether the engine's clock has leaped forward.
    pub(crate) leaped: bool,
    /// What must never be and is no property of a state.
    pub(crate) broken: Option<&'static str>,
}

impl World {
    pub(crate) fn new(processes: usize, terms: Terms, limit: u32, faults: u32) -> Self {
        let limits = Limits { version: 0, total: limit, subject: 0 };
        let process = Process {
            fate: Fate::Runs,
            holder: Holder::new(terms, limits),
            gate: Gate::default(),
            lives: 0,
        };
        let server = Server { ledger: Ledger::default(), run: 0, writes_for: None };
        Self {
            servers: vec![server],
            copy: None,
            processes: vec![process; processes],
            requests: Vec::new(),
            replies: Vec::new(),
            faults_left: faults,
            leaped: false,
            broken: None,
        }
    }

    pub(crate) fn held(&self) -> u32 {
        self.processes.iter().map(Process::held).sum()
    }

    pub(crate) fn row(&self, process: &Process) -> u64 {
        let nonce = process.holder.nonce.unwrap_or(u64::MAX);
        let member = self.servers[0].ledger.members.get(&nonce);
        member.and_then(|member| member.rows.get(TOTAL)).map_or(0, |row| row.share)
    }

    pub(crate) fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        self.servers.iter().map(|server| &server.ledger).chain(&self.copy)
    }

    pub(crate) fn ledgers_mut(&mut self) -> impl Iterator<Item = &mut Ledger> {
        self.servers.iter_mut().map(|server| &mut server.ledger).chain(&mut self.copy)
    }

    /// A tick later. The clock of a process that is suspended may stand still.
    pub(crate) fn pass_a_tick(&mut self, suspended: Option<usize>) {
        for (index, process) in self.processes.iter_mut().enumerate() {
            if suspended == Some(index) {
                continue;
            }
            let holder = &mut process.holder;
            holder.until = holder.until.map(|until| until - 1);
            if let Some(call) = &mut holder.call {
                call.sent -= 1;
            }
            process.gate.until = process.gate.until.saturating_sub(1);
            if let Some(pass) = &mut process.gate.asking {
                *pass = Pass { until: pass.until - 1 };
            }
        }
        for server in &mut self.servers {
            if let Some(head) = &mut server.ledger.head
                && NOW <= head.last + head.terms.slack
            {
                head.last -= 1;
            }
        }
        self.servers.retain(|server| server.writes_for != Some(0));
        for server in &mut self.servers {
            server.writes_for = server.writes_for.map(|ticks| ticks - 1);
        }
    }
}
