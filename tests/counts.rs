//! What one thread can see of the subject counts and their overrides.
#![cfg(not(feature = "loom"))]

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use headcount::{Limit, Overrides, SubjectCounts, SubjectError, ToSubject};

/// Everybody collides.
#[derive(Default)]
struct Constant;

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        42
    }

    fn write(&mut self, _: &[u8]) {}
}

type Colliding = BuildHasherDefault<Constant>;

const ONE: Limit = Limit::at_most(1);

#[test]
fn a_subject_holds_its_limit_and_no_more_and_is_forgotten_at_zero() {
    let counts: SubjectCounts<String> = SubjectCounts::new();
    let limit = Limit::at_most(3);
    let mut held: Vec<_> = (0..3).map(|_| counts.try_acquire("alice", limit).unwrap()).collect();
    let refused = counts.try_acquire("alice", limit).unwrap_err();
    assert!(matches!(refused, SubjectError::AtLimit(e) if e.limit() == limit));
    assert_eq!(refused.to_string(), "subject at its limit");
    assert_eq!((counts.count("alice"), counts.count("bob"), counts.subjects()), (3, 0, 1));
    held.pop();
    held.push(counts.try_acquire("alice", limit).unwrap());
    held.clear();
    assert_eq!((counts.count("alice"), counts.subjects()), (0, 0));
}

#[test]
fn a_limit_of_zero_refuses_and_leaves_nothing_behind() {
    let counts: SubjectCounts<String> = SubjectCounts::new();
    assert!(counts.try_acquire("alice", Limit::at_most(0)).is_err());
    assert_eq!(counts.subjects(), 0);
}

#[test]
fn a_lowered_limit_revokes_nothing_and_refuses_until_enough_left() {
    let counts: SubjectCounts<u64> = SubjectCounts::new();
    let mut held: Vec<_> =
        (0..5).map(|_| counts.try_acquire(&7, Limit::UNLIMITED).unwrap()).collect();
    let lower = Limit::at_most(3);
    for left in [5, 4, 3] {
        assert_eq!(counts.count(&7), left);
        assert!(counts.try_acquire(&7, lower).is_err());
        held.pop();
    }
    assert!(counts.try_acquire(&7, lower).is_ok());
}

#[test]
fn subjects_of_every_kind_are_found_by_what_they_borrow_as() {
    let bytes: SubjectCounts<Vec<u8>> = SubjectCounts::new();
    let _bytes = bytes.try_acquire(&b"\xff\x00"[..], ONE).unwrap();
    assert_eq!((bytes.count(&b"\xff\x00"[..]), bytes.count(&b"\xff"[..])), (1, 0));
    assert_eq!(bytes.count(&vec![0xff, 0]), 1);
    assert_eq!(bytes.snapshot(), [(vec![0xff, 0], 1)]);

    let pairs: SubjectCounts<(String, u8)> = SubjectCounts::new();
    let subject = ("a".to_owned(), 1);
    let _pair = pairs.try_acquire(&subject, ONE).unwrap();
    assert!(pairs.try_acquire(&subject, ONE).is_err());
    assert_eq!(pairs.snapshot(), [(subject, 1)]);

    let shared: SubjectCounts<Arc<str>> = SubjectCounts::new();
    let _shared = shared.try_acquire(&Arc::from("zoë"), ONE).unwrap();
    assert_eq!(shared.count(&Arc::from("zoë")), 1);

    let nothing: SubjectCounts<()> = SubjectCounts::new();
    let _nothing = nothing.try_acquire(&(), ONE).unwrap();
    assert!(nothing.try_acquire(&(), ONE).is_err());

    let empty: SubjectCounts<String> = SubjectCounts::new();
    let _empty = empty.try_acquire("", ONE).unwrap();
    assert_eq!(empty.count(&String::new()), 1);
}

/// What a subject borrows as.
#[derive(PartialEq, Eq, Hash)]
struct Own(String);

impl std::borrow::Borrow<Own> for Wrapped {
    fn borrow(&self) -> &Own {
        &self.0
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Wrapped(Own);

impl ToSubject<Wrapped> for Own {
    fn to_subject(&self) -> Wrapped {
        Wrapped(Self(self.0.clone()))
    }
}

#[test]
fn a_borrowed_form_of_the_users_own_finds_its_subject() {
    let counts: SubjectCounts<Wrapped> = SubjectCounts::new();
    let _permit = counts.try_acquire(&Own("hey".to_owned()), ONE).unwrap();
    assert_eq!(counts.count(&Own("hey".to_owned())), 1);
}

#[test]
fn a_subject_over_the_longest_is_an_error_that_says_so() {
    let counts = SubjectCounts::<String>::new().with_max_subject_len(4);
    let _fits = counts.try_acquire("four", ONE).unwrap();
    let error = counts.try_acquire("fiver", ONE).unwrap_err();
    assert_eq!(error.to_string(), "a subject of 5 bytes is over the longest, 4");
    assert_eq!((counts.count("fiver"), counts.subjects()), (0, 1));

    let default: SubjectCounts<Vec<u8>> = SubjectCounts::new();
    assert!(default.try_acquire(&[0; 1024][..], ONE).is_ok());
    assert!(default.try_acquire(&[0; 1025][..], ONE).is_err());
}

#[test]
fn many_subjects_grow_the_buckets_up_to_the_cap_and_none_is_refused() {
    for (cap, expected) in [(1 << 20, 16_384..), (2048, 2048..)] {
        let counts = SubjectCounts::<u64>::new().with_max_buckets(cap);
        let held: Vec<_> = (0..50_000).map(|n| counts.try_acquire(&n, ONE).unwrap()).collect();
        let text = format!("{counts:?}");
        let buckets: usize =
            text.split("buckets: ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        assert!(expected.contains(&buckets) && buckets <= cap, "{text}");
        assert_eq!(counts.subjects(), 50_000);
        let seen: HashMap<_, _> = counts.snapshot().into_iter().collect();
        assert!((0..50_000).all(|n| seen[&n] == 1));
        drop(held);
        assert_eq!(counts.subjects(), 0);
    }
}

#[test]
fn colliding_subjects_share_nothing_but_their_chain() {
    let counts = SubjectCounts::<u64, Colliding>::default();
    let held: Vec<_> = (0..500).map(|n| counts.try_acquire(&n, ONE).unwrap()).collect();
    assert!((0..500).all(|n| counts.try_acquire(&n, ONE).is_err()));
    let mut held = held.into_iter().enumerate().collect::<Vec<_>>();
    held.retain(|(n, _)| n % 3 > 0);
    assert!((0..500).all(|n| counts.count(&n) == u32::from(n % 3 > 0)));
    assert_eq!(counts.snapshot().len(), held.len());
}

#[test]
fn a_forgotten_permit_stays_counted_and_its_entry_goes_with_the_map() {
    let subject = Arc::new(());
    let counts = Arc::new(SubjectCounts::<Arc<()>>::new());
    counts.try_acquire(&subject, ONE).unwrap().forget();
    assert_eq!(counts.count(&subject), 1);
    counts.try_acquire_owned(&subject, Limit::at_most(2)).unwrap().forget();
    assert_eq!((counts.count(&subject), Arc::strong_count(&counts)), (2, 1));
    drop(counts);
    assert_eq!(Arc::strong_count(&subject), 1);
}

#[test]
fn an_owned_permit_keeps_its_map_and_goes_to_another_thread() {
    let counts = Arc::new(SubjectCounts::<String>::new());
    let permit = counts.try_acquire_owned("alice", ONE).unwrap();
    let weak = Arc::downgrade(&counts);
    drop(counts);
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_walk_may_use_the_map_it_walks() {
    let counts: SubjectCounts<u64> = SubjectCounts::new();
    let _held: Vec<_> = (0..10).map(|n| counts.try_acquire(&n, ONE).unwrap()).collect();
    counts.for_each(|n, count| assert_eq!(counts.count(&n), count));
}

#[test]
fn limits_are_the_default_or_the_subjects_own_at_any_time() {
    let limits: Overrides<String> = Overrides::new(ONE);
    assert_eq!(limits.limit_of("alice"), ONE);
    assert_eq!(limits.set("alice".to_owned(), Limit::UNLIMITED), None);
    assert_eq!(limits.set("alice".to_owned(), Limit::at_most(0)), Some(Limit::UNLIMITED));
    assert_eq!(limits.set_default(Limit::at_most(5)), ONE);
    assert_eq!(limits.limit_of("alice"), Limit::at_most(0));
    assert_eq!(limits.limit_of("bob"), Limit::at_most(5));
    let mut all = Vec::new();
    limits.for_each(|subject, limit| all.push((subject.clone(), limit)));
    assert_eq!(all, [("alice".to_owned(), Limit::at_most(0))]);
    assert_eq!(limits.remove("alice"), Some(Limit::at_most(0)));
    assert_eq!(limits.remove("alice"), None);
    assert_eq!(limits.limit_of("alice"), Limit::at_most(5));
}

fn sendable<T: Send + Sync + std::fmt::Debug>() {}

#[test]
fn everything_crosses_threads_and_can_be_printed() {
    sendable::<SubjectCounts<String>>();
    sendable::<headcount::SubjectPermit<'static, String>>();
    sendable::<headcount::OwnedSubjectPermit<String>>();
    sendable::<Overrides<String>>();
    sendable::<SubjectError>();
}
