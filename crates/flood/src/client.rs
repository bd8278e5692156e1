//! A client: comes for sessions in its manner, uses what it holds, and writes
//! down what it was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::proof::{Span, Stamp};
use crate::wire::{Answer, Id, Opening, Wire};

/// What all clients are told, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Come, all at once.
    Flood,
    /// The flood is over; use what you hold.
    Calm,
    /// Leave.
    Leave,
}

/// How a client behaves. All but the quiet use what they hold in every round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Keeps its sessions for some rounds, and comes for more.
    Crowd,
    /// Ends its session before it comes for another.
    Patient,
    /// Comes again at once when it is refused, ends no session, and hangs up.
    Hostile,
    /// As hostile, and comes in the calm too.
    Relentless,
    /// Comes in some rounds, does nothing in its sessions, ends none, and hangs up.
    Quiet,
}

/// What clients saw.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// How often a client that came for a session was answered with each status.
    pub openings: BTreeMap<u16, u64>,
    /// Refusals that did not say when to come back.
    pub without_retry_after: u64,
    /// The sessions of the patient tenant, and its refusals.
    pub patient: (u64, u64),
    /// Calls with a result.
    pub results: u64,
    /// Sessions that were gone though they had been used within the idle timeout.
    pub lost_in_use: u64,
    /// Other sessions that were gone.
    pub expired: u64,
    /// Calls without a result in a session that was not said to be gone.
    pub failed: u64,
    /// When sessions surely were open.
    pub proven: Vec<Span>,
}

impl Tally {
    /// Clients that came for a session.
    pub fn came(&self) -> u64 {
        self.openings.values().sum()
    }

    /// How many were answered with this status.
    pub fn answered(&self, status: u16) -> u64 {
        self.openings.get(&status).copied().unwrap_or(0)
    }

    /// How many were answered with another status than these.
    pub fn answered_otherwise(&self, statuses: &[u16]) -> u64 {
        self.came() - statuses.iter().map(|&status| self.answered(status)).sum::<u64>()
    }

    /// Adds what another client saw.
    pub fn merge(&mut self, other: Self) {
        for (status, times) in other.openings {
            *self.openings.entry(status).or_default() += times;
        }
        self.without_retry_after += other.without_retry_after;
        self.patient.0 += other.patient.0;
        self.patient.1 += other.patient.1;
        self.results += other.results;
        self.lost_in_use += other.lost_in_use;
        self.expired += other.expired;
        self.failed += other.failed;
        self.proven.extend(other.proven);
    }
}

/// What a client is to do.
pub struct Plan {
    /// The number of its subject.
    pub who: usize,
    /// How it behaves.
    pub manner: Manner,
    /// How long a session may be idle.
    pub idle_timeout: Duration,
    /// When the server's run began.
    pub began: Instant,
    /// Decides when it leaves.
    pub rng: fastrand::Rng,
}

/// A session that the client was told it has.
struct Held {
    id: Id,
    from: Stamp,
    /// When it was asked for the last time that was answered.
    proven: Stamp,
}

/// A connected client.
pub struct Client {
    wire: Wire,
    plan: Plan,
    held: Vec<Held>,
    tally: Tally,
}

impl Client {
    /// One that holds nothing.
    pub fn new(wire: Wire, plan: Plan) -> Self {
        Self { wire, plan, held: Vec::new(), tally: Tally::default() }
    }

    /// Follows the rounds until it is to leave, or nobody announces any more.
    pub async fn run(mut self, mut rounds: watch::Receiver<Round>) -> anyhow::Result<Tally> {
        while rounds.changed().await.is_ok() {
            let round = *rounds.borrow_and_update();
            match round {
                // Seldom, for what is forgotten piles up.
                Round::Flood if self.plan.manner == Manner::Quiet && self.plan.rng.u8(0..4) > 0 => {
                }
                Round::Flood => self.come().await?,
                Round::Calm if self.plan.manner == Manner::Relentless => self.come().await?,
                Round::Calm => {}
                Round::Leave => break,
            }
            self.use_all(self.plan.idle_timeout / 4).await?;
        }
        self.leave().await
    }

    async fn come(&mut self) -> anyhow::Result<()> {
        let ends_one = match self.plan.manner {
            Manner::Patient => true,
            Manner::Crowd => self.plan.rng.u8(0..4) == 0,
            Manner::Hostile | Manner::Relentless | Manner::Quiet => false,
        };
        if ends_one && !self.held.is_empty() {
            let oldest = self.held.remove(0);
            self.prove(&oldest);
            self.wire.end(&oldest.id).await?;
        }
        let opened = self.open().await?;
        match self.plan.manner {
            Manner::Hostile | Manner::Relentless if !opened => _ = self.open().await?,
            Manner::Patient if opened => self.tally.patient.0 += 1,
            Manner::Patient => self.tally.patient.1 += 1,
            _ => {}
        }
        Ok(())
    }

    /// Whether there is one more.
    async fn open(&mut self) -> anyhow::Result<bool> {
        let opening = self.wire.open().await?;
        let status = if let Opening::Refused { status, .. } = opening { status } else { 200 };
        *self.tally.openings.entry(status).or_default() += 1;
        match opening {
            Opening::Open(id) => {
                let from = self.now();
                let held = Held { id, from, proven: from };
                let answer = self.wire.confirm(&held.id).await?;
                self.keep(held, from, answer);
                Ok(true)
            }
            Opening::Refused { says_when, .. } => {
                self.tally.without_retry_after += u64::from(!says_when);
                Ok(false)
            }
        }
    }

    /// Calls the tool in each session that was not used for so long.
    async fn use_all(&mut self, unused: Duration) -> anyhow::Result<()> {
        if self.plan.manner == Manner::Quiet && !unused.is_zero() {
            return Ok(());
        }
        let unused = unused.as_nanos() as Stamp;
        for held in std::mem::take(&mut self.held) {
            let asked = self.now();
            if asked - held.proven < unused {
                self.held.push(held);
                continue;
            }
            let answer = self.wire.call(&held.id, Duration::ZERO).await?;
            self.tally.results += u64::from(answer == Answer::Result);
            self.keep(held, asked, answer);
        }
        Ok(())
    }

    /// Keeps a session if it answered what it was asked at this stamp.
    fn keep(&mut self, mut held: Held, asked: Stamp, answer: Answer) {
        match answer {
            Answer::Result => {
                held.proven = asked;
                return self.held.push(held);
            }
            // The idle time runs from the end of the last answer at the
            // earliest, and it was answered now.
            Answer::Gone if self.now() - held.proven < self.plan.idle_timeout.as_nanos() as u64 => {
                self.tally.lost_in_use += 1;
            }
            Answer::Gone => self.tally.expired += 1,
            Answer::Failed => self.tally.failed += 1,
        }
        self.prove(&held);
    }

    async fn leave(mut self) -> anyhow::Result<Tally> {
        self.use_all(Duration::ZERO).await?;
        let polite = matches!(self.plan.manner, Manner::Crowd | Manner::Patient);
        for held in std::mem::take(&mut self.held) {
            self.prove(&held);
            if polite {
                self.wire.end(&held.id).await?;
            }
        }
        Ok(self.tally)
    }

    fn prove(&mut self, held: &Held) {
        let Held { from, proven: to, .. } = *held;
        self.tally.proven.push(Span { who: self.plan.who, from, to });
    }

    fn now(&self) -> Stamp {
        self.plan.began.elapsed().as_nanos() as Stamp
    }
}
