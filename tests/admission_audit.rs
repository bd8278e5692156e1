#![cfg(not(feature = "loom"))]
//! Real threads, and an audit that knows nothing of the counter: it judges by
//! a monotonic clock when each attempt was called and answered and each hold
//! ended. Its bounds lean to the counter's side, so a conviction is a proof.

use std::sync::Barrier;
use std::time::Instant;

use headcount::{AdmissionCounter, Limit};

/// Nanoseconds since the start of the run.
type Nanos = u64;

/// One attempt: when it was called and answered and, if it was admitted, when
/// its release was called and had returned.
struct Attempt {
    called: Nanos,
    answered: Nanos,
    held_until: Option<(Nanos, Nanos)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    admitted: usize,
    refused: usize,
    /// Refusals during which at no instant `limit` holds were even possible.
    spurious: usize,
    /// The most holds that were certain at one instant.
    peak: i64,
}

/// How many intervals are open from each time on, in order of time.
fn steps(intervals: impl Iterator<Item = (Nanos, Nanos)>) -> Vec<(Nanos, i64)> {
    let mut steps: Vec<_> =
        intervals.flat_map(|(opens, closes)| [(opens, 1), (closes, -1)]).collect();
    steps.sort_unstable();
    let mut open = 0;
    for step in &mut steps {
        open += step.1;
        step.1 = open;
    }
    steps
}

fn audit(limit: u32, attempts: &[Attempt]) -> Verdict {
    let holds = || attempts.iter().filter_map(|a| a.held_until.map(|until| (a, until)));
    // Certain: admitted for sure, release not yet called. Of two at one
    // instant the closing sorts first, which errs on the low side.
    let certain = steps(holds().map(|(a, (release_called, _))| (a.answered, release_called)));
    // Possible: from the call to the end of the release, both ends included.
    let possible = steps(holds().map(|(a, (_, released))| (2 * a.called, 2 * released + 1)));
    let most_possible = |from: Nanos, to: Nanos| {
        let first = possible.partition_point(|&(time, _)| time <= 2 * from).saturating_sub(1);
        let within = possible[first..].iter().take_while(|&&(time, _)| time <= 2 * to);
        within.map(|&(_, open)| open).max().unwrap_or(0)
    };
    let refusals = || attempts.iter().filter(|a| a.held_until.is_none());
    Verdict {
        admitted: holds().count(),
        refused: refusals().count(),
        spurious: refusals()
            .filter(|a| most_possible(a.called, a.answered) < i64::from(limit))
            .count(),
        peak: certain.iter().map(|&(_, open)| open).max().unwrap_or(0),
    }
}

/// `threads` threads that hold a slot for a few turns and try again at once.
fn flood(threads: usize, limit: u32, attempts_each: usize) -> (AdmissionCounter, Vec<Attempt>) {
    let counter = AdmissionCounter::new(Limit::at_most(limit));
    let (started, barrier) = (Instant::now(), Barrier::new(threads));
    let now = || started.elapsed().as_nanos() as Nanos;
    let attempts = std::thread::scope(|scope| {
        let worker = |thread: usize| {
            let (counter, barrier, now) = (&counter, &barrier, &now);
            move || {
                let mut attempts = Vec::with_capacity(attempts_each);
                barrier.wait();
                for turn in 0..attempts_each {
                    let called = now();
                    let permit = counter.try_acquire();
                    let answered = now();
                    let held_until = permit.ok().map(|permit| {
                        for _ in 0..(turn + thread) % 32 {
                            std::hint::spin_loop();
                        }
                        let release_called = now();
                        drop(permit);
                        (release_called, now())
                    });
                    attempts.push(Attempt { called, answered, held_until });
                }
                attempts
            }
        };
        let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(worker(thread))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    (counter, attempts)
}

fn flood_is_exact(threads: usize, limit: u32) {
    let (counter, attempts) = flood(threads, limit, 1_000_000 / threads);
    let verdict = audit(limit, &attempts);
    println!("{threads} threads, limit {limit}: {verdict:?}");
    assert_eq!(verdict.admitted + verdict.refused, attempts.len());
    assert!(verdict.admitted > 0);
    assert_eq!(verdict.spurious, 0, "{verdict:?}");
    assert!(verdict.peak <= i64::from(limit), "{verdict:?}");
    assert_eq!(counter.in_use(), 0);
}

#[test]
fn two_threads_see_no_overshoot_and_no_spurious_refusal() {
    flood_is_exact(2, 1);
}

#[test]
fn four_threads_see_no_overshoot_and_no_spurious_refusal() {
    flood_is_exact(4, 2);
    flood_is_exact(4, 3);
}

/// Limits that move while four threads acquire, split, merge, hand over and
/// unwind: never more held than the largest limit, and nothing left.
#[test]
fn nothing_drifts_while_the_limit_moves() {
    const MOST: u32 = 4;
    let counter = std::sync::Arc::new(AdmissionCounter::new(Limit::at_most(MOST)));
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let counter = &counter;
            scope.spawn(move || {
                for turn in 0..100_000_u32 {
                    match (turn + thread) % 5 {
                        0 => {
                            counter.set_limit(Limit::at_most(turn / 7 % (MOST + 1)));
                        }
                        1 => drop(counter.try_acquire()),
                        2 => {
                            if let Ok(mut pair) = counter.try_acquire_many_owned(2) {
                                let single = pair.split(1).unwrap();
                                drop(pair.hand_over());
                                drop((single, pair));
                            }
                        }
                        3 => {
                            let unwound = std::panic::catch_unwind(|| {
                                let _permit = counter.try_acquire();
                                std::panic::resume_unwind(Box::new(()));
                            });
                            assert!(unwound.is_err());
                        }
                        _ => {
                            let one = counter.try_acquire();
                            if let (Ok(mut one), Ok(other)) = (one, counter.try_acquire()) {
                                one.merge(other).unwrap();
                                assert_eq!(one.slots(), 2);
                            }
                        }
                    }
                    assert!(counter.in_use() <= MOST);
                }
            });
        }
    });
    assert_eq!(counter.in_use(), 0);
}

/// The audit itself, on histories made by hand.
mod audit_of_known_histories {
    use super::*;

    fn held(called: Nanos, answered: Nanos, release: Nanos, released: Nanos) -> Attempt {
        Attempt { called, answered, held_until: Some((release, released)) }
    }

    fn refused(called: Nanos, answered: Nanos) -> Attempt {
        Attempt { called, answered, held_until: None }
    }

    #[test]
    fn a_clean_history_accuses_nobody() {
        let history = [held(0, 1, 10, 11), refused(5, 6), refused(11, 12), held(11, 14, 20, 21)];
        let verdict = audit(1, &history);
        assert_eq!(verdict, Verdict { admitted: 2, refused: 2, spurious: 0, peak: 1 });
    }

    #[test]
    fn a_refusal_while_nobody_could_hold_is_spurious() {
        let history = [held(0, 1, 10, 11), refused(12, 13), held(14, 15, 16, 17)];
        assert_eq!(audit(1, &history).spurious, 1);
    }

    #[test]
    fn a_refusal_below_the_limit_is_spurious() {
        let history = [held(0, 1, 10, 11), held(0, 1, 4, 5), refused(6, 7)];
        assert_eq!(audit(2, &history).spurious, 1);
        assert_eq!(audit(1, &history).spurious, 0);
    }

    #[test]
    fn holds_that_overlap_for_certain_are_counted() {
        let history = [held(0, 1, 10, 11), held(2, 3, 10, 11), held(4, 12, 13, 14)];
        assert_eq!(audit(1, &history).peak, 2);
    }
}
