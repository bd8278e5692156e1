//! The closing table, and what it means.

use comfy_table::{CellAlignment, ColumnConstraint, Table, presets};

use crate::flood::Outcome;
use crate::ways::{Cause, Limits};

/// A column per way, a row per figure.
pub fn table(outcomes: &[Outcome], limits: Limits) -> String {
    let mut table = Table::new();
    let names = outcomes.iter().map(|outcome| outcome.name.to_owned());
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(row("", names));
    for (label, figure) in figures(limits) {
        let cells = outcomes.iter().map(|outcome| thousands(figure(outcome)));
        table.add_row(row(&label, cells));
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

type Figure = fn(&Outcome) -> u64;

fn figures(limits: Limits) -> Vec<(String, Figure)> {
    let Limits { global, per_subject } = limits;
    let of_one = format!("largest count of one subject (limit {per_subject})");
    let of_hostile = format!("  largest count (limit {per_subject})");
    let of_all = format!("largest count of all (limit {global})");
    let rows: [(&str, Figure); 22] = [
        ("requests", |o| o.tally.requests()),
        ("admitted with 200", |o| o.tally.admitted),
        ("refused with 429 + Retry-After", |o| o.tally.at_subject_limit),
        ("  of these spurious", |o| o.verdict.spurious_by(Cause::SubjectAtLimit) as u64),
        ("refused with 503 + Retry-After", |o| o.tally.at_capacity),
        ("  of these spurious", |o| o.verdict.spurious_by(Cause::AtCapacity) as u64),
        ("errors", |o| o.tally.errors),
        (&of_one, |o| o.largest_subject as u64),
        (&of_all, |o| o.peak_open as u64),
        ("largest in_use that was seen", |o| o.peak_in_use() as u64),
        ("quiet sessions ended by their timeout", |o| o.quiet_ended.0 as u64),
        ("quiet sessions evicted", |o| o.quiet_ended.1 as u64),
        ("well-behaved tenant: admitted", |o| o.tenants.well_behaved.admitted as u64),
        ("  refused", |o| o.tenants.well_behaved.refused() as u64),
        ("    of these for the hostile one", |o| o.tenants.refused_for_hostile as u64),
        ("  evicted", |o| o.tenants.well_behaved.evicted as u64),
        ("hostile tenant: admitted", |o| o.tenants.hostile.admitted as u64),
        ("  refused", |o| o.tenants.hostile.refused() as u64),
        (&of_hostile, |o| o.tenants.hostile.largest as u64),
        ("open at rest", |o| o.at_rest.open as u64),
        ("in_use at rest", |o| o.at_rest.in_use as u64),
        ("subjects left at rest", |o| o.subjects_at_rest as u64),
    ];
    rows.into_iter().map(|(label, figure)| (label.to_owned(), figure)).collect()
}

/// A sentence per way: what the audit found, or that it found nothing.
pub fn findings(outcome: &Outcome, limits: Limits) -> String {
    let Limits { global, per_subject } = limits;
    let mut found = Vec::new();
    if outcome.peak_open > global as usize {
        found.push(format!("let {} in at once over a limit of {global}", outcome.peak_open));
    }
    if outcome.largest_subject > per_subject as usize {
        let largest = outcome.largest_subject;
        found.push(format!("let {largest} of one subject in over its limit of {per_subject}"));
    }
    let (_admitted, at_subject_limit, at_capacity) = outcome.served;
    for (cause, refusals, free) in [
        (Cause::SubjectAtLimit, at_subject_limit, "its subject had a slot free"),
        (Cause::AtCapacity, at_capacity, "the server had one free"),
    ] {
        let spurious = outcome.verdict.spurious_by(cause);
        if spurious > 0 {
            let count = thousands(spurious as u64);
            let share = 100.0 * spurious as f64 / refusals.max(1) as f64;
            found.push(format!(
                "refused a client {count} times while {free} all along ({share:.2} %)"
            ));
        }
    }
    let refused = outcome.tenants.refused_for_hostile as u64;
    if refused > 0 {
        let count = thousands(refused);
        found.push(format!("refused the well-behaved tenant {count} times for the hostile one"));
    }
    if outcome.at_rest.open > 0 || outcome.at_rest.in_use > 0 {
        found.push("did not come back to zero".to_owned());
    }
    if outcome.subjects_at_rest > 0 {
        found.push(format!("never forgot {} subjects that had left", outcome.subjects_at_rest));
    }
    if let Some(error) = &outcome.tally.first_error {
        found.push(format!("gave wrong answers, the first: {error}"));
    }
    match found.is_empty() {
        true => format!("{}: no defect in this run", outcome.name),
        false => format!("{}: {}", outcome.name, found.join("; ")),
    }
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
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
