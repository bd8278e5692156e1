//! The short form of the soak: alone in its process, whose heap it judges.

use headcount::{Cause, CloseReason};
use soak::{Settings, soak};

#[test]
fn nothing_drifts_and_everything_happens() {
    let settings = Settings { seed: 1, operations: 2_000_000, threads: 4 };
    println!("{settings:?}");
    let report = soak(settings, |_| {}).unwrap_or_else(|error| panic!("{error:#}"));
    println!("bytes at rest: {:?}", report.first_and_last());

    // A soak in which something never happens says nothing of it.
    let [refuses, evicts_idle, evicts_oldest] = &report.tallies[..] else { panic!("three gates") };
    for cause in [Cause::SubjectAtLimit, Cause::RateLimited, Cause::AtCapacity] {
        assert!(refuses.rejected[cause as usize] > 0, "{cause}");
    }
    for tally in [refuses, evicts_idle, evicts_oldest] {
        let silent = [CloseReason::Released, CloseReason::Closed];
        assert!(silent.into_iter().all(|reason| tally.told[reason as usize] == 0), "{tally:?}");
        let ends = [CloseReason::Released, CloseReason::InitTimeout, CloseReason::Closed];
        assert!(ends.into_iter().all(|reason| tally.left[reason as usize] > 0), "{tally:?}");
        assert!(tally.unwound > 0 && tally.cancelled > 0, "{tally:?}");
    }
    for reason in [CloseReason::Idle, CloseReason::MaxLifetime] {
        assert!(refuses.left[reason as usize] > 0, "{reason:?}");
    }
    for tally in [evicts_idle, evicts_oldest] {
        assert!(tally.told[CloseReason::Evicted as usize] > 0, "{tally:?}");
    }
}
