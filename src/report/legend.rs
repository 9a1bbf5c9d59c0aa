//! Explains the columns of a table to the reader.

use super::columns::{Kind, shown};
use super::identical;
use super::look::Look;
use super::metric::USUAL;
use super::statistics::{DRAWN, EXACT_UP_TO};
use super::table::{Table, TableRow};
use crate::metrics::UntilDecided;
use crate::screen::counted;

/// Explains differences, their intervals and their verdicts. `to` is the row that they are computed against,
/// like "`PL-DC`".
pub fn differences(metric: &str, to: &str) -> Vec<String> {
    vec![
        format!(
            "`difference`: mean of the paired differences of the {metric} per seed to {to}, with its 95 % interval (Student)."
        ),
        format!(
            "`bootstrap`: the percentile interval over all resamples of these differences (over {DRAWN} drawn ones beyond \
             {EXACT_UP_TO} seeds). It is too narrow at few seeds: three give the smallest and the largest difference, \
             which hold the truth in 75 % of all cases, not 95 %."
        ),
        "`p (Holm)`: two-sided p of the paired t test, adjusted by Holm over the rows of this table with at least two pairs."
            .to_string(),
        format!(
            "`verdict`: what the row itself does to the {metric} against {to}: `helps` (p (Holm) < 0.05 and difference > 0), \
             `hurts` (p (Holm) < 0.05 and difference < 0), else `inconclusive`."
        ),
    ]
}

/// The rule of seeds until decided, in sentences.
pub fn rule(rule: &UntilDecided) -> String {
    let same = rule.negligible.map_or(String::new(), |most| {
        format!(", or its sequence lay within ±{most} (`same`)")
    });
    format!(
        "Seeds until decided: every row got at least {} and at most {} seeds, and no more once 1/E, adjusted by Holm, was at \
         most 0.05{same}. One may look after every seed: the probability of any false `helps` or `hurts` in the table is at \
         most 5 %. Rows have different seeds, so their means are not ranked.",
        rule.at_least, rule.at_most
    )
}

/// The number of seeds at which a confidence sequence begins, in a sentence.
pub fn first_sequence(rule: &UntilDecided) -> String {
    match rule.first_sequence() {
        Some(2) => "It has bounds from two seeds on.".to_string(),
        Some(first) => {
            format!(
                "It begins at {first} seeds: with fewer, it is the whole line, and stands empty."
            )
        }
        None => format!(
            "It stays empty: up to {} seeds it is the whole line.",
            rule.at_most
        ),
    }
}

/// Explains the columns of differences and verdicts of a table with seeds until decided, by the names of the columns.
fn until_decided(metric: &str, to: &str, until: &UntilDecided) -> Vec<(&'static str, String)> {
    let titles = ["difference", "bootstrap", "p-holm"];
    let explained = titles.into_iter().zip(differences(metric, to));
    // The test of a fixed number of seeds does not hold for one who looks after every seed.
    let mut lines: Vec<(&str, String)> = explained
        .map(|(title, line)| match title {
            "p-holm" => (title, format!("{line} It holds for a number of seeds that was fixed beforehand, and decides nothing here.")),
            _ => (title, line),
        })
        .collect();
    let same = until.negligible.map_or(String::new(), |most| {
        format!(" `same` if the sequence lay within ±{most}, judged for each row alone;")
    });
    lines.extend([
        (
            "sequence",
            format!(
                "`sequence`: the 95 % confidence sequence of the difference, which holds whenever one stops. {}",
                first_sequence(until)
            ),
        ),
        (
            "e",
            format!(
                "`E`: the evidence against no difference (e-value of the paired t test, effect scale {}), of the seeds up to the \
                 first that failed.",
                until.effect_scale
            ),
        ),
        (
            "p-any-time",
            "`p (any time)`: 1/E, at most 1, adjusted by Holm over all compared rows of this table, each at its own last seed."
                .to_string(),
        ),
        (
            "verdict",
            format!(
                "`verdict`: what the row itself does to the {metric} against {to}: `helps` or `hurts` if 1/E, adjusted by Holm \
                 over all compared rows, was at most 0.05 when the row stopped;{same} else `inconclusive`."
            ),
        ),
    ]);
    lines
}

/// Explains the verdict on identical rows. `to` is the row that they are compared with, like "`PL-DC`".
pub fn identical_rows(to: &str) -> String {
    format!(
        "`identical`: the setting never acted. In every seed, each metric of each model is equal to that of {to} to the \
         last digit. The records decide this; `harness show` also compares the journals and the weights."
    )
}

/// Explains the columns of `table` and names the oddities of its data, one line for each.
pub fn of(table: &Table, look: &Look) -> Vec<String> {
    let to = table.reference_words();
    let mut lines = meanings(table, to.as_deref(), look);
    lines.extend(twins(table));
    lines.extend(paper(table, look));
    lines.extend(agreement(table).filter(|_| look.paper && !look.compact));
    lines.extend(findings(table));
    lines
}

/// Explains the columns of several tables, each once.
pub fn once(tables: &[Table], look: &Look) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut add = |line: String| {
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    for table in tables {
        let to = table.reference_words().map(|_| match table.has_groups() {
            true => "the reference row of its group",
            false => "the reference row",
        });
        meanings(table, to, look).into_iter().for_each(&mut add);
    }
    for table in tables {
        twins(table).into_iter().for_each(&mut add);
        paper(table, look).into_iter().for_each(&mut add);
        table.splits.iter().cloned().for_each(&mut add);
        findings(table).into_iter().for_each(&mut add);
    }
    lines
}

/// The order of the rows beside that of the paper's numbers; none without a paper.
pub fn agreement(table: &Table) -> Option<String> {
    let agreement = table.agreement?;
    Some(format!(
        "Kendall's tau-b of this table's order and the paper's: {:.2} over {} (p = {:.4}, exact without ties, else normal).",
        agreement.tau,
        counted(agreement.rows, "row"),
        agreement.p
    ))
}

/// The meaning of the metrics and of the differences to the row `to`.
fn meanings(table: &Table, to: Option<&str>, look: &Look) -> Vec<String> {
    let metric = &table.metric;
    let columns = shown(table, look);
    let is_shown = |kind: &Kind| columns.iter().any(|column| column.kind == *kind);
    let named: Vec<&str> = columns.iter().map(|column| column.kind.name()).collect();
    let metrics: Vec<&str> = match look.columns.is_empty() {
        true => table.metrics.iter().map(String::as_str).collect(),
        false => {
            let metrics = columns.iter().filter_map(|column| match &column.kind {
                Kind::Metric(name) => Some(name.as_str()),
                _ => None,
            });
            metrics.collect()
        }
    };
    let (usual, others): (Vec<&str>, Vec<&str>) =
        metrics.into_iter().partition(|name| USUAL.contains(name));
    let deviates = is_shown(&Kind::Metric(metric.clone()));
    let mean = |of: &str| match deviates {
        true => format!(
            "{of} in percent, means over the finished seeds, the {metric} with its sample standard deviation over them."
        ),
        false => format!("{of} in percent, means over the finished seeds."),
    };
    let mut lines = Vec::new();
    if table.rows.iter().all(|row| row.seeds == 0) {
        // There is no number to explain.
        return lines;
    }
    if !usual.is_empty() {
        lines.push(mean("mAP and its parts: COCO mask AP"));
    }
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
        lines.push(mean(&format!("{}:", others.join(", "))));
    }
    let Some(to) = to else {
        return lines;
    };
    let identical = identical::any(table.rows.iter().map(|row| row.judged.as_ref()));
    let until = table.header.until.as_ref();
    if look.compact {
        let star = match until {
            Some(_) => {
                "`*`: `helps` or `hurts` (1/E, adjusted by Holm, at most 0.05 when the row stopped)"
            }
            None => "`*`: p < 0.05 (paired t test, adjusted by Holm)",
        };
        lines.push(format!(
            "`difference`: mean paired difference of the {metric} per seed to {to}; {star}."
        ));
        lines.extend(until.map(rule));
        lines.extend(identical.then(|| identical_rows(to)));
        return lines;
    }
    let titles = ["difference", "bootstrap", "p-holm", "verdict"];
    let explained: Vec<(&str, String)> = match until {
        Some(until) => until_decided(metric, to, until),
        None => titles.into_iter().zip(differences(metric, to)).collect(),
    };
    lines.extend(until.map(rule));
    match look.columns.is_empty() {
        true => {
            // A column that the user has to name is explained where it stands.
            let usual = explained
                .into_iter()
                .filter(|(title, _)| *title != "p-any-time");
            lines.extend(usual.map(|(_, line)| line));
            lines.extend(identical.then(|| identical_rows(to)));
        }
        false => {
            let wanted = explained
                .into_iter()
                .filter(|(title, _)| named.contains(title));
            lines.extend(wanted.map(|(_, line)| line));
            let told = identical && named.contains(&"verdict");
            lines.extend(told.then(|| identical_rows(to)));
        }
    }
    let without = |row: &TableRow| row.label.starts_with("- ") && row.judged.is_some();
    if table.rows.iter().any(without) {
        lines.push("A row `- X` is without X: where it hurts, X helps.".to_string());
    }
    lines
}

/// The rows that are identical to each other.
fn twins(table: &Table) -> Vec<String> {
    let named = |set: &Vec<String>| {
        let labels: Vec<String> = set.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "{} have the same results to the last digit, in every seed: the settings in which they differ never acted.",
            labels.join(", ")
        )
    };
    table.twins.iter().map(named).collect()
}

/// The place of the paper's numbers.
fn paper(table: &Table, look: &Look) -> Option<String> {
    let named =
        look.columns.is_empty() || look.columns.iter().any(|name| name.starts_with("paper"));
    let shows = look.paper && !look.compact && named;
    if !shows || !table.rows.iter().any(|row| row.paper.is_some()) {
        return None;
    }
    let place = table.header.paper.as_ref();
    Some(
        place.map_or("`paper`: the paper's number.".to_string(), |paper| {
            format!(
                "`paper`: the paper's Table {}, {}.",
                paper.table, paper.column
            )
        }),
    )
}

/// `text` as a sentence: with a full stop, unless it ends in an ellipsis.
pub fn ended(text: &str) -> String {
    match text.ends_with("...") {
        true => text.to_string(),
        false => format!("{text}."),
    }
}

/// The oddities of the data.
fn findings(table: &Table) -> Vec<String> {
    let findings = table.findings.iter();
    findings
        .map(|finding| format!("Data: {}", ended(finding)))
        .collect()
}
