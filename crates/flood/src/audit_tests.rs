//! Histories made by hand, with the verdict that they deserve.

use super::*;

fn span(from: Stamp, to: Stamp) -> Span {
    Span { from, to }
}

/// Held a little longer than open, at both ends, as in life.
fn stay(from: Stamp, to: Stamp) -> Stay {
    Stay { held: span(from, to), open: Some(span(from + 1, to - 1)) }
}

fn judge(limit: usize, stays: &[Stay], refusals: &[Span]) -> (usize, Vec<Span>) {
    let history = History { stays: stays.to_vec(), refusals: refusals.to_vec() };
    let verdict = history.judge(limit);
    (verdict.peak(), verdict.spurious)
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
    let first = Stay { held: span(10, 20), open: Some(span(10, 20)) };
    let second = Stay { held: span(20, 30), open: Some(span(20, 30)) };
    assert_eq!(judge(1, &[first, second], &[span(20, 20), span(11, 29)]), (1, vec![]));
}

#[test]
fn slots_that_only_touch_were_possibly_held_together_but_not_surely() {
    let touching = [stay(10, 20), stay(20, 30)];
    assert_eq!(judge(2, &touching, &[span(15, 25), span(20, 20)]), (1, vec![]));
}

#[test]
fn a_slot_without_a_session_justifies_a_refusal_but_is_not_open() {
    let abandoned = Stay { held: span(10, 20), open: None };
    assert_eq!(judge(1, &[abandoned], &[span(12, 13)]), (0, vec![]));
}

#[test]
fn under_a_limit_that_was_never_reached_every_refusal_is_spurious() {
    assert_eq!(judge(3, &[stay(10, 40), stay(20, 60)], &[span(30, 31)]).1.len(), 1);
}
