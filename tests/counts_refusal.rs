#![cfg(not(feature = "loom"))]
//! What the cheap paths of the subject counts do not do: a refusal at zero and
//! one of a subject too long do not hash, and no release does. What they print.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::cell::Cell;
use std::hash::{BuildHasher, DefaultHasher};
use std::sync::Arc;

use counting_alloc::{CountingAlloc, allocator_calls};
use headcount::{Limit, Overrides, SubjectCounts, SubjectError};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

const ONE: Limit = Limit::at_most(1);

thread_local! {
    static HASHED: Cell<u32> = const { Cell::new(0) };
}

/// Counts the subjects that this thread hashes.
#[derive(Clone, Default)]
struct Counting;

impl BuildHasher for Counting {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        HASHED.set(HASHED.get() + 1);
        DefaultHasher::new()
    }
}

fn hashed<T>(call: impl FnOnce() -> T) -> (u32, T) {
    let before = HASHED.get();
    let answer = call();
    (HASHED.get() - before, answer)
}

#[test]
fn a_limit_of_zero_refuses_before_any_lookup() {
    let counts = SubjectCounts::<String, Counting>::default().with_max_subject_len(8);
    let counts = Arc::new(counts);
    let _held = counts.try_acquire("alice", ONE).unwrap();
    for subject in ["alice", "nobody", "far too long"] {
        let (times, answer) = hashed(|| counts.try_acquire(subject, Limit::at_most(0)).err());
        assert!(matches!(answer, Some(SubjectError::AtLimit(e)) if e.limit() == Limit::at_most(0)));
        assert_eq!(times, 0, "{subject} was hashed");
    }
    let (times, answer) = hashed(|| counts.try_acquire_owned("alice", Limit::at_most(0)).is_err());
    assert_eq!((times, answer), (0, true));
}

#[test]
fn a_subject_too_long_is_refused_before_it_is_hashed_or_stored() {
    let counts = SubjectCounts::<Vec<u8>, Counting>::default().with_max_subject_len(1000);
    let (fits, long) = (vec![7; 1000], vec![7; 1_000_000]);
    let calls = allocator_calls(|| {
        let (times, answer) = hashed(|| counts.try_acquire(&*long, Limit::UNLIMITED).err());
        let Some(SubjectError::TooLong(error)) = answer else { panic!("{answer:?}") };
        assert_eq!((error.bytes(), error.most(), times), (1_000_000, 1000, 0));
        assert_eq!(hashed(|| counts.count(&*long)), (0, 0));
    });
    assert_eq!((calls, counts.subjects()), (0, 0));
    assert!(counts.try_acquire(&*fits, ONE).is_ok());
}

#[test]
fn an_acquire_hashes_once_and_no_release_hashes() {
    let counts = SubjectCounts::<String, Counting>::default();
    let (times, first) = hashed(|| counts.try_acquire("alice", Limit::at_most(2)).unwrap());
    assert_eq!(times, 1);
    let (times, second) = hashed(|| counts.try_acquire("alice", Limit::at_most(2)).unwrap());
    assert_eq!(times, 1);
    let (times, third) = hashed(|| counts.try_acquire("alice", Limit::at_most(2)).is_err());
    assert_eq!((times, third), (1, true));
    assert_eq!(hashed(|| drop(first)).0, 0, "a release that is not the last");
    assert_eq!(hashed(|| drop(second)).0, 0, "the last release");
    assert_eq!(counts.subjects(), 0);
}

#[test]
fn permits_and_maps_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<headcount::SubjectPermit<'_, String>>();
    crosses::<headcount::OwnedSubjectPermit<Vec<u8>>>();
    crosses::<SubjectCounts<(u64, String)>>();
    static TENANTS: std::sync::LazyLock<SubjectCounts<u64>> =
        std::sync::LazyLock::new(SubjectCounts::new);
    let permit = TENANTS.try_acquire(&7, ONE).unwrap();
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!(TENANTS.count(&7), 0);
}

#[test]
fn debug_shows_sizes_and_no_subject() {
    let counts: Arc<SubjectCounts<String>> = Arc::default();
    let permit = counts.try_acquire("secret", ONE).unwrap();
    let owned = counts.try_acquire_owned("other", ONE).unwrap();
    assert_eq!(format!("{counts:?}"), "SubjectCounts { subjects: 2, buckets: 1024, .. }");
    assert_eq!(format!("{permit:?} {owned:?}"), "SubjectPermit { .. } OwnedSubjectPermit { .. }");
    let limits: Overrides<String> = Overrides::new(Limit::at_most(5));
    limits.set("secret".to_owned(), Limit::UNLIMITED);
    assert_eq!(format!("{limits:?}"), "Overrides { default: 5, exceptions: 1, .. }");
}
