//! Real threads on real epochs, with a ground truth for every subject.
//!
//! Each thread acquires and drops permits of shared subjects, whose holders are
//! counted beside the map and may never be more than the limit, and of subjects
//! of its own, for which every verdict and every count has one right answer. At
//! barriers all threads hold still, and each subject's count must be its
//! holders, the walk must meet exactly those that are held.
#![cfg(not(feature = "loom"))]

#[path = "support/deep.rs"]
mod deep;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::sync::{Arc, Barrier};

use headcount::{Limit, OwnedSubjectPermit, SubjectCounts};

const THREADS: usize = 4;
const ROUNDS: usize = 6;

fn steps() -> usize {
    deep::usual_or_deep(20_000, 200_000)
}

/// Few hashes for many subjects: what is left of FNV after a mask.
struct Masked<const MASK: u64>(u64);

impl<const MASK: u64> Default for Masked<MASK> {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl<const MASK: u64> Hasher for Masked<MASK> {
    fn finish(&self) -> u64 {
        self.0 & MASK
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// xorshift64*: reproducible, and good enough to pick subjects.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

struct Stress<K: 'static, S> {
    counts: Arc<SubjectCounts<K, S>>,
    shared: Vec<K>,
    /// The holders of each shared subject.
    ghosts: Vec<AtomicU32>,
    limit: u32,
    barrier: Barrier,
}

struct Holder<K: 'static, S> {
    shared: Vec<(usize, OwnedSubjectPermit<K, S>)>,
    own: Vec<(K, Vec<OwnedSubjectPermit<K, S>>)>,
}

impl<K, S> Stress<K, S>
where
    K: Hash + Eq + Clone + std::fmt::Debug + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    fn run(counts: SubjectCounts<K, S>, subjects: usize, limit: u32, name: fn(usize) -> K) {
        let stress = Self {
            counts: Arc::new(counts),
            shared: (0..subjects).map(name).collect(),
            ghosts: (0..subjects).map(|_| AtomicU32::new(0)).collect(),
            limit,
            barrier: Barrier::new(THREADS),
        };
        let own = |thread: usize| (0..16).map(move |n| name(subjects + thread * 16 + n));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (stress, own) = (&stress, own(thread));
                scope.spawn(move || {
                    let own = own.map(|subject| (subject, Vec::new())).collect();
                    stress.thread(thread, Holder { shared: Vec::new(), own });
                });
            }
        });
        assert_eq!(stress.counts.subjects(), 0, "a zero entry was left");
        assert!(stress.shared.iter().all(|subject| stress.counts.count(subject) == 0));
    }

    fn thread(&self, thread: usize, mut holder: Holder<K, S>) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1));
        for _ in 0..ROUNDS {
            for _ in 0..steps() {
                match random.below(8) {
                    0..3 => self.enter(&mut holder, random.below(self.shared.len())),
                    3..5 => self.leave(&mut holder, &mut random),
                    _ => self.own(&mut holder, &mut random),
                }
            }
            self.hold_still(thread, &holder);
        }
        holder.own.clear();
        while !holder.shared.is_empty() {
            self.leave(&mut holder, &mut random);
        }
    }

    fn enter(&self, holder: &mut Holder<K, S>, index: usize) {
        let subject = &self.shared[index];
        if let Ok(permit) = self.counts.try_acquire_owned(subject, Limit::at_most(self.limit)) {
            let inside = self.ghosts[index].fetch_add(1, AcqRel) + 1;
            assert!(inside <= self.limit, "{inside} hold {subject:?}, limit {}", self.limit);
            assert!(self.counts.count(subject) >= 1, "a holder counts itself");
            holder.shared.push((index, permit));
        }
    }

    fn leave(&self, holder: &mut Holder<K, S>, random: &mut Random) {
        if holder.shared.is_empty() {
            return;
        }
        let (index, permit) = holder.shared.swap_remove(random.below(holder.shared.len()));
        self.ghosts[index].fetch_sub(1, AcqRel);
        drop(permit);
    }

    /// Nobody else touches these, so every answer is known.
    fn own(&self, holder: &mut Holder<K, S>, random: &mut Random) {
        let pick = random.below(holder.own.len());
        let (subject, held) = &mut holder.own[pick];
        let limit = random.below(4) as u32;
        if random.below(2) == 0 {
            held.pop();
        } else {
            let verdict = self.counts.try_acquire_owned(subject, Limit::at_most(limit));
            assert_eq!(verdict.is_ok(), (held.len() as u32) < limit, "the wrong verdict");
            held.extend(verdict);
        }
        assert_eq!(self.counts.count(subject), held.len() as u32, "the wrong count");
    }

    fn hold_still(&self, thread: usize, holder: &Holder<K, S>) {
        self.barrier.wait();
        for (subject, held) in &holder.own {
            assert_eq!(self.counts.count(subject), held.len() as u32);
        }
        if thread == 0 {
            let mut met: HashMap<K, u32> = HashMap::new();
            self.counts.for_each(|subject, count| {
                assert_eq!(met.insert(subject, count), None, "met twice");
            });
            for (subject, ghost) in self.shared.iter().zip(&self.ghosts) {
                let holders = ghost.load(Acquire);
                assert_eq!(self.counts.count(subject), holders);
                assert_eq!(met.remove(subject).unwrap_or(0), holders);
            }
            let own = holder.own.iter().filter(|(_, held)| !held.is_empty());
            for (subject, held) in own {
                assert_eq!(met.remove(subject), Some(held.len() as u32));
            }
        }
        self.barrier.wait();
    }
}

fn text(n: usize) -> String {
    format!("subject number {n:06}")
}

#[test]
fn one_subject_under_a_limit_of_one() {
    Stress::run(SubjectCounts::<_>::new(), 1, 1, text);
}

#[test]
fn few_subjects_under_a_limit_of_three() {
    Stress::run(SubjectCounts::<_>::new(), 8, 3, text);
}

#[test]
fn many_subjects_grow_the_map() {
    Stress::run(SubjectCounts::<_, RandomState>::new(), 100_000, 2, text);
}

#[test]
fn subjects_stored_as_values() {
    Stress::run(SubjectCounts::<_>::new(), 100, 2, |n| (n as u64, text(n)));
}

#[test]
fn subjects_with_one_hash() {
    let counts = SubjectCounts::<_, BuildHasherDefault<Masked<0>>>::default();
    Stress::run(counts, 20, 2, text);
}

#[test]
fn subjects_with_eight_hashes() {
    let counts = SubjectCounts::<_, BuildHasherDefault<Masked<7>>>::default();
    Stress::run(counts, 40, 2, text);
}

#[test]
fn subjects_whose_hashes_differ_at_the_top_only() {
    let counts = SubjectCounts::<_, BuildHasherDefault<Masked<{ 0xff << 56 }>>>::default();
    Stress::run(counts, 200, 2, |n| n as u64);
}

/// Permits come and go with short-lived threads, and the map with them.
#[test]
fn permits_are_dropped_on_other_threads_and_with_the_map() {
    for round in 0..200_usize {
        let counts = Arc::new(SubjectCounts::<String>::new());
        let permits: Vec<_> = (0..100)
            .filter_map(|n| counts.try_acquire_owned(text(n % 37).as_str(), Limit::at_most(2)).ok())
            .collect();
        assert_eq!(permits.len(), 74);
        drop(counts);
        let mut parts: Vec<Vec<_>> = (0..THREADS).map(|_| Vec::new()).collect();
        for (n, permit) in permits.into_iter().enumerate() {
            parts[(n + round) % THREADS].push(permit);
        }
        std::thread::scope(|scope| {
            parts.into_iter().for_each(|part| _ = scope.spawn(move || drop(part)));
        });
    }
}
