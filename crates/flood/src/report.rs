//! The closing table, and what it means.

use comfy_table::{CellAlignment, ColumnConstraint, Table, presets};

use crate::flood::Outcome;

/// One row per way.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
        "way",
        "requests",
        "admitted",
        "refused with 503\n+ Retry-After",
        "of these\nspurious",
        "errors",
        "peak\nopen",
        "peak\nin_use",
        "open\nat rest",
        "in_use\nat rest",
    ]);
    for outcome in outcomes {
        table.add_row(row(outcome));
    }
    for column in table.column_iter_mut() {
        column.set_constraint(ColumnConstraint::ContentWidth);
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn row(outcome: &Outcome) -> [String; 10] {
    let tally = &outcome.tally;
    [
        outcome.name.to_owned(),
        thousands(tally.requests()),
        thousands(tally.admitted),
        thousands(tally.refused),
        thousands(outcome.verdict.spurious.len() as u64),
        thousands(tally.errors),
        thousands(outcome.peak_open as u64),
        thousands(outcome.peak_in_use() as u64),
        outcome.at_rest.open.to_string(),
        outcome.at_rest.in_use.to_string(),
    ]
}

/// A sentence per way: what the audit found, or that it found nothing.
pub fn findings(outcome: &Outcome, limit: u32) -> String {
    let mut found = Vec::new();
    if outcome.peak_open > limit as usize {
        found.push(format!("let {} in at once over a limit of {limit}", outcome.peak_open));
    }
    match outcome.verdict.spurious.len() {
        0 => {}
        n => found.push(format!(
            "refused {} times while a slot was free all along ({:.2} % of its refusals)",
            thousands(n as u64),
            100.0 * n as f64 / outcome.served.1.max(1) as f64,
        )),
    }
    if outcome.at_rest.open > 0 || outcome.at_rest.in_use > 0 {
        found.push("did not come back to zero".to_owned());
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
