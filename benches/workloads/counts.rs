//! The subject counts and what people use instead of them.
//!
//! - `churn`: every acquire is a subject's first and every release its last,
//!   over a million subjects. An operation is a pair.
//! - `hot`: one subject that holds some and is far from its limit. A pair.
//! - `zipf`: 100,000 subjects, the n-th of them 1/n as often as the first. A
//!   pair.
//! - `storm`: one subject that is at its limit. An operation is a refusal.
//! - `innocent`: one thread does `churn`, the other one `storm` in the same
//!   map. Only the first is counted.
//! - `alone`: the same, but the storm is in another map.
//!
//! All hash with `RandomState`; subjects are 23 bytes long and looked up as
//! `&str`.

mod peers;

use std::hint::black_box;
use std::sync::LazyLock;

use headcount::SubjectCounts;

use super::scatter;
use crate::common::{Case, Goal, Measure, OURS, Over, Part, Worker, Workload};
use peers::{Counts, Dash, MutexMap, Papaya, SccIndex, SccMap, Sharded};

pub(super) const SUBJECTS: usize = 1_000_000;

const SUBJECT_LEN: usize = 23;

/// All subjects in one text, so that reading the next one costs little.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::with_capacity(SUBJECTS * SUBJECT_LEN);
    for number in 0..SUBJECTS {
        text += &format!("tenant-{:016x}", scatter(number as u64));
    }
    text
});

pub(super) fn subject(number: usize) -> &'static str {
    &TEXT[number * SUBJECT_LEN..][..SUBJECT_LEN]
}

/// Where a thread starts in a table of this size: the threads lie far apart.
pub(super) fn start(thread: usize, table: usize) -> usize {
    thread * (table / 8 + 1)
}

/// The subjects' numbers in the order in which `zipf` draws them.
static DRAWS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut sum = 0.0;
    let sums = (1..=100_000).map(|rank| {
        sum += 1.0 / f64::from(rank);
        sum
    });
    let sums: Vec<f64> = sums.collect();
    let draw = |number| {
        let at = scatter(number) as f64 / u64::MAX as f64 * sums[sums.len() - 1];
        sums.partition_point(|&sum| sum < at).min(sums.len() - 1) as u32
    };
    (1..=1 << 18).map(draw).collect()
});

/// A limit that no workload reaches.
const FAR: u32 = 1_000_000;

/// The limit that `storm` is at.
const LIMIT: u32 = 4;

/// Leaves the subject with so many, for as long as the map is there.
fn hold(counts: &impl Counts, permits: u32) {
    for _ in 0..permits {
        std::mem::forget(counts.try_acquire(subject(0), FAR).expect("below the limit"));
    }
}

fn churn<C: Counts>(counts: &C, thread: usize) -> Worker<'_> {
    let mut next = start(thread, SUBJECTS);
    Box::new(move |operations| {
        for _ in 0..operations {
            // Subject 0 is the one of the storm.
            next = if next + 1 == SUBJECTS { 1 } else { next + 1 };
            drop(black_box(counts.try_acquire(subject(next), LIMIT)));
        }
    })
}

fn storm<C: Counts>(counts: &C) -> Worker<'_> {
    Box::new(|operations| {
        for _ in 0..operations {
            assert!(black_box(counts.try_acquire(subject(0), LIMIT)).is_none());
        }
    })
}

struct Churn<C>(C);

impl<C: Counts> Workload for Churn<C> {
    fn worker(&self, thread: usize) -> Worker<'_> {
        churn(&self.0, thread)
    }
}

struct Hot<C>(C);

impl<C: Counts> Hot<C> {
    fn new() -> Self {
        let counts = C::new();
        hold(&counts, 1);
        Self(counts)
    }
}

impl<C: Counts> Workload for Hot<C> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        Box::new(|operations| {
            for _ in 0..operations {
                drop(black_box(self.0.try_acquire(subject(0), FAR)));
            }
        })
    }
}

struct Zipf<C>(C);

impl<C: Counts> Workload for Zipf<C> {
    fn worker(&self, thread: usize) -> Worker<'_> {
        let draws = &DRAWS[..];
        let mut next = start(thread, draws.len());
        Box::new(move |operations| {
            for _ in 0..operations {
                next = if next + 1 == draws.len() { 0 } else { next + 1 };
                drop(black_box(self.0.try_acquire(subject(draws[next] as usize), FAR)));
            }
        })
    }
}

struct Storm<C>(C);

impl<C: Counts> Storm<C> {
    fn new() -> Self {
        let counts = C::new();
        hold(&counts, LIMIT);
        Self(counts)
    }
}

impl<C: Counts> Workload for Storm<C> {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        storm(&self.0)
    }
}

/// Thread 0 churns, the others storm: the same map, or each a map of its own.
struct Bystander<C> {
    counts: C,
    stormed: Option<C>,
}

impl<C: Counts> Bystander<C> {
    fn in_the_same_map() -> Self {
        let counts = C::new();
        hold(&counts, LIMIT);
        Self { counts, stormed: None }
    }

    fn in_another_map() -> Self {
        Self { stormed: Some(Storm::new().0), ..Self::in_the_same_map() }
    }
}

impl<C: Counts> Workload for Bystander<C> {
    fn worker(&self, thread: usize) -> Worker<'_> {
        match thread {
            0 => churn(&self.counts, thread),
            _ => storm(self.stormed.as_ref().unwrap_or(&self.counts)),
        }
    }

    fn is_counted(&self, thread: usize) -> bool {
        thread == 0
    }
}

/// A peer that counts wrongly is not compared: two threads take and give, and
/// take more than they may, and at the end nothing is left.
fn is_exact<C: Counts>() -> bool {
    const ROUNDS: usize = 4096;
    let counts = C::new();
    let both = |first: usize| {
        for round in 0..ROUNDS {
            let shared = counts.try_acquire(subject(1), 2);
            let own =
                (counts.try_acquire(subject(first), 1), counts.try_acquire(subject(first), 1));
            let passing = counts.try_acquire(subject(100 + round), 2);
            if shared.is_none() || own.0.is_none() || own.1.is_some() || passing.is_none() {
                return false;
            }
        }
        true
    };
    let exact = std::thread::scope(|scope| {
        let other = scope.spawn(|| both(2));
        both(3) & other.join().unwrap()
    });
    let held: Vec<_> = (0..=LIMIT).map(|_| counts.try_acquire(subject(0), LIMIT)).collect();
    let at_limit = held.iter().flatten().count() == LIMIT as usize && counts.entries() == 1;
    drop(held);
    exact && at_limit && counts.entries() == 0
}

fn cases<C: Counts>(peer: &'static str, cases: &mut Vec<Case>) {
    assert!(is_exact::<C>(), "{peer} does not count exactly");
    let mut case = |workload, threads, set_up: fn() -> Box<dyn Workload>| {
        let set_up = move || {
            LazyLock::force(&TEXT);
            LazyLock::force(&DRAWS);
            set_up()
        };
        let measure = Measure::Window(Box::new(set_up));
        cases.push(Case { workload, peer, threads, measure, takes_long: false });
    };
    for threads in [1, 2, 4] {
        case("churn", threads, || Box::new(Churn(C::new())));
        case("hot", threads, || Box::new(Hot::<C>::new()));
        case("storm", threads, || Box::new(Storm::<C>::new()));
        case("zipf", threads, || Box::new(Zipf(C::new())));
    }
    case("innocent", 2, || Box::new(Bystander::<C>::in_the_same_map()));
    case("alone", 2, || Box::new(Bystander::<C>::in_another_map()));
}

/// Every case and goal of the subject counts.
pub fn part() -> Part {
    let mut all = Vec::new();
    cases::<SubjectCounts<String>>(OURS, &mut all);
    cases::<MutexMap>("Mutex<HashMap>", &mut all);
    cases::<Sharded>("64 sharded mutexes", &mut all);
    cases::<Dash>("dashmap", &mut all);
    cases::<Papaya>("papaya", &mut all);
    cases::<SccMap>("scc HashMap", &mut all);
    cases::<SccIndex>("scc HashIndex<Arc>", &mut all);

    let goal = |workload, threads, over, at_least| Goal { workload, threads, over, at_least };
    let mut goals = vec![goal("innocent", 2, Over::OurselvesUnder("alone"), 0.93)];
    for (workload, at_least) in [
        ("churn", [1.5, 2.0, 1.1]),
        ("hot", [2.3, 1.7, 1.3]),
        ("storm", [1.0, 12.0, 10.0]),
        ("zipf", [1.5, 2.5, 1.5]),
    ] {
        for (threads, at_least) in [1, 2, 4].into_iter().zip(at_least) {
            goals.push(goal(workload, threads, Over::Peer("Mutex<HashMap>"), at_least));
        }
        let others =
            ["64 sharded mutexes", "dashmap", "papaya", "scc HashMap", "scc HashIndex<Arc>"];
        for (peer, threads) in others.into_iter().flat_map(|peer| [(peer, 1), (peer, 2)]) {
            if workload != "storm" {
                goals.push(goal(workload, threads, Over::Peer(peer), 1.0));
            }
        }
    }
    Part { name: "counts", cases: all, goals }
}
