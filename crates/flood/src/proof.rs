//! Judges a server by what its clients saw, without asking it: when sessions
//! surely were open.
//!
//! A session surely is open from when its client has the answer that opened it
//! until before its client asked for the last time that was answered. A session
//! that has ended answers no more, so at each instant between it was there, had
//! its slot of the server and its slot of its subject. A server that is exact
//! can never be convicted, however late anybody takes a stamp, and whenever it
//! ends or evicts a session: that is after the last answer. Sessions that nobody
//! uses are missed.

/// Nanoseconds since the server's run began.
pub type Stamp = u64;

/// A session that surely was open, to both stamps inclusive.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// The number of its subject.
    pub who: usize,
    /// Its first instant.
    pub from: Stamp,
    /// Its last instant.
    pub to: Stamp,
}

/// From this stamp on, so many.
pub type Steps = Vec<(Stamp, usize)>;

/// How many of the spans cover each stamp. At one stamp the doubt goes to the
/// accused: sessions end before others open.
pub fn steps<'a>(spans: impl Iterator<Item = &'a Span>) -> Steps {
    let mut edges = Vec::new();
    for span in spans.filter(|span| span.from < span.to) {
        edges.push((span.from, true));
        edges.push((span.to, false));
    }
    // At one stamp `false`, an end, comes first.
    edges.sort_unstable();
    let mut open = 0;
    let mut counted = |(at, opens)| {
        open = if opens { open + 1 } else { open - 1 };
        (at, open)
    };
    edges.into_iter().map(&mut counted).collect()
}

/// The most at once.
pub fn highest(steps: &Steps) -> usize {
    steps.iter().map(|&(_, open)| open).max().unwrap_or(0)
}

/// The most of this subject at once.
pub fn most_of(spans: &[Span], who: usize) -> usize {
    highest(&steps(spans.iter().filter(|span| span.who == who)))
}

/// The most of any subject at once.
pub fn most_of_any(spans: &[Span]) -> usize {
    let subjects = spans.iter().map(|span| span.who + 1).max().unwrap_or(0);
    (0..subjects).map(|who| most_of(spans, who)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(spans: &[(usize, Stamp, Stamp)]) -> Vec<Span> {
        spans.iter().map(|&(who, from, to)| Span { who, from, to }).collect()
    }

    #[test]
    fn sessions_that_overlap_are_counted_in_all_and_of_each_subject() {
        let spans = spans(&[(0, 1, 9), (1, 2, 5), (0, 4, 6), (1, 7, 8)]);
        assert_eq!(highest(&steps(spans.iter())), 3);
        assert_eq!((most_of(&spans, 0), most_of(&spans, 1), most_of(&spans, 2)), (2, 1, 0));
        assert_eq!(most_of_any(&spans), 2);
    }

    #[test]
    fn a_session_that_ends_at_the_stamp_of_the_next_was_not_beside_it() {
        let spans = spans(&[(0, 1, 5), (0, 5, 9)]);
        assert_eq!(steps(spans.iter()), [(1, 1), (5, 0), (5, 1), (9, 0)]);
    }

    #[test]
    fn a_session_that_answered_nothing_more_proves_nothing() {
        assert_eq!(steps(spans(&[(0, 5, 5)]).iter()), []);
    }
}
