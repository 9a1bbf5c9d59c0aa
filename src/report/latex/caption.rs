//! The caption of a table: its question, and the meaning of the columns that it has, in one or two lines of print.

use super::super::columns::Kind;
use super::super::identical;
use super::super::legend::{self, ended};
use super::super::look::Look;
use super::super::table::{Table, TableRow};
use super::cells::escape;
use crate::screen::counted;

/// The number of finished seeds, if all rows have the same.
pub fn common_seeds(table: &Table) -> Option<usize> {
    let mut seeds = table.rows.iter().map(|row| row.seeds);
    let first = seeds.next()?;
    seeds.all(|other| other == first).then_some(first)
}

/// The caption of `table` with the columns `kinds`.
pub fn of(table: &Table, look: &Look, kinds: &[&Kind]) -> String {
    let has = |kind: &Kind| kinds.contains(&kind);
    let metric = escape(&table.metric);
    let mut parts = vec![sentence(&table.header.question)];
    if kinds.iter().any(|kind| matches!(kind, Kind::Metric(_))) {
        let mut means = "Metrics in percent, means".to_string();
        if let Some(seeds) = common_seeds(table).filter(|seeds| *seeds > 0) {
            means.push_str(&format!(" over {}", counted(seeds, "seed")));
        } else if has(&Kind::Seeds) {
            means.push_str(" over $n$ seeds");
        }
        if has(&Kind::Metric(table.metric.clone()))
            && table.rows.iter().any(|row| row.deviation.is_some())
        {
            means.push_str(&format!(", {metric} $\\pm$ standard deviation"));
        }
        parts.push(means + ".");
    }
    let reference = match &table.header.reference {
        _ if table.has_groups() => Some("the reference row of its block".to_string()),
        Some(label) => Some(escape(label)),
        None => None,
    };
    if let Some(reference) = reference.filter(|_| has(&Kind::Difference)) {
        let whole = table
            .rows
            .iter()
            .any(|row| row.difference.is_some_and(|one| one.interval.is_some()));
        let interval = match whole && !look.compact {
            true => ", with its 95\\,\\% interval",
            false => "",
        };
        parts.push(format!(
            "$\\Delta$: mean paired difference in {metric} to {reference}{interval}."
        ));
        let tested = |row: &TableRow| row.difference.is_some_and(|one| one.p.is_some());
        if look.compact && table.rows.iter().any(tested) {
            let star = match table.header.until {
                Some(_) => {
                    "*: helps or hurts ($1/E$, adjusted by Holm, at most 0.05 when the row stopped)."
                }
                None => "*: $p < 0.05$, paired $t$ test, adjusted by Holm.",
            };
            parts.push(star.to_string());
        }
    }
    if has(&Kind::Verdict) && identical::any(table.rows.iter().map(|row| row.judged.as_ref())) {
        parts.push("identical: the setting never acted.".to_string());
    }
    if has(&Kind::Holm) {
        parts.push("$p_\\mathrm{H}$: paired $t$ test, adjusted by Holm.".to_string());
    }
    if let Some(rule) = table.header.until.filter(|_| has(&Kind::Difference)) {
        parts.push(words(&legend::rule(&rule)));
    }
    if has(&Kind::Sequence) {
        let first = table.header.until.as_ref().map(legend::first_sequence);
        let first = first.map_or(String::new(), |first| format!(" {}", words(&first)));
        parts.push(format!(
            "any time: 95\\,\\% confidence sequence of $\\Delta$.{first}"
        ));
    }
    if has(&Kind::E) {
        parts.push("$E$: e-value against no difference.".to_string());
    }
    if has(&Kind::Paper) {
        let place = table.header.paper.as_ref();
        parts.push(place.map_or("paper: its number.".to_string(), |place| {
            format!(
                "paper: its Table {}, {}.",
                escape(&place.table),
                escape(&place.column)
            )
        }));
    }
    for finding in &table.findings {
        parts.push(format!("Data: {}", words(&ended(finding))));
    }
    parts.join(" ")
}

/// The caption of a matrix: the question, the meaning of its cells, and the seeds where all rows have as many.
pub fn of_matrix(table: &Table) -> String {
    let seeds = match common_seeds(table) {
        Some(1) => " One seed each.".to_string(),
        Some(seeds) => format!(" {seeds} seeds each."),
        None => String::new(),
    };
    let legend = super::Matrix::legend(table).replace('–', "--");
    format!(
        "{} {}{seeds}",
        sentence(&table.header.question),
        words(&legend)
    )
}

/// A text for people in LaTeX. Its code quotes would be opening quotes in print.
fn words(text: &str) -> String {
    escape(&text.replace('`', ""))
}

/// The question as a sentence.
fn sentence(question: &str) -> String {
    let text = words(question);
    match text.ends_with(['.', '?', '!']) || text.is_empty() {
        true => text,
        false => text + ".",
    }
}
