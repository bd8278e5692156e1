//! Read after `room.rs`. Calls whose answers are noted and checked wherever
//! they are made, and panics that are thrown on purpose.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Poll;

use anyhow::{Result, bail, ensure};
use headcount::{CloseReason, Rejected};

use crate::room::{Owner, SUBJECTS, SoakActivity, SoakGate, SoakSession, Tag, Tally};

/// The panic that is thrown on purpose.
struct Injected;

pub fn inject() -> ! {
    resume_unwind(Box::new(Injected)) // which prints nothing
}

/// Only what was thrown on purpose is caught.
pub fn survive<R>(run: impl FnOnce() -> R) -> Option<R> {
    let goes_on = |panic: Box<dyn Any + Send>| match panic.downcast::<Injected>() {
        Ok(_) => None,
        Err(panic) => resume_unwind(panic),
    };
    catch_unwind(AssertUnwindSafe(run)).map_or_else(goes_on, Some)
}

pub fn subject_name(subject: usize) -> &'static str {
    const NAMES: [&str; SUBJECTS] = [
        "amber", "birch", "cedar", "dune", "ember", "fjord", "glade", "heath", "isle", "jade",
        "knoll", "lagoon", "moor", "north", "oak", "pine",
    ];
    NAMES[subject]
}

/// Calls `advance` and notes what it tells; `then` is called after each.
pub fn advance(gate: &SoakGate, now: u64, tally: &mut Tally, then: impl Fn()) -> Result<usize> {
    let mut outcome = Ok(());
    let told = survive(|| {
        gate.advance(now, |ended| {
            tally.told[ended.reason as usize] += 1;
            let said = ended.tag.tell();
            outcome = std::mem::replace(&mut outcome, Ok(())).and(said);
            then();
        })
    });
    tally.unwound += u64::from(told.is_none());
    outcome.map(|()| told.unwrap_or(0))
}

/// The owner goes, and its session has ended for one reason.
pub fn take_leave(owner: Owner, tally: &mut Tally) -> Result<()> {
    match owner {
        Owner::Session(session) => leave_by(session, tally, drop),
        Owner::Reservation(reservation) => {
            ensure!(reservation.tag().said() == (0, 0), "a reservation was told of");
            tally.cancelled += 1;
            Ok(())
        }
    }
}

pub fn leave_by(
    session: SoakSession,
    tally: &mut Tally,
    go: impl FnOnce(SoakSession),
) -> Result<()> {
    let handle = session.handle();
    go(session);
    let Some(reason) = handle.reason() else { bail!("a session outlives its owner") };
    let was_told = handle.tag().said() != (0, 0);
    ensure!(reason != CloseReason::Released || !was_told, "its owner's drop was told of");
    tally.left[reason as usize] += 1;
    Ok(())
}

/// An admission that awaits something while it holds a reservation.
pub async fn admission(
    gate: &SoakGate,
    subject: Option<&str>,
    tag: Tag,
) -> Result<SoakSession, Rejected> {
    let reservation = gate.reserve(subject, tag)?;
    let mut has_waited = false;
    poll_fn(|_| match std::mem::replace(&mut has_waited, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
    reservation.commit()
}

/// An activity goes; until now its session was busy.
pub fn still_busy(activity: SoakActivity) -> Result<()> {
    let reason = activity.session().reason();
    let ends_the_idle = [Some(CloseReason::Idle), Some(CloseReason::Evicted)];
    ensure!(!ends_the_idle.contains(&reason), "a busy session has ended: {reason:?}");
    Ok(())
}
