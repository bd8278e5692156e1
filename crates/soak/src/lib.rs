//! Works on gates with everything at once for long, and at checkpoints counts
//! anew what they say.
//!
//! Read this first, then `room.rs`, `calls.rs`, `work.rs` and `audit.rs`.
//!
//! *How*: the workers stop at a barrier, so the picture is exact: nothing is in
//! flight, and what is left is in the tables of the rooms. Each round ends with
//! a checkpoint: the crowd is audited as it stands; then time goes on for as
//! long as a session may live, and all must have ended; then all is dropped, and
//! nothing may be left. The counts of the gates go on from round to round, and
//! so does whatever drifts.
//!
//! *Memory*: at rest, that is at the end of each checkpoint, [`GROWTH`] for each
//! thread is how much more may be out in the last tenth of the run than in the
//! first.

#![deny(unsafe_code)]

mod audit;
#[cfg(test)]
mod audit_tests;
mod calls;
mod room;
mod work;

#[allow(unsafe_code)]
#[path = "../../../tests/support/counting_alloc.rs"]
mod counting_alloc;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use headcount::ManualClock;

use room::{LIFE, Room};
pub use room::{NAMES, Tally};
use work::Worker;

#[global_allocator]
static ALLOC: counting_alloc::CountingAlloc = counting_alloc::CountingAlloc;

/// The most bytes, for each thread, that may be out more at rest in the last
/// tenth of a run than in the first, by the least of each. It is the room of
/// the timers' nodes, which a gate keeps: there may be 1,024 more of them in a
/// shard than twice its peak, and they become so many over some hundred million
/// operations.
pub const GROWTH: usize = 256 << 10;

/// How often all is counted anew: a multiple of ten, for the tenths of a run.
pub const CHECKPOINTS: usize = 50;

/// How to soak.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What the workers' dice begin with.
    pub seed: u64,
    /// By all threads together, rounded up to whole rounds.
    pub operations: u64,
    /// How many threads work.
    pub threads: u64,
}

/// What was seen when nothing was left.
#[derive(Debug)]
pub struct Report {
    /// How many operations there were.
    pub operations: u64,
    /// What each gate answered, in the order of [`NAMES`].
    pub tallies: Vec<Tally>,
    /// The bytes that were out at rest, at each checkpoint.
    pub at_rest: Vec<usize>,
}

impl Report {
    /// The least bytes at rest in the first and in the last tenth.
    pub fn first_and_last(&self) -> (usize, usize) {
        let least = |tenth: &[usize]| tenth.iter().copied().min().unwrap_or(0);
        let (rest, tenth) = (&self.at_rest, CHECKPOINTS / 10);
        (least(&rest[..tenth]), least(&rest[rest.len() - tenth..]))
    }
}

/// Soaks; `seen` is called at each checkpoint with the operations so far.
///
/// # Errors
///
/// The first promise that was broken, in words.
pub fn soak(settings: Settings, mut seen: impl FnMut(u64)) -> Result<Report> {
    let clock = Arc::new(ManualClock::new());
    let rooms = room::rooms(&clock)?;
    let each = settings.operations.div_ceil(CHECKPOINTS as u64 * settings.threads).max(1);
    let barrier = Barrier::new(settings.threads as usize + 1);
    let is_done = AtomicBool::new(false);
    let outcomes = Mutex::new(Vec::new());
    let work = |thread: u64| {
        let mut worker = Worker::new(&rooms, &clock, settings.seed, thread);
        loop {
            barrier.wait();
            if is_done.load(Relaxed) {
                return;
            }
            // A worker that panics comes to the barrier all the same.
            let round = catch_unwind(AssertUnwindSafe(|| worker.round(each)));
            let round = round.unwrap_or_else(|_| Err(anyhow!("a thread panicked")));
            outcomes.lock().unwrap().push(round);
            barrier.wait();
        }
    };
    thread::scope(|scope| {
        let work = &work;
        (0..settings.threads).for_each(|thread| _ = scope.spawn(move || work(thread)));
        let mut tallies = vec![Tally::default(); rooms.len()];
        let mut at_rest = Vec::with_capacity(CHECKPOINTS);
        let mut rounds = || {
            for number in 1..=CHECKPOINTS {
                barrier.wait();
                barrier.wait();
                let round = outcomes.lock().unwrap().drain(..).collect::<Result<Vec<_>>>()?;
                for of_worker in round {
                    tallies.iter_mut().zip(of_worker).for_each(|(all, some)| all.add(&some));
                }
                checkpoint(&rooms, &clock, &mut tallies)
                    .with_context(|| format!("at checkpoint {number} of {CHECKPOINTS}"))?;
                at_rest.push(counting_alloc::live_bytes());
                seen(number as u64 * each * settings.threads);
            }
            Ok(())
        };
        let outcome = rounds();
        is_done.store(true, Relaxed);
        barrier.wait();
        outcome.map(|()| Report {
            operations: CHECKPOINTS as u64 * each * settings.threads,
            tallies,
            at_rest,
        })
    })
    .and_then(|report| {
        let (first, last) = report.first_and_last();
        let most = GROWTH * settings.threads as usize;
        ensure!(
            last <= first + most,
            "the bytes at rest grew from {first} to {last}, by more than {most}"
        );
        Ok(report)
    })
}

/// Audits the crowd, the end of all its sessions, and that nothing is left.
fn checkpoint(rooms: &[Room], clock: &ManualClock, tallies: &mut [Tally]) -> Result<()> {
    let each = |audit: fn(&Room, &mut Tally) -> Result<()>, tallies: &mut [Tally]| {
        rooms.iter().zip(tallies).try_for_each(|(room, tally)| {
            audit(room, tally).with_context(|| format!("the gate that {}", room.name))
        })
    };
    each(audit::crowd, tallies)?;
    clock.advance(LIFE);
    each(audit::everybody_has_ended, tallies)?;
    each(audit::rest, tallies)
}
