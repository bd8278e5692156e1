//! Read first. How long what holds, and why that is enough.
//!
//! A member counts its *term* from before it sends a request, by a clock that
//! does not stop; the ledger keeps the row for `reclaim` from when it serves the
//! request, by its own clock. With `W`, for which a deposed primary takes writes:
//!
//! ```text
//! reclaim = term + W + slack      slack: the most that one leap adds to the ledger's clock
//! the member stops at             sent + term - guard       guard: drift and rounding
//! the row is folded back after    served + term + W         by real time, and served >= sent
//! ```
//!
//! *Assumed*, and to be seen to by operators: scripts are atomic; a primary that
//! was deposed takes writes for at most `W` while it runs, and once it wakes from a stop;
//! the engine's clock leaps forward by less than the slack at most once per `reclaim`,
//! not back while it is stopped, and drifts by at most 1/1000 from the members'; these
//! count every stop; all members have one and the same terms, which the ledger
//! checks for as long as its head is there; the keys of a bucket are lost together
//! or not at all; members are honest.

use std::fmt;
use std::time::Duration;

/// The times of a fleet, in milliseconds. All members have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Terms {
    /// How long a share is valid, by its holder's clock, from before its request
    /// was sent.
    pub term: u64,
    /// The longest that a deposed primary may go on taking writes, stops of up to the slack
    /// included, by the slowest of the clocks.
    pub deposed: u64,
    /// The most by which the ledger's clock moves on at a request. After more than
    /// that the engine may have been stopped, and the ledger learns.
    pub slack: u64,
    /// How long before the term's end a holder stops.
    pub guard: u64,
}

/// Terms that no fleet can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TermsError {
    field: &'static str,
    why: &'static str,
}

impl fmt::Display for TermsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.why)
    }
}

impl std::error::Error for TermsError {}

const SHORTEST: Duration = Duration::from_millis(60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Terms {
    /// The usual parts of a term. The ledger's clock may leap by a quarter of it: so one
    /// lost call of the only member is no gap if it is repeated within a twelfth. A holder
    /// stops a tenth before the end. Parts of a millisecond round up.
    ///
    /// Where a primary can be deposed, its time grows by what clocks drift meanwhile, and by
    /// the slack: a stop that is no longer goes unseen.
    ///
    /// # Errors
    ///
    /// If a term is shorter than 60 ms, or either is longer than a day.
    pub fn of(term: Duration, deposed: Duration) -> Result<Self, TermsError> {
        if term < SHORTEST {
            let why =
                "is shorter than 60 ms: take one of some round trips to the engine, six times over";
            return Err(TermsError { field: "term", why });
        }
        for (field, duration) in [("term", term), ("deposed", deposed)] {
            if duration > LONGEST {
                return Err(TermsError { field, why: "is longer than a day: take a shorter one" });
            }
        }
        let millis = |duration: Duration| duration.as_nanos().div_ceil(1_000_000) as u64;
        let (term, deposed) = (millis(term), millis(deposed));
        let slack = term.div_ceil(4);
        let deposed = if deposed > 0 { deposed + deposed.div_ceil(500) + slack } else { 0 };
        Ok(Self { term, deposed, slack, guard: term.div_ceil(10) })
    }

    /// How long the ledger keeps a row, by its own clock, from when it serves the
    /// request.
    pub fn reclaim(&self) -> u64 {
        self.term + self.deposed + self.slack
    }

    /// When a holder stops that sent its request then, by its clock.
    pub fn until(&self, sent: u64) -> u64 {
        sent + self.term - self.guard
    }

    /// How often a holder calls, if there is nothing else to say.
    pub fn renewal(&self) -> u64 {
        self.term / 6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(term: u64, deposed: u64) -> String {
        let millis = Duration::from_millis;
        Terms::of(millis(term), millis(deposed))
            .map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn terms_that_no_fleet_can_have_are_named() {
        assert!(told(59, 0).starts_with("term is shorter than 60 ms"));
        assert!(told(86_400_001, 0).starts_with("term is longer than a day"));
        assert!(told(1_000, 86_400_001).starts_with("deposed is longer than a day"));
        assert_eq!(told(60, 86_400_000), "");
    }

    /// The latest that a holder stops whose clock is slow, against the earliest that the
    /// ledger grants its share to another by a clock that is fast and leaped.
    #[test]
    fn a_share_is_not_held_when_it_is_granted_anew() {
        const DAY: u64 = 24 * 60 * 60 * 1_000;
        for term in [60, 61, 999, 1_000, 30_000, DAY] {
            for deposed in [0, 1, 7, 200, 30_000, DAY] {
                let millis = Duration::from_millis;
                let terms = Terms::of(millis(term), millis(deposed)).unwrap();
                // A millisecond for each clock that is read twice and rounds down.
                let stop = if deposed > 0 { terms.slack } else { 0 };
                let stops = deposed + stop + (terms.until(0) + 1) * 1_001 / 1_000 + 1;
                let granted = (terms.reclaim() - terms.slack - 1) * 1_000 / 1_001;
                assert!(stops < granted, "{stops} {granted} {terms:?}");
                assert!(
                    terms.slack > terms.renewal(),
                    "one member's calls move the ledger's clock"
                );
                assert!(terms.until(0) > 4 * terms.renewal(), "a term outlasts some lost calls");
            }
        }
    }
}
