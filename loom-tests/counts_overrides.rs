//! Limits by subject as exceptions come and go. The index of the exceptions is not
//! checked here: each of its operations is one step. How many exceptions there
//! are is counted beside it, and that is. Nothing that is checked happens while
//! a thread has an entry's lock, so no thread of a model waits for that.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use crate::counts::{A, B, C, Subject, Told};
use crate::product::{Limit, Overrides};
use crate::support::{model, race};

type Limits = Overrides<Subject, BuildHasherDefault<Told>>;

const DEFAULT: Limit = Limit::at_most(1);
const OWN: Limit = Limit::at_most(2);

fn limits() -> Arc<Limits> {
    Arc::new(Overrides::with_hasher(DEFAULT, BuildHasherDefault::default()))
}

type Thread = Box<dyn FnOnce() + Send>;

fn with(limits: &Arc<Limits>, run: impl FnOnce(&Limits) + Send + 'static) -> Thread {
    let limits = Arc::clone(limits);
    Box::new(move || run(&limits))
}

/// Whoever else comes and goes, who has set an exception reads it, until he has
/// removed it.
#[test]
fn an_exception_that_was_set_is_read() {
    model(|| {
        let limits = limits();
        limits.set(B, OWN);
        let comes = |subject| {
            with(&limits, move |limits| {
                assert_eq!(limits.set(subject, OWN), None);
                assert_eq!(limits.limit_of(&subject), OWN);
                assert_eq!(limits.remove(&subject), Some(OWN));
                assert_eq!(limits.limit_of(&subject), DEFAULT);
            })
        };
        race([comes(A), comes(C), with(&limits, |limits| _ = limits.remove(&B))]);
        assert_eq!(limits.limit_of(&B), DEFAULT);
    });
}

/// An exception that is removed by whoever finds it, as soon as it is there, hides
/// no other.
#[test]
fn an_exception_that_stays_is_read_as_another_comes_and_goes() {
    model(|| {
        let limits = limits();
        limits.set(B, OWN);
        race([
            with(&limits, |limits| _ = limits.set(A, OWN)),
            with(&limits, |limits| _ = limits.remove(&A)),
            with(&limits, |limits| assert_eq!(limits.limit_of(&B), OWN)),
        ]);
        assert_eq!(limits.limit_of(&B), OWN);
    });
}

/// Of two that set one exception, one finds it there and counts none.
#[test]
fn an_exception_that_two_set_is_one() {
    model(|| {
        let limits = limits();
        let sets = || with(&limits, |limits| _ = limits.set(A, OWN));
        let removes = |limits: &Limits| {
            limits.remove(&A);
            limits.set(B, OWN);
            assert_eq!(limits.limit_of(&B), OWN);
        };
        race([sets(), sets(), with(&limits, removes)]);
        assert_eq!(limits.limit_of(&B), OWN);
    });
}
