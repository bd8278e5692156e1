//! When those who were refused are told to come back: never all at once.

mod support;

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::time::Duration;

use headcount::{CloseReason, Gate, Limit, ManualClock};
use headcount_tower::{Answers, Asker, BadSubject, Refusal, RetryAfter};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{Request, StatusCode};
use support::MS;

const MINUTE: Duration = Duration::from_secs(60);

fn parts() -> Parts {
    Request::new(()).into_parts().0
}

fn by(answers: &Answers, subject: u32) -> Asker {
    answers.asker(&parts(), Some(&subject))
}

fn secs(answers: &Answers, refusal: &Refusal, asker: &Asker) -> u64 {
    let answer = answers.answer_to(refusal, asker);
    answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap()
}

/// Refused for capacity, where a session may end after so long.
fn full(idle: Duration) -> Refusal {
    let gate: Gate<u64, (), _> = Gate::builder()
        .limit(Limit::at_most(1))
        .idle_timeout(idle)
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let _only = gate.admit_anonymous(()).unwrap();
    gate.admit_anonymous(()).unwrap_err().into()
}

/// Refused for the rate, whose window is as long.
fn rated(window: Duration) -> Refusal {
    let gate: Gate<u64, (), _> =
        Gate::builder().rate(1, window).clock(ManualClock::new()).build().unwrap();
    drop(gate.admit_anonymous(()).unwrap());
    gate.admit_anonymous(()).unwrap_err().into()
}

fn all_of(
    answers: &Answers,
    refusal: &Refusal,
    askers: impl Iterator<Item = Asker>,
) -> BTreeSet<u64> {
    askers.map(|asker| secs(answers, refusal, &asker)).collect()
}

#[test]
fn retry_after_herd() {
    let answers = Answers::default();
    let long = full(90 * MINUTE);
    let of_subjects = all_of(&answers, &long, (0..100).map(|subject| by(&answers, subject)));
    let of_anonymous = all_of(&answers, &long, (0..100).map(|_| Asker::default()));
    for told in [of_subjects, of_anonymous] {
        assert!(told.len() > 8, "{told:?}");
        assert!(told.iter().all(|secs| (48..=60).contains(secs)), "{told:?}");
    }
    // What is true and short is not made longer.
    let soon = full(30_000 * MS);
    let truth = soon.retry_after_secs().unwrap();
    let told = all_of(&answers, &soon, (0..100).map(|_| Asker::default()));
    assert!(told.iter().all(|secs| (truth * 4 / 5..=truth).contains(secs)), "{told:?}");
    assert!(truth <= 30 && told.len() > 4, "{told:?}");
    assert_eq!(all_of(&answers, &full(MS), (0..9).map(|_| Asker::default())), [1].into());
}

#[test]
fn nobody_is_told_to_come_before_the_rate_allows() {
    let answers = Answers::default();
    let told = all_of(&answers, &rated(100_000 * MS), (0..300).map(|_| Asker::default()));
    assert!(told.iter().all(|secs| (100..=120).contains(secs)) && told.len() > 15, "{told:?}");
    let hours = all_of(&answers, &rated(100 * MINUTE), (0..300).map(|_| Asker::default()));
    assert!(hours.iter().all(|secs| (6000..=7200).contains(secs)), "not capped: {hours:?}");
}

#[test]
fn a_subject_gains_nothing_by_asking_again() {
    let answers = Answers::default();
    let refusal = full(90 * MINUTE);
    for subject in 0..9 {
        let again = (0..20).map(|_| by(&answers, subject));
        assert_eq!(all_of(&answers, &refusal, again).len(), 1);
    }
    // And nobody can tell what another server tells it.
    let others = (0..50).map(|_| {
        let answers = Answers::default();
        secs(&answers, &refusal, &by(&answers, 7))
    });
    assert!(others.collect::<BTreeSet<_>>().len() > 5);
}

#[test]
fn the_others_are_told_as_it_is() {
    let answers = Answers::default();
    let gate: Gate<u64> = Gate::builder().subject_limit(Limit::at_most(1)).build().unwrap();
    let _only = gate.admit(Some(&7), ()).unwrap();
    let own: Refusal = gate.admit(Some(&7), ()).unwrap_err().into();
    gate.set_subject_limit(Limit::at_most(0));
    let nobodys: Refusal = gate.admit(Some(&7), ()).unwrap_err().into();
    gate.close_all(CloseReason::Shutdown);
    let closed: Refusal = gate.admit_anonymous(()).unwrap_err().into();
    let all = |refusal| all_of(&answers, refusal, (0..99).map(|_| Asker::default()));
    assert_eq!((all(&own), all(&Refusal::Ended)), ([1].into(), [1].into()));
    let restart = all(&closed);
    assert!(restart.iter().all(|secs| [5, 6].contains(secs)), "{restart:?}");
    for of_no_use in [BadSubject::Empty.into(), nobodys] {
        assert!(!answers.answer(&of_no_use).headers().contains_key(RETRY_AFTER));
    }
}

#[test]
fn all_of_it_is_set() {
    let anonymous = || (0..100).map(|_| Asker::default());
    let long = full(90 * MINUTE);
    let exact = Answers::default().retry_after(RetryAfter::exact());
    assert_eq!(all_of(&exact, &long, anonymous()), [long.retry_after_secs().unwrap()].into());
    assert_eq!(all_of(&exact, &rated(100_000 * MS), anonymous()), [100].into());
    let own = RetryAfter::default()
        .cap(Duration::from_secs(1000))
        .at_capacity(50..=60)
        .rate_limited(150..=150);
    let own = Answers::json_rpc().retry_after(own);
    let told = all_of(&own, &long, anonymous());
    assert!(told.iter().all(|secs| (500..=600).contains(secs)) && told.len() > 20, "{told:?}");
    assert_eq!(all_of(&own, &rated(100_000 * MS), anonymous()), [150].into());
    // Not even the longest is told as less.
    let longest = full(MS * (1 << 31));
    let truth = longest.retry_after_secs().unwrap();
    assert!(truth > 1_000_000);
    assert_eq!(all_of(&exact, &longest, anonymous()), [truth].into());
}

#[test]
fn what_cannot_be_meant_is_an_error() {
    assert!(catch_unwind(|| RetryAfter::default().rate_limited(99..=120)).is_err());
    #[expect(clippy::reversed_empty_ranges)]
    let empty = 100..=80;
    assert!(catch_unwind(|| RetryAfter::default().at_capacity(empty)).is_err());
    let no_error =
        || Answers::default().status(headcount::Cause::AtCapacity, StatusCode::NO_CONTENT);
    assert!(catch_unwind(no_error).is_err());
}
