#![cfg(not(feature = "loom"))]
//! Of several causes for a refusal, which is told, and what is looked at before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use headcount::{Cause, Clock, Gate, Limit};

#[test]
fn a_subject_that_is_too_long_is_told_so_whatever_is_full() {
    let gate: Gate<String> =
        Gate::builder().max_subject_len(3).limit(Limit::at_most(1)).build().unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        let refused = gate.admit(Some("alice"), ()).unwrap_err();
        assert_eq!((refused.cause(), refused.retry_after()), (Cause::SubjectTooLong, None));
        assert_eq!(gate.in_use(), held.len() as u32);
        held.push(gate.admit(Some("bob"), ()).map_err(|refused| refused.cause()));
    }
    assert!(matches!(held[..], [Ok(_), Err(Cause::AtCapacity)]));
}

#[test]
fn a_subject_at_its_limit_is_told_that_whatever_is_full_and_to_come_back_in_a_second() {
    let gate: Gate<String> = Gate::builder()
        .limit(Limit::at_most(1))
        .subject_limit(Limit::at_most(1))
        .subject_override("nobody".to_owned(), Limit::at_most(0))
        .rate(1, Duration::from_secs(60))
        .build()
        .unwrap();
    let _session = gate.admit(Some("alice"), ()).unwrap();
    // Under a limit of 0 it is no use to come back.
    for (subject, after) in [("alice", Some(Duration::from_secs(1))), ("nobody", None)] {
        let refused = gate.admit(Some(subject), ()).unwrap_err();
        assert_eq!((refused.cause(), refused.retry_after()), (Cause::SubjectAtLimit, after));
    }
    assert_ne!(gate.admit(Some("bob"), ()).unwrap_err().cause(), Cause::SubjectAtLimit);
}

/// Stands still and counts who looks at it.
#[derive(Default)]
struct Watched(AtomicU32);

impl Clock for Watched {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Relaxed);
        0
    }

    fn now_both_ways(&self) -> (u64, u64) {
        (self.now(), 0)
    }
}

#[test]
fn an_admission_looks_at_the_clock_once_and_a_refusal_for_the_subject_never() {
    let clock = Arc::new(Watched::default());
    let gate = Gate::<String>::builder()
        .subject_limit(Limit::at_most(1))
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let looks = || clock.0.swap(0, Relaxed);
    looks();
    let session = gate.admit(Some("alice"), ()).unwrap();
    assert_eq!(looks(), 1);
    assert!(gate.admit(Some("alice"), ()).is_err());
    assert_eq!(looks(), 0);
    drop(session);
    assert_eq!(looks(), 0);
    let reservation = gate.reserve(Some("alice"), ()).unwrap();
    assert_eq!(looks(), 1);
    drop(reservation.commit().unwrap());
    assert_eq!(looks(), 1, "its timeouts begin at the commit");
}
