//! Explains the columns of a table to the reader.

use super::identical;
use super::metric::USUAL;
use super::statistics::{DRAWN, EXACT_UP_TO};
use super::table::Table;

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

/// Explains the verdict on identical rows. `to` is the row that they are compared with, like "`PL-DC`".
pub fn identical_rows(to: &str) -> String {
    format!(
        "`identical`: the setting never acted. In every seed, each metric of each model is equal to that of {to} to the \
         last digit. The records decide this; `harness show` also compares the journals and the weights."
    )
}

/// Explains the columns of `table` and names the oddities of its data, one line for each.
pub fn of(table: &Table) -> Vec<String> {
    let metric = &table.metric;
    let (usual, others): (Vec<&String>, Vec<&String>) = table
        .metrics
        .iter()
        .partition(|name| USUAL.contains(&name.as_str()));
    let means = format!(
        "in percent, means over the finished seeds, the {metric} with its sample standard deviation over them."
    );
    let mut lines = Vec::new();
    if !usual.is_empty() {
        lines.push(format!("mAP and its parts: COCO mask AP {means}"));
    }
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|name| format!("`{name}`")).collect();
        lines.push(format!("{}: {means}", others.join(", ")));
    }
    if let Some(reference) = &table.header.reference {
        lines.extend(differences(metric, &format!("`{reference}`")));
        if identical::any(table.rows.iter().map(|row| row.judged.as_ref())) {
            lines.push(identical_rows(&format!("`{reference}`")));
        }
        if table.rows.iter().any(|row| row.label.starts_with("- ")) {
            lines.push("A row `- X` is without X: where it hurts, X helps.".to_string());
        }
    }
    if table.rows.iter().any(|row| row.paper.is_some()) {
        let place = table.header.paper.as_ref();
        lines.push(
            place.map_or("`paper`: the paper's number.".to_string(), |paper| {
                format!(
                    "`paper`: the paper's Table {}, {}.",
                    paper.table, paper.column
                )
            }),
        );
    }
    if let Some(agreement) = table.agreement {
        lines.push(format!(
            "Kendall's tau-b of this table's order and the paper's: {:.2} over {} rows (p = {:.4}, exact without ties, else normal).",
            agreement.tau, agreement.rows, agreement.p
        ));
    }
    let findings = table.findings.iter();
    lines.extend(findings.map(|finding| format!("Data: {finding}.")));
    lines
}
