#![cfg(not(feature = "loom"))]
//! Subjects that were chosen to collide, by somebody who knows the hasher.
//! Counts comparisons, not time.

use std::cell::Cell;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use headcount::{Limit, SubjectCounts, SubjectPermit};

const ONE: Limit = Limit::at_most(1);

thread_local! {
    static COMPARED: Cell<u64> = const { Cell::new(0) };
}

/// Comparisons of subjects that this thread makes in `calls`.
fn compared(calls: impl FnOnce()) -> u64 {
    let before = COMPARED.get();
    calls();
    COMPARED.get() - before
}

#[derive(Clone, Eq, Debug)]
struct Subject(u64, u64);

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0, self.1).hash(state);
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        COMPARED.set(COMPARED.get() + 1);
        (self.0, self.1) == (other.0, other.1)
    }
}

/// The hash of many compilers and browsers: fast, and the same everywhere.
#[derive(Default)]
struct Fixed(u64);

const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

impl Hasher for Fixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("subjects are numbers");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    }
}

type FixedState = BuildHasherDefault<Fixed>;

/// As many subjects as one likes, all with the hash `42 * FACTOR`: the second
/// word undoes what the hasher made of the first.
fn chosen(number: u64) -> Subject {
    Subject(number, number.wrapping_mul(FACTOR).rotate_left(5) ^ 42)
}

fn hold<S: BuildHasher>(
    counts: &SubjectCounts<Subject, S>,
    subjects: std::ops::Range<u64>,
) -> Vec<SubjectPermit<'_, Subject, S>> {
    subjects.map(|number| counts.try_acquire(&chosen(number), ONE).unwrap()).collect()
}

/// The average over some of the chosen subjects that are held.
fn compared_by_a_lookup<S: BuildHasher>(counts: &SubjectCounts<Subject, S>, held: u64) -> f64 {
    const LOOKUPS: u64 = 1000;
    let total = compared(|| {
        for lookup in 0..LOOKUPS {
            assert_eq!(counts.count(&chosen(lookup * held / LOOKUPS)), 1);
        }
    });
    total as f64 / LOOKUPS as f64
}

fn buckets<S>(counts: &SubjectCounts<Subject, S>) -> u64 {
    let shown = format!("{counts:?}");
    let number = shown.split("buckets: ").nth(1).and_then(|rest| rest.split(',').next());
    number.expect("`Debug` shows the buckets").parse().unwrap()
}

#[test]
fn the_chosen_subjects_do_collide() {
    let of = |number| FixedState::default().hash_one(chosen(number));
    assert!((0..1000).all(|number| of(number) == 42_u64.wrapping_mul(FACTOR)));
}

/// Each lookup compares with the subject it finds, as if nobody had chosen.
#[test]
fn a_million_chosen_subjects_do_not_degrade_the_default() {
    const SUBJECTS: u64 = 1_000_000;
    let counts: SubjectCounts<Subject> = SubjectCounts::new();
    const STEP: u64 = 50_000;
    let mut held = Vec::new();
    for first in (0..SUBJECTS).step_by(STEP as usize) {
        let some = first..first + STEP;
        let by_inserts = compared(|| held.extend(hold(&counts, some.clone())));
        assert!(by_inserts < 10, "inserts compared {by_inserts} times");
        let by_a_lookup = compared_by_a_lookup(&counts, some.end);
        assert!(by_a_lookup < 1.01, "a lookup compares {by_a_lookup} times");
        assert!(buckets(&counts) >= some.end / 4, "chains are long: {counts:?}");
    }
}

/// With a fixed hasher each lookup compares with half of them, so the work of
/// holding them grows with the square: a million would take hours, and the
/// proof takes 16,000. Nobody else pays, in this map or in another.
#[test]
fn chosen_subjects_degrade_a_fixed_hasher_and_nobody_else() {
    let fixed: SubjectCounts<Subject, FixedState> = SubjectCounts::default();
    let other: SubjectCounts<Subject> = SubjectCounts::new();
    let _other = hold(&other, 0..1000);
    let _bystander = fixed.try_acquire(&Subject(0, 0), ONE).unwrap();

    let mut held = hold(&fixed, 0..4000);
    let few = compared_by_a_lookup(&fixed, 4000);
    held.extend(hold(&fixed, 4000..16_000));
    let many = compared_by_a_lookup(&fixed, 16_000);
    println!("a lookup among 4,000 compares {few} times, among 16,000 {many}, {fixed:?}");
    assert!((1900.0..2100.0).contains(&few), "{few}");
    assert!((7900.0..8100.0).contains(&many), "{many}");

    assert_eq!(compared(|| assert_eq!(fixed.count(&Subject(0, 0)), 1)), 1);
    let of_other = compared_by_a_lookup(&other, 1000);
    assert!(of_other < 1.01, "another map's lookup compares {of_other} times");
    drop(held);
    assert_eq!(fixed.subjects(), 1);
}

/// What colliding subjects make the buckets grow to is bounded by the cap.
#[test]
fn chosen_subjects_do_not_grow_the_buckets_beyond_the_cap() {
    const CAP: usize = 2048;
    let fixed = SubjectCounts::<Subject, FixedState>::default().with_max_buckets(CAP);
    let _held = hold(&fixed, 0..6000);
    assert!(buckets(&fixed) <= CAP as u64, "{fixed:?}");
}
