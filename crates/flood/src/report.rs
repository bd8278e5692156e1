//! What the servers did, as a table and in words.

use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, Table, presets};

use crate::flood::{Outcome, SlowCall};
use crate::ways::Rules;

type Figure = fn(&Outcome) -> String;

/// The figures side by side.
pub fn table(outcomes: &[Outcome], rules: Rules) -> String {
    let mut table = Table::new();
    let names = outcomes.iter().map(|outcome| outcome.name.to_owned());
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(row("", names));
    for (label, figure) in rows(rules) {
        table.add_row(row(&label, outcomes.iter().map(figure)));
    }
    for column in table.column_iter_mut() {
        column.set_constraint(ColumnConstraint::ContentWidth);
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn row(label: &str, cells: impl Iterator<Item = String>) -> Vec<String> {
    [label.to_owned()].into_iter().chain(cells).collect()
}

fn rows(rules: Rules) -> Vec<(String, Figure)> {
    let Rules { limit, per_subject, idle_timeout, .. } = rules;
    let slow = format!("a call that outlasts the idle timeout of {}", time(idle_timeout));
    let rows: [(&str, Figure); 20] = [
        ("clients that came", |o| thousands(o.tally.came())),
        ("  200, a session", |o| thousands(o.tally.answered(200))),
        ("  429, the client has enough", |o| thousands(o.tally.answered(429))),
        ("  503, the server is full", |o| thousands(o.tally.answered(503))),
        ("  500", |o| thousands(o.tally.answered(500))),
        ("  other answers", |o| thousands(o.tally.answered_otherwise(&[200, 429, 503, 500]))),
        ("  refusals without Retry-After", |o| thousands(o.tally.without_retry_after)),
        (&format!("surely open at once (limit {limit})"), |o| o.peak().to_string()),
        (&format!("  of one client (limit {per_subject})"), |o| o.largest_subject().to_string()),
        ("  of the hostile one", |o| o.hostile.to_string()),
        ("handlers alive at once", |o| o.peak_alive().to_string()),
        ("  when the flood was long over", |o| o.after_calm.to_string()),
        ("  at rest, and after the shutdown", |o| {
            format!("{}, {}", o.at_rest.alive, o.at_end.alive)
        }),
        ("in_use at most, at rest, at the end", |o| match o.gated {
            true => format!("{}, {}, {}", o.peak_in_use(), o.at_rest.in_use, o.at_end.in_use),
            false => "-".to_owned(),
        }),
        ("calls with a result", |o| thousands(o.tally.results)),
        ("  without one", |o| thousands(o.tally.failed)),
        ("sessions ended before their idle timeout", |o| thousands(o.tally.lost_in_use)),
        ("  ended that were idle", |o| thousands(o.tally.expired)),
        ("patient client: sessions, refusals", |o| {
            format!("{}, {}", o.tally.patient.0, o.tally.patient.1)
        }),
        (&slow, |o| slow_call(o.slow_call)),
    ];
    rows.into_iter().map(|(label, figure)| (label.to_owned(), figure)).collect()
}

/// What the server did with those it had no room for.
pub fn refusals(outcome: &Outcome) -> String {
    let tally = &outcome.tally;
    let kinds = tally.openings.iter().filter(|&(&status, _)| status != 200);
    let mut kinds: Vec<_> =
        kinds.map(|(status, &times)| format!("{} x {status}", thousands(times))).collect();
    if kinds.is_empty() {
        kinds.push("refuses nobody".to_owned());
    } else if tally.without_retry_after == 0 {
        kinds.push("all with Retry-After".to_owned());
    } else {
        kinds.push(format!("{} without Retry-After", thousands(tally.without_retry_after)));
    }
    if tally.lost_in_use > 0 {
        kinds.push(format!("{} sessions ended early", thousands(tally.lost_in_use)));
    }
    kinds.join(", ")
}

/// What became of the slow call.
pub fn slow_call(slow_call: SlowCall) -> String {
    match slow_call {
        SlowCall::NotMade => "not made".to_owned(),
        SlowCall::Refused(status) => format!("no session: {status}"),
        SlowCall::Answered(after) => format!("answered after {}", time(after)),
        SlowCall::CutOff(after) => format!("cut off after {}", time(after)),
    }
}

/// A duration in seconds, to the tenth.
pub fn time(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn digits_are_grouped_by_three_from_the_right() {
        let texts = [0, 999, 1_000, 100_000, 1_234_567].map(thousands);
        assert_eq!(texts, ["0", "999", "1,000", "100,000", "1,234,567"]);
    }
}
