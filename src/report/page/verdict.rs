//! The result of a sweep in one sentence.

use crate::report::cell::number;
use crate::report::statistics::Verdict;
use crate::report::table::{Table, TableRow};
use crate::screen::counted;

/// The most rows that a sentence names.
const NAMED: usize = 3;

/// The sentence about the comparisons of `table`, whose rows have `seeds` seeds.
pub fn sentence(table: &Table, seeds: usize) -> String {
    let metric = &table.metric;
    let best = table
        .rows
        .iter()
        .filter_map(|row| Some((row, row.mean.get(metric)?)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    let Some((best, value)) = best else {
        return "No trial has a result yet.".to_string();
    };
    let best = format!(
        "`{}` has the highest {metric}, {}",
        best.label,
        number(Some(value))
    );
    let judged: Vec<(&TableRow, Verdict)> = table
        .rows
        .iter()
        .filter_map(|row| Some((row, row.judged?.verdict)))
        .collect();
    if judged.is_empty() {
        return format!("{best}. Nothing is compared with a reference yet.");
    }
    let of = |wanted: Verdict| -> Vec<&str> {
        let rows = judged.iter().filter(|(_, verdict)| *verdict == wanted);
        rows.map(|(row, _)| row.label.as_str()).collect()
    };
    let (helps, hurts) = (of(Verdict::Helps), of(Verdict::Hurts));
    let mut parts = Vec::new();
    if !helps.is_empty() {
        parts.push(format!(
            "{} significantly higher ({})",
            helps.len(),
            named(&helps)
        ));
    }
    if !hurts.is_empty() {
        parts.push(format!(
            "{} significantly lower ({})",
            hurts.len(),
            named(&hurts)
        ));
    }
    let found = match parts.is_empty() {
        true => "none is significant".to_string(),
        false => parts.join(" and "),
    };
    let comparisons = counted(judged.len(), "comparison");
    let seeds = match seeds {
        1 => "There is one seed, so no difference has an interval, and none can be judged"
            .to_string(),
        seeds => format!("There are {seeds} seeds"),
    };
    let identical = of(Verdict::Identical);
    let identical = match identical.len() {
        0 => String::new(),
        _ => format!(" Identical to the reference: {}.", named(&identical)),
    };
    format!(
        "Of {comparisons} of the {metric}, {found} at the Holm-adjusted level of 5 %. {seeds}.{identical} {best}."
    )
}

/// The first labels in quotes, and the number of the others.
fn named(labels: &[&str]) -> String {
    let first: Vec<String> = labels
        .iter()
        .take(NAMED)
        .map(|label| format!("`{label}`"))
        .collect();
    match labels.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
