//! Judges a way by what happened, without asking it: a sweep over the times
//! at which sessions were surely open and slots were possibly held.
//!
//! A span that accuses must be certain, so each is drawn against the accuser:
//! a session counts as open only from after it was made until before it was
//! torn down, and a slot counts as held from before it was asked for until
//! after it was given back. An exact counter can then never be accused, however
//! late a thread takes its stamps.

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

/// One admission.
#[derive(Debug, Clone, Copy)]
pub struct Stay {
    /// When its slot was possibly held.
    pub held: Span,
    /// When its session was surely open; `None` if the client left before.
    pub open: Option<Span>,
}

/// All that happened during a way's run.
#[derive(Debug, Default)]
pub struct History {
    /// The admissions.
    pub stays: Vec<Stay>,
    /// The refusals: from before the question until after the answer.
    pub refusals: Vec<Span>,
}

/// What the history proves.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many sessions were surely open, as steps: from this stamp on, so many.
    pub steps: Vec<(Stamp, usize)>,
    /// The refusals that no instant justifies: fewer than the limit were
    /// possibly held during all of each.
    pub spurious: Vec<Span>,
}

impl Verdict {
    /// The most sessions that were surely open at once.
    pub fn peak(&self) -> usize {
        self.steps.iter().map(|&(_, open)| open).max().unwrap_or(0)
    }
}

impl History {
    /// Sweeps the history of a way that had this limit.
    pub fn judge(&self, limit: usize) -> Verdict {
        // At one stamp, the doubt goes to the accused: sessions close before
        // others open, and slots are taken before others are given back.
        let open = steps(self.stays.iter().filter_map(|stay| stay.open), Tie::EndsFirst);
        let held = steps(self.stays.iter().map(|stay| stay.held), Tie::StartsFirst);
        let full = full_spans(&held, limit);
        let justified = |refusal: &Span| {
            let next = full.partition_point(|span| span.to < refusal.from);
            full.get(next).is_some_and(|span| span.from <= refusal.to)
        };
        let spurious = self.refusals.iter().filter(|r| !justified(r)).copied().collect();
        Verdict { steps: open, spurious }
    }
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

/// The closed spans during which at least `limit` were held.
fn full_spans(held: &[(Stamp, usize)], limit: usize) -> Vec<Span> {
    let mut full = Vec::new();
    let mut since = None;
    for &(at, held) in held {
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
