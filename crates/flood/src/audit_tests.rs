//! Histories made by hand, with the verdict that they deserve.

use super::*;

fn span(from: Stamp, to: Stamp) -> Span {
    Span { from, to }
}

/// Held a little longer than open, at both ends, as in life.
fn stay(from: Stamp, to: Stamp) -> Stay {
    let open = Some(span(from + 1, to - 1));
    Stay { who: None, held: span(from, to), open, end: End::Left, was_quiet: false }
}

/// Judges the server's limit alone: everyone is anonymous.
fn judge(limit: u32, stays: &[Stay], refusals: &[Span]) -> (usize, Vec<Span>) {
    let refused = |&during: &Span| Refusal { who: None, cause: Cause::AtCapacity, during };
    let refusals = refusals.iter().map(refused).collect();
    let history = History { stays: stays.to_vec(), refusals };
    let verdict = history.judge(Limits { global: limit, per_subject: 1 });
    let spurious = verdict.spurious.iter().map(|refusal| refusal.during).collect();
    assert_eq!(verdict.largest_subject, 0);
    (verdict.peak(), spurious)
}

#[test]
fn a_clean_history_accuses_nobody() {
    let stays = [stay(10, 40), stay(20, 60), stay(40, 90), stay(61, 80)];
    let refusals = [span(22, 38), span(30, 200), span(5, 20), span(60, 61), span(62, 63)];
    assert_eq!(judge(2, &stays, &refusals), (2, vec![]));
}

#[test]
fn a_planted_overshoot_is_found() {
    let stays = [stay(10, 40), stay(20, 60), stay(30, 50)];
    assert_eq!(judge(2, &stays, &[]).0, 3);
}

#[test]
fn a_planted_spurious_refusal_is_found_among_honest_ones() {
    let stays = [stay(10, 40), stay(20, 60), stay(50, 70)];
    let before_all = span(1, 9);
    let between = span(41, 49);
    let after_all = span(71, 75);
    let honest = [span(25, 26), span(40, 45), span(45, 50), span(9, 20)];
    let refusals = [&[before_all, between, after_all][..], &honest].concat();
    assert_eq!(judge(2, &stays, &refusals).1, [before_all, between, after_all]);
}

#[test]
fn a_slot_that_passes_on_at_one_stamp_is_neither_overshoot_nor_vacancy() {
    let first = Stay { open: Some(span(10, 20)), ..stay(10, 20) };
    let second = Stay { open: Some(span(20, 30)), ..stay(20, 30) };
    assert_eq!(judge(1, &[first, second], &[span(20, 20), span(11, 29)]), (1, vec![]));
}

#[test]
fn slots_that_only_touch_were_possibly_held_together_but_not_surely() {
    let touching = [stay(10, 20), stay(20, 30)];
    assert_eq!(judge(2, &touching, &[span(15, 25), span(20, 20)]), (1, vec![]));
}

#[test]
fn a_slot_without_a_session_justifies_a_refusal_but_is_not_open() {
    let abandoned = Stay { open: None, ..stay(10, 20) };
    assert_eq!(judge(1, &[abandoned], &[span(12, 13)]), (0, vec![]));
}

#[test]
fn under_a_limit_that_was_never_reached_every_refusal_is_spurious() {
    assert_eq!(judge(3, &[stay(10, 40), stay(20, 60)], &[span(30, 31)]).1.len(), 1);
}

/// The same, of a subject.
fn stay_of(who: u32, from: Stamp, to: Stamp) -> Stay {
    Stay { who: Some(who), ..stay(from, to) }
}

fn refused(who: Who, cause: Cause, from: Stamp, to: Stamp) -> Refusal {
    Refusal { who, cause, during: span(from, to) }
}

/// The largest subject, and the spurious refusals as who and when, where only
/// the subjects' limit can be reached.
fn judge_subjects(
    per_subject: u32,
    stays: &[Stay],
    refusals: &[Refusal],
) -> (usize, Vec<(Who, Span)>) {
    let history = History { stays: stays.to_vec(), refusals: refusals.to_vec() };
    let verdict = history.judge(Limits { global: 1_000, per_subject });
    let at_subject = verdict.spurious.iter().filter(|r| r.cause == Cause::SubjectAtLimit);
    (verdict.largest_subject, at_subject.map(|r| (r.who, r.during)).collect())
}

#[test]
fn subjects_are_counted_each_for_itself() {
    let stays = [stay_of(0, 10, 40), stay_of(1, 20, 60), stay_of(1, 30, 50), stay(10, 60)];
    assert_eq!(judge_subjects(2, &stays, &[]).0, 2);
    let third = [&stays[..], &[stay_of(1, 35, 45)]].concat();
    assert_eq!(judge_subjects(2, &third, &[]).0, 3);
}

#[test]
fn a_subject_refusal_is_justified_by_its_own_slots_only() {
    let stays = [stay_of(0, 10, 40), stay_of(1, 20, 60), stay(10, 60)];
    let own = refused(Some(0), Cause::SubjectAtLimit, 30, 31);
    let after_its_own = refused(Some(0), Cause::SubjectAtLimit, 41, 50);
    let of_one_that_is_not_there = refused(Some(7), Cause::SubjectAtLimit, 30, 31);
    let refusals = [own, after_its_own, of_one_that_is_not_there];
    let spurious = vec![(Some(0), span(41, 50)), (Some(7), span(30, 31))];
    assert_eq!(judge_subjects(1, &stays, &refusals), (1, spurious));
}

#[test]
fn an_attempt_that_the_server_refused_possibly_held_its_subjects_slot_meanwhile() {
    let in_flight = refused(Some(0), Cause::AtCapacity, 20, 30);
    let met_it = refused(Some(0), Cause::SubjectAtLimit, 29, 35);
    let missed_it = refused(Some(0), Cause::SubjectAtLimit, 31, 35);
    let of_another = refused(Some(1), Cause::SubjectAtLimit, 22, 28);
    let refusals = [in_flight, met_it, missed_it, of_another];
    let spurious = vec![(Some(0), span(31, 35)), (Some(1), span(22, 28))];
    assert_eq!(judge_subjects(1, &[], &refusals), (0, spurious));
}

#[test]
fn an_attempt_that_its_subjects_limit_refused_justifies_nothing() {
    let first = refused(Some(0), Cause::SubjectAtLimit, 20, 30);
    let second = refused(Some(0), Cause::SubjectAtLimit, 22, 28);
    assert_eq!(judge_subjects(1, &[], &[first, second]).1.len(), 2);
    let at_capacity = refused(Some(0), Cause::AtCapacity, 20, 30);
    let history = History { stays: vec![], refusals: vec![first, at_capacity] };
    let verdict = history.judge(Limits { global: 1, per_subject: 1 });
    assert_eq!(verdict.spurious_by(Cause::AtCapacity), 1, "it held no slot of the server");
    assert_eq!(verdict.spurious_by(Cause::SubjectAtLimit), 0);
}

#[test]
fn an_anonymous_client_has_no_subjects_limit_to_be_refused_at() {
    let refusal = refused(None, Cause::SubjectAtLimit, 20, 30);
    assert_eq!(judge_subjects(1, &[stay(10, 40)], &[refusal]).1, [(None, span(20, 30))]);
}
