//! Judges a way by what happened, without asking it: a sweep over the times
//! at which sessions were surely open and slots were possibly held.
//!
//! A span that accuses must be certain, so each is drawn against the accuser:
//! a session counts as open only from after it was made until before it was
//! torn down, and a slot counts as held from before it was asked for until
//! after it was given back. An exact counter can then never be accused, however
//! late a thread takes its stamps.
//!
//! A slot that an eviction passes on has two sessions for an instant: the victim
//! is there until its owner is dropped, the newcomer from the eviction on. So a
//! victim surely has its slot only until before the eviction could happen, which
//! is until it went quiet, for a session with something in flight is never
//! evicted (that is a promise of its own); and possibly until its owner is
//! dropped, when its subject's slot comes back. A session that its idle timeout
//! ended keeps its slots until then.

use crate::ways::{Cause, End, Limits};

/// Nanoseconds since the way's run began.
pub type Stamp = u64;

/// A closed interval of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub from: Stamp,
    /// Its last instant, not before `from`.
    pub to: Stamp,
}

/// A subject's number in a history; `None` is an anonymous client.
pub type Who = Option<u32>;

/// One admission.
#[derive(Debug, Clone, Copy)]
pub struct Stay {
    /// Whose it was.
    pub who: Who,
    /// When its slots were possibly held.
    pub held: Span,
    /// When its session surely had its slots; `None` if the client left before.
    pub open: Option<Span>,
    /// How the session ended.
    pub end: End,
    /// Whether it was quiet when it ended.
    pub was_quiet: bool,
}

/// One refusal.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    /// Who was refused.
    pub who: Who,
    /// What the client was told.
    pub cause: Cause,
    /// From before the question until after the answer.
    pub during: Span,
}

/// All that happened during a way's run.
#[derive(Debug, Default)]
pub struct History {
    /// The admissions.
    pub stays: Vec<Stay>,
    /// The refusals.
    pub refusals: Vec<Refusal>,
}

/// What the history proves.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many sessions were surely open, as steps: from this stamp on, so many.
    pub steps: Vec<(Stamp, usize)>,
    /// The most sessions of one subject that were surely open at once.
    pub largest_subject: usize,
    /// The refusals that no instant justifies: fewer slots than the limit that
    /// the client was told of were possibly held during all of each.
    pub spurious: Vec<Refusal>,
}

impl Verdict {
    /// The most sessions that were surely open at once.
    pub fn peak(&self) -> usize {
        highest(&self.steps)
    }

    /// How many refusals of this cause were spurious.
    pub fn spurious_by(&self, cause: Cause) -> usize {
        self.spurious.iter().filter(|refusal| refusal.cause == cause).count()
    }
}

impl History {
    /// How many refusals had this cause.
    pub fn refused_by(&self, cause: Cause) -> usize {
        self.refusals.iter().filter(|refusal| refusal.cause == cause).count()
    }

    /// How many sessions the way ended like this.
    pub fn ended_by(&self, end: End) -> usize {
        self.stays.iter().filter(|stay| stay.end == end).count()
    }

    /// How many sessions the way ended while something was in flight.
    pub fn ended_while_busy(&self) -> usize {
        self.stays.iter().filter(|stay| stay.end != End::Left && !stay.was_quiet).count()
    }

    /// The most sessions of a subject that were surely open at once.
    pub fn most_of(&self, who: Who) -> usize {
        let stays = self.stays.iter().filter(|stay| stay.who == who);
        highest(&surely_open(stays.filter_map(|stay| stay.open)))
    }

    /// Sweeps the history of a way that had these limits: once for the whole
    /// server, and once for each subject as if it were alone.
    ///
    /// A client that was refused at the server's limit possibly held a slot of
    /// its subject meanwhile, since subjects are asked first. One that was
    /// refused at its subject's limit held nothing, and an anonymous one has no
    /// such limit to be refused at.
    pub fn judge(&self, limits: Limits) -> Verdict {
        let mut spurious = Vec::new();
        let held = self.stays.iter().map(|stay| stay.held);
        let server = PossiblyFull::at(held, limits.global);
        for refusal in &self.refusals {
            let unjustified = match (refusal.cause, refusal.who) {
                (Cause::AtCapacity, _) => !server.may_have_refused(&refusal.during),
                (Cause::SubjectAtLimit, who) => who.is_none(),
            };
            spurious.extend(unjustified.then_some(*refusal));
        }
        let mut largest_subject = 0;
        for subject in self.by_subject() {
            let alone = PossiblyFull::at(subject.held.into_iter(), limits.per_subject);
            let unjustified = |refusal: &Refusal| !alone.may_have_refused(&refusal.during);
            spurious.extend(subject.refused.into_iter().filter(unjustified));
            largest_subject = largest_subject.max(highest(&surely_open(subject.open.into_iter())));
        }
        let steps = surely_open(self.stays.iter().filter_map(|stay| stay.open));
        Verdict { steps, largest_subject, spurious }
    }

    fn by_subject(&self) -> Vec<OfSubject> {
        let mut subjects = Vec::new();
        for stay in &self.stays {
            let Some(subject) = numbered(&mut subjects, stay.who) else { continue };
            subject.held.push(stay.held);
            subject.open.extend(stay.open);
        }
        for refusal in &self.refusals {
            let Some(subject) = numbered(&mut subjects, refusal.who) else { continue };
            match refusal.cause {
                Cause::AtCapacity => subject.held.push(refusal.during),
                Cause::SubjectAtLimit => subject.refused.push(*refusal),
            }
        }
        subjects
    }
}

/// What of a history concerns one subject.
#[derive(Default)]
struct OfSubject {
    /// When each slot of it was possibly held.
    held: Vec<Span>,
    /// When each session of it was surely open.
    open: Vec<Span>,
    /// The refusals at its limit.
    refused: Vec<Refusal>,
}

fn numbered(subjects: &mut Vec<OfSubject>, who: Who) -> Option<&mut OfSubject> {
    let number = who? as usize;
    if number >= subjects.len() {
        subjects.resize_with(number + 1, OfSubject::default);
    }
    subjects.get_mut(number)
}

/// When a counter was possibly full: the spans, in order.
pub struct PossiblyFull(Vec<Span>);

impl PossiblyFull {
    /// A counter of this limit whose slots were possibly held in these spans.
    pub fn at(held: impl Iterator<Item = Span>, limit: u32) -> Self {
        Self(full_spans(held, limit as usize))
    }

    /// Whether it was possibly full at an instant of a refusal.
    pub fn may_have_refused(&self, during: &Span) -> bool {
        let next = self.0.partition_point(|span| span.to < during.from);
        self.0.get(next).is_some_and(|span| span.from <= during.to)
    }
}

/// How many sessions were open, as steps. At one stamp the doubt goes to the
/// accused: sessions close before others open.
fn surely_open(open: impl Iterator<Item = Span>) -> Vec<(Stamp, usize)> {
    steps(open, Tie::EndsFirst)
}

fn highest(steps: &[(Stamp, usize)]) -> usize {
    steps.iter().map(|&(_, height)| height).max().unwrap_or(0)
}

/// What comes first when a span ends at the stamp at which another starts.
#[derive(Clone, Copy, PartialEq)]
enum Tie {
    EndsFirst,
    StartsFirst,
}

/// How many of the spans cover each stamp.
fn steps(spans: impl Iterator<Item = Span>, tie: Tie) -> Vec<(Stamp, usize)> {
    let mut edges = Vec::new();
    for span in spans {
        edges.push((span.from, tie == Tie::EndsFirst, 1_isize));
        edges.push((span.to, tie == Tie::StartsFirst, -1));
    }
    edges.sort_unstable();
    let mut covering = 0_isize;
    let mut counted = |(at, _, change)| {
        covering += change;
        (at, covering.max(0) as usize)
    };
    edges.into_iter().map(&mut counted).collect()
}

/// The closed spans during which at least `limit` slots were possibly held.
/// Again for the accused: slots are taken before others are given back.
fn full_spans(held: impl Iterator<Item = Span>, limit: usize) -> Vec<Span> {
    let mut full = Vec::new();
    let mut since = None;
    for (at, held) in steps(held, Tie::StartsFirst) {
        match since {
            None if held >= limit => since = Some(at),
            Some(from) if held < limit => {
                full.push(Span { from, to: at });
                since = None;
            }
            _ => {}
        }
    }
    full
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
