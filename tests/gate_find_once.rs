#![cfg(not(feature = "loom"))]
//! An admission hashes its subject once and searches for it once, with and
//! without exceptions. Every hash and every comparison of a subject is counted.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use headcount::{Cause, Gate, Limit, Session};

thread_local! {
    static HASHED: Cell<u32> = const { Cell::new(0) };
    static COMPARED: Cell<u32> = const { Cell::new(0) };
}

#[derive(Clone, Debug)]
struct Subject(u64);

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        HASHED.set(HASHED.get() + 1);
        self.0.hash(state);
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        COMPARED.set(COMPARED.get() + 1);
        self.0 == other.0
    }
}

impl Eq for Subject {}

/// The answer, how often the call hashed a subject, and how often it compared two.
fn counted<R>(call: impl FnOnce() -> R) -> (R, u32, u32) {
    let before = (HASHED.get(), COMPARED.get());
    let answer = call();
    (answer, HASHED.get() - before.0, COMPARED.get() - before.1)
}

struct Admissions {
    gate: Gate<Subject, ()>,
    held: Vec<Session<Subject, ()>>,
}

impl Admissions {
    fn admit(&mut self, subject: u64) -> (Option<Cause>, u32, u32) {
        let (answer, hashed, compared) = counted(|| self.gate.admit(Some(&Subject(subject)), ()));
        let cause = answer.as_ref().err().map(|refused| refused.cause());
        self.held.extend(answer);
        (cause, hashed, compared)
    }

    fn assert_refused_at(&mut self, subject: u64, exceptions_compared: u32) {
        let refused = Some(Cause::SubjectAtLimit);
        assert_eq!(self.admit(subject), (refused, 1, 1 + exceptions_compared));
    }
}

#[test]
fn an_admission_hashes_its_subject_once_and_finds_it_once() {
    let gate = Gate::builder().subject_limit(Limit::at_most(2)).build().unwrap();
    let mut gate = Admissions { gate, held: Vec::new() };
    assert_eq!(gate.admit(7), (None, 1, 0), "it is not there");
    assert_eq!(gate.admit(7), (None, 1, 1), "it is there");
    gate.assert_refused_at(7, 0);

    gate.gate.set_override(Subject(7), Limit::at_most(3));
    assert_eq!(gate.admit(7), (None, 1, 2), "it is found in the index and in the counts");
    gate.assert_refused_at(7, 1);
    assert_eq!(counted(|| gate.gate.remove_override(&Subject(7))).1, 1);
    gate.assert_refused_at(7, 0);

    assert_eq!(counted(|| gate.held.clear()).1, 0, "no end hashes");
    assert_eq!(gate.gate.subjects(), 0);
}

/// Text is hashed by its bytes, as it is for its exceptions.
#[test]
fn an_exception_is_found_by_text_however_it_was_set() {
    let gate: Gate<String, u32> = Gate::builder()
        .subject_limit(Limit::at_most(0))
        .subject_override("built".to_owned(), Limit::at_most(1))
        .build()
        .unwrap();
    gate.set_override("set".to_owned(), Limit::at_most(1));
    for subject in ["built", "set"] {
        let held = gate.admit(Some(subject), 1).unwrap();
        assert!(gate.admit(Some(&subject.to_owned()), 2).is_err());
        drop(held);
        assert_eq!(gate.remove_override(subject), Some(Limit::at_most(1)));
        assert!(gate.admit(Some(subject), 3).is_err());
    }
    assert!(gate.has_subject_limit());
}

#[test]
fn that_a_limit_of_subjects_was_asked_for_is_told_after_it_is_gone() {
    let gate: Gate<u64, ()> = Gate::builder().build().unwrap();
    assert!(!gate.has_subject_limit());
    gate.set_override(7, Limit::at_most(1));
    gate.remove_override(&7);
    assert!(gate.has_subject_limit());
}
