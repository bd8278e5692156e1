//! Read after `main.rs`. The three managers, and the rounds that time them.
//!
//! Each has so many sessions that live throughout. A pair makes one more and
//! ends it. In a round each does its pairs, one manager after another.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use headcount::{Gate, Limit, Session};
use mcp_session::{BoundedSessionManager, SessionConfig, SessionId};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use tokio::runtime::{Builder, Runtime};

/// Longer than any run: what lives is to live on.
const IDLE: Duration = Duration::from_secs(3600);

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub live: u32,
    pub rounds: u32,
    /// Pairs of each round; ours does [`OURS_TIMES`] as many.
    pub pairs: u32,
}

/// What takes microseconds needs more pairs than what takes milliseconds.
pub const OURS_TIMES: u32 = 100;

/// Nanoseconds a pair, of one round.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub ours: f64,
    /// What mcp-session wraps, without what it adds.
    pub rmcp: f64,
    pub mcp_session: f64,
}

/// All rounds, each manager with its sessions.
pub fn run(scale: Scale) -> anyhow::Result<Vec<Round>> {
    let ours = Ours::filled(scale.live)?;
    let room = scale.live as usize + 1;
    let bounded = Mcp::filled(bounded(room), scale.live)?;
    let local = Mcp::filled(LocalSessionManager::default(), scale.live)?;
    let rounds = (0..scale.rounds).map(|_| {
        Ok(Round {
            ours: ours.pairs(scale.pairs * OURS_TIMES)?,
            rmcp: local.pairs(scale.pairs)?,
            mcp_session: bounded.pairs(scale.pairs)?,
        })
    });
    let rounds = rounds.collect::<anyhow::Result<_>>()?;
    // Who evicted or lost a session had less to do than it should.
    ensure!(ours.gate.in_use() == scale.live);
    let tracked = bounded.runtime.block_on(bounded.manager.active_session_count());
    ensure!(tracked == scale.live as usize);
    for manager in [local.all_live()?, bounded.all_live()?] {
        ensure!(manager, "a session has gone");
    }
    Ok(rounds)
}

/// As it is by default, but for the cap and the idle time. No rate limit, and
/// no maximum lifetime: neither makes it faster.
fn bounded(max_sessions: usize) -> BoundedSessionManager {
    let mut config = SessionConfig::default();
    config.keep_alive = Some(IDLE);
    BoundedSessionManager::new(config, max_sessions)
}

fn nanos_each(began: Instant, pairs: u32) -> f64 {
    began.elapsed().as_nanos() as f64 / f64::from(pairs)
}

/// The gate, with a limit for each subject, which the others do not have.
struct Ours {
    gate: Gate<u64, u64>,
    live: Vec<Session<u64, u64>>,
}

impl Ours {
    fn filled(live: u32) -> anyhow::Result<Self> {
        let gate = Gate::builder()
            .limit(Limit::at_most(live + 1))
            .subject_limit(Limit::at_most(1))
            .idle_timeout(IDLE)
            .build()?;
        let admitted = (0..u64::from(live)).map(|id| gate.admit(Some(&id), id));
        let live = admitted.collect::<Result<_, _>>()?;
        Ok(Self { gate, live })
    }

    fn pairs(&self, pairs: u32) -> anyhow::Result<f64> {
        let first = self.live.len() as u64;
        let began = Instant::now();
        for id in first..first + u64::from(pairs) {
            drop(black_box(self.gate.admit(Some(&id), id)?));
        }
        Ok(nanos_each(began, pairs))
    }
}

/// A manager of rmcp's kind, on the runtime that costs it least: one thread,
/// entered once a round.
struct Mcp<M: SessionManager> {
    manager: M,
    runtime: Runtime,
    live: Vec<(SessionId, M::Transport)>,
}

impl<M: SessionManager<Error: Sync>> Mcp<M> {
    fn filled(manager: M, live: u32) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let live = runtime.block_on(async {
            let mut sessions = Vec::with_capacity(live as usize);
            for _ in 0..live {
                sessions.push(manager.create_session().await.context("it is not full")?);
            }
            anyhow::Ok(sessions)
        })?;
        Ok(Self { manager, runtime, live })
    }

    fn pairs(&self, pairs: u32) -> anyhow::Result<f64> {
        self.runtime.block_on(async {
            let began = Instant::now();
            for _ in 0..pairs {
                let (id, transport) = self.manager.create_session().await?;
                self.manager.close_session(&id).await?;
                drop(black_box(transport));
                // The session's task runs, and ends.
                tokio::task::yield_now().await;
            }
            Ok(nanos_each(began, pairs))
        })
    }

    fn all_live(&self) -> anyhow::Result<bool> {
        self.runtime.block_on(async {
            for (id, _) in &self.live {
                if !self.manager.has_session(id).await? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_keeps_its_sessions_and_takes_time() {
        let rounds = run(Scale { live: 30, rounds: 2, pairs: 3 }).unwrap();
        assert_eq!(rounds.len(), 2);
        for round in rounds {
            assert!(round.ours > 0.0 && round.rmcp > 0.0 && round.mcp_session > 0.0, "{round:?}");
        }
    }

    #[test]
    fn a_manager_without_room_evicts_and_is_found_out() {
        let manager = Mcp::filled(bounded(30), 30).unwrap();
        assert!(manager.all_live().unwrap());
        manager.pairs(1).unwrap();
        assert!(!manager.all_live().unwrap());
    }
}
