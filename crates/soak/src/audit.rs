//! Read after `work.rs`. Counts anew what a gate says, while nobody works on it.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use headcount::{Clock, CloseReason};

use crate::calls::{advance, subject_name, take_leave};
use crate::room::{LIMIT, Owner, Room, SUBJECTS, Tally};

fn same<T: PartialEq + Debug>(what: &str, says: T, counted: T) -> Result<()> {
    ensure!(says == counted, "{what}: the gate says {says:?}, there are {counted:?}");
    Ok(())
}

/// What is on the tables.
#[derive(Default)]
struct Counted {
    reservations: u32,
    sessions: u32,
    /// Of the sessions, those that have not ended.
    open: u32,
    evicted: u32,
    by_subject: [u32; SUBJECTS],
    ended: [u64; CloseReason::ALL.len()],
}

fn count(room: &Room) -> Result<Counted> {
    let mut counted = Counted::default();
    for place in &room.owners {
        let owner = place.lock().unwrap();
        let Some(owner) = &*owner else { continue };
        let mut said = (0, 0);
        match owner {
            Owner::Reservation(_) => counted.reservations += 1,
            Owner::Session(session) => {
                counted.sessions += 1;
                match session.reason() {
                    None => counted.open += 1,
                    Some(reason) => {
                        counted.ended[reason as usize] += 1;
                        counted.evicted += u32::from(reason == CloseReason::Evicted);
                        said = if reason == CloseReason::Closed { (0, 1) } else { (1, 0) };
                    }
                }
            }
        }
        if let Some(subject) = owner.card().subject {
            counted.by_subject[subject] += 1;
        }
        same("told by a driver and by a close", owner.card().said(), said)?;
    }
    Ok(counted)
}

/// All counts, as they stand.
pub fn crowd(room: &Room, tally: &mut Tally) -> Result<()> {
    count_anew(room, tally).map(drop)
}

/// After as long as a session may live.
pub fn everybody_has_ended(room: &Room, tally: &mut Tally) -> Result<()> {
    let counted = count_anew(room, tally)?;
    same("sessions that outlive their time", counted.open, 0)
}

fn count_anew(room: &Room, tally: &mut Tally) -> Result<Counted> {
    let gate = &room.gate;
    advance(gate, gate.clock().now(), tally, || {})?;
    same("due after an advance", advance(gate, gate.clock().now(), tally, || {})?, 0)?;
    let counted = count(room)?;
    let stats = gate.stats();

    let holders = counted.reservations + counted.sessions - counted.evicted;
    same("slots in use", stats.in_use, holders)?;
    ensure!(holders <= LIMIT, "{holders} hold a slot of {LIMIT}");
    for (subject, &held) in counted.by_subject.iter().enumerate() {
        same("slots of a subject", gate.in_use_by(subject_name(subject)), held)?;
    }
    let subjects = counted.by_subject.iter().filter(|&&held| held > 0).count();
    same("subjects", gate.subjects(), subjects)?;

    same("draining", stats.draining, u64::from(counted.sessions - counted.open))?;
    same("admitted", stats.admitted, tally.admitted)?;
    let rejected = headcount::Cause::ALL.map(|cause| stats.rejected(cause));
    same("rejected, by cause", rejected, tally.rejected)?;
    for reason in CloseReason::ALL {
        let ended = counted.ended[reason as usize] + tally.left[reason as usize];
        same(&format!("ended for {reason:?}"), stats.ended(reason), ended)?;
        let told = tally.told[reason as usize];
        ensure!(told <= ended, "{told} were told of {ended} that ended for {reason:?}");
    }
    let ends: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
    same("admitted, by what became of them", stats.admitted, ends + u64::from(counted.open))?;
    let candidates = gate.candidates();
    let sessions = counted.sessions as usize;
    ensure!(candidates <= sessions, "{candidates} candidates of {sessions} sessions");
    Ok(counted)
}

/// Drops all, and then there is nothing.
pub fn rest(room: &Room, tally: &mut Tally) -> Result<()> {
    for place in &room.activities {
        drop(place.lock().unwrap().take());
    }
    for place in 0..room.owners.len() {
        room.take(place).map_or(Ok(()), |owner| take_leave(owner, tally))?;
    }
    count_anew(room, tally)?;
    let stats = room.gate.stats();
    same("in use at rest", stats.in_use, 0)?;
    same("draining at rest", stats.draining, 0)?;
    same("subjects at rest", room.gate.subjects(), 0)?;
    same("candidates at rest", room.gate.candidates(), 0)?;
    same("tags of sessions that are gone", room.cards(), 0)
}
