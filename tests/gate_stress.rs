#![cfg(not(feature = "loom"))]
//! Four threads do everything at once, one more drives; then every count is
//! recomputed from what is left.

#[path = "support/deep.rs"]
mod deep;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use headcount::{Cause, Clock, CloseReason, Gate, Limit, ManualClock, Session};

const LIMIT: u32 = 24;
const SUBJECTS: u64 = 8;
const PER_SUBJECT: u32 = 6;

type Sessions = Mutex<HashMap<u64, (u8, Session<u8, u64, Arc<ManualClock>>)>>;

/// A small generator, so that a run can be told from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn nothing_drifts_whatever_happens_at_once() {
    let clock = Arc::new(ManualClock::new());
    let gate: Gate<u8, u64, _> = Gate::builder()
        .limit(Limit::at_most(LIMIT))
        .subject_limit(Limit::at_most(PER_SUBJECT))
        .init_timeout(Duration::from_millis(5))
        .idle_timeout(Duration::from_millis(10))
        .max_lifetime(Duration::from_millis(100))
        .clock(Arc::clone(&clock))
        .build()
        .unwrap();
    let sessions = Sessions::default();
    let inside: [AtomicI64; SUBJECTS as usize] = Default::default();
    let (all_inside, is_done) = (AtomicI64::new(0), AtomicBool::new(false));
    let told = Mutex::new(HashMap::<u64, u32>::new());
    let steps = deep::usual_or_deep(40_000, 2_000_000);

    let work = |seed: u64| {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (seed << 32 | 1));
        for step in 0..steps {
            let tag = seed * steps + step;
            let subject = dice.roll(SUBJECTS) as u8;
            let any = |dice: &mut Dice| {
                let map = sessions.lock().unwrap();
                let index = dice.roll(map.len().max(1) as u64) as usize;
                map.iter().nth(index).map(|(&tag, (_, session))| (tag, session.handle()))
            };
            match dice.roll(12) {
                0..4 => {
                    let admitted = match dice.roll(2) {
                        0 => gate.admit(Some(&subject), tag),
                        _ => gate.reserve(Some(&subject), tag).and_then(|r| r.commit()),
                    };
                    match admitted {
                        Ok(session) => {
                            let of_subject = &inside[usize::from(subject)];
                            assert!(of_subject.fetch_add(1, SeqCst) < i64::from(PER_SUBJECT));
                            assert!(all_inside.fetch_add(1, SeqCst) < i64::from(LIMIT));
                            sessions.lock().unwrap().insert(tag, (subject, session));
                        }
                        Err(refused) => {
                            let full = [Cause::AtCapacity, Cause::SubjectAtLimit];
                            assert!(full.contains(&refused.cause()));
                        }
                    }
                }
                4 => drop(gate.reserve(Some(&subject), tag)),
                5 => {
                    let panicked = catch_unwind(AssertUnwindSafe(|| {
                        let _reservation = gate.reserve(Some(&subject), tag);
                        resume_unwind(Box::new(()));
                    }));
                    assert!(panicked.is_err());
                }
                6..8 => {
                    if let Some((_, handle)) = any(&mut dice) {
                        _ = handle.establish();
                        if let Ok(work) = handle.enter() {
                            let reason = work.session().reason();
                            assert_ne!(reason, Some(CloseReason::Idle), "it is busy");
                        }
                    }
                }
                8 => {
                    if let Some((_, handle)) = any(&mut dice) {
                        _ = handle.touch();
                    }
                }
                9 => {
                    if let Some((_, handle)) = any(&mut dice) {
                        _ = handle.close(CloseReason::Closed);
                    }
                }
                _ => {
                    let gone =
                        any(&mut dice).and_then(|(tag, _)| sessions.lock().unwrap().remove(&tag));
                    if let Some((subject, session)) = gone {
                        inside[usize::from(subject)].fetch_sub(1, SeqCst);
                        all_inside.fetch_sub(1, SeqCst);
                        drop(session);
                    }
                }
            }
        }
    };

    thread::scope(|scope| {
        let driver = scope.spawn(|| {
            while !is_done.load(Relaxed) {
                clock.advance(1);
                gate.advance(clock.now(), |ended| {
                    *told.lock().unwrap().entry(ended.tag).or_default() += 1;
                });
            }
        });
        let workers = [1, 2, 3, 4].map(|seed| {
            let work = &work;
            scope.spawn(move || work(seed))
        });
        let outcomes = workers.map(|worker| worker.join());
        is_done.store(true, Relaxed);
        driver.join().unwrap();
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });

    assert!(told.into_inner().unwrap().values().all(|&times| times == 1), "told twice");
    let left = sessions.into_inner().unwrap();
    assert_eq!(gate.in_use() as usize, left.len());
    for subject in 0..SUBJECTS as u8 {
        let held = left.values().filter(|(of, _)| *of == subject).count();
        assert_eq!(gate.in_use_by(&subject) as usize, held);
    }
    drop(left);
    let stats = gate.stats();
    let ends: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
    assert_eq!((stats.in_use, stats.draining, gate.subjects()), (0, 0, 0));
    assert_eq!(ends, stats.admitted);
    assert!(stats.ended(CloseReason::Closed) > 0 && stats.ended(CloseReason::Released) > 0);
}
