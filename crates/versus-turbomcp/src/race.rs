//! Read after `main.rs`. The two managers, and the rounds that time them.
//!
//! Each kind of manager is there twice: with room, and at its cap. In a round each does
//! its newcomers, one manager after another. The names of the newcomers are made before
//! the time is taken.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use headcount::{CapacityPolicy, Gate, Limit, Session};
use turbomcp_protocol::{SessionConfig, SessionManager};

/// Longer than any run: what lives is to live on.
const IDLE: Duration = Duration::from_secs(3600);

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub live: u32,
    pub rounds: u32,
    /// Newcomers of each round; ours has [`OURS_TIMES`] as many.
    pub newcomers: u32,
}

/// What takes microseconds needs more newcomers than what takes milliseconds.
pub const OURS_TIMES: u32 = 100;

/// Nanoseconds a newcomer, of one round.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub ours: Times,
    pub theirs: Times,
}

/// Nanoseconds a newcomer of one manager.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// It comes where there is room, and ends.
    pub with_room: f64,
    /// It comes at the cap, and another goes.
    pub at_cap: f64,
}

/// All rounds, each manager with its sessions.
pub fn run(scale: Scale) -> anyhow::Result<Vec<Round>> {
    let Scale { live, rounds, newcomers } = scale;
    let (ours, theirs) = (Ours::filled(live, live + 1)?, Theirs::filled(live, live + 1));
    let (mut full, their_full) = (Ours::filled(live, live)?, Theirs::filled(live, live));
    let mut done = Vec::new();
    for round in 0..rounds {
        let names = names(live + round * newcomers * OURS_TIMES, newcomers * OURS_TIMES);
        let few = &names[..newcomers as usize];
        done.push(Round {
            ours: Times { with_room: ours.pairs(&names)?, at_cap: full.evictions(&names)? },
            theirs: Times { with_room: theirs.pairs(few), at_cap: their_full.evictions(few) },
        });
    }
    // Who has lost a session had less to do than it should.
    for gate in [&ours.gate, &full.gate] {
        ensure!(gate.in_use() == live, "{} of {live} live", gate.in_use());
    }
    for manager in [&theirs, &their_full] {
        ensure!(manager.live() == live as usize, "{} of {live} live", manager.live());
    }
    ensure!(theirs.has(&name(0)), "who came first had to go although there was room");
    ensure!(!their_full.has(&name(0)), "who came first is still there");
    Ok(done)
}

fn name(nth: u32) -> String {
    format!("client-{nth}")
}

fn names(first: u32, many: u32) -> Vec<String> {
    (first..first + many).map(name).collect()
}

fn nanos_each(began: Instant, names: &[String]) -> f64 {
    began.elapsed().as_nanos() as f64 / names.len() as f64
}

/// The gate, with a limit for each subject, which the other does not have.
struct Ours {
    gate: Gate<String, ()>,
    live: VecDeque<Session<String, ()>>,
}

impl Ours {
    fn filled(live: u32, most: u32) -> anyhow::Result<Self> {
        let gate = Gate::builder()
            .limit(Limit::at_most(most))
            .subject_limit(Limit::at_most(1))
            .at_capacity(CapacityPolicy::EvictOldest)
            .idle_timeout(IDLE)
            .build()?;
        let admitted = names(0, live).into_iter().map(|name| gate.admit(Some(&name), ()));
        let live = admitted.collect::<Result<_, _>>()?;
        Ok(Self { gate, live })
    }

    fn pairs(&self, names: &[String]) -> anyhow::Result<f64> {
        let began = Instant::now();
        for name in names {
            drop(black_box(self.gate.admit(Some(name), ())?));
        }
        Ok(nanos_each(began, names))
    }

    /// Whoever had to go is dropped, and at the end a driver is told.
    fn evictions(&mut self, names: &[String]) -> anyhow::Result<f64> {
        let began = Instant::now();
        for name in names {
            self.live.push_back(self.gate.admit(Some(name), ())?);
            drop(black_box(self.live.pop_front()));
        }
        black_box(self.gate.expired());
        Ok(nanos_each(began, names))
    }
}

/// As it is by default, but for the cap: a session may idle for a day. Its sweep is not
/// started.
struct Theirs(SessionManager);

impl Theirs {
    fn filled(live: u32, most: u32) -> Self {
        let config = SessionConfig { max_sessions: most as usize, ..Default::default() };
        let manager = Self(SessionManager::new(config));
        names(0, live).iter().for_each(|name| manager.create(name));
        manager
    }

    fn create(&self, name: &str) {
        black_box(self.0.get_or_create_session(name.to_owned(), "http".to_owned()));
    }

    fn pairs(&self, names: &[String]) -> f64 {
        let began = Instant::now();
        for name in names {
            self.create(name);
            assert!(self.0.terminate_session(name), "{name} has gone");
        }
        nanos_each(began, names)
    }

    fn evictions(&self, names: &[String]) -> f64 {
        let began = Instant::now();
        names.iter().for_each(|name| self.create(name));
        nanos_each(began, names)
    }

    fn live(&self) -> usize {
        self.0.get_active_sessions().len()
    }

    fn has(&self, name: &str) -> bool {
        self.0.get_session(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_keeps_its_sessions_and_takes_time() {
        let rounds = run(Scale { live: 30, rounds: 2, newcomers: 3 }).unwrap();
        assert_eq!(rounds.len(), 2);
        for Round { ours, theirs } in rounds {
            for times in [ours, theirs] {
                assert!(times.with_room > 0.0 && times.at_cap > 0.0, "{times:?}");
            }
        }
    }

    #[test]
    fn at_the_cap_both_let_go_of_whoever_came_first() {
        let (mut ours, theirs) = (Ours::filled(3, 3).unwrap(), Theirs::filled(3, 3));
        let newcomer = [name(3)];
        theirs.evictions(&newcomer);
        assert_eq!([0, 1, 2, 3].map(|nth| theirs.has(&name(nth))), [false, true, true, true]);
        ours.evictions(&newcomer).unwrap();
        let held = [0, 1, 2, 3].map(|nth| ours.gate.in_use_by(&name(nth)));
        assert_eq!(held, [0, 1, 1, 1]);
    }
}
