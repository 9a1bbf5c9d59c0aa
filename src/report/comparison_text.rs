//! Writes comparisons as text for the terminal, as CSV and as Markdown.

use super::cell::{interval, number, p, signed, verdict};
use super::comparison::{ComparedRow, Comparison};
use super::markdown::{Column, grid, paragraph};
use super::{csv as csv_table, identical, legend};
use anyhow::Result;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use std::collections::BTreeMap;

/// One format for comparisons.
pub struct ComparisonFormat {
    /// The name on the command line.
    pub name: &'static str,
    /// Writes comparisons of one metric.
    pub render: fn(&[Comparison]) -> Result<String>,
}

/// All formats for comparisons.
pub const COMPARISON_FORMATS: &[ComparisonFormat] = &[
    ComparisonFormat {
        name: "text",
        render: terminal,
    },
    ComparisonFormat {
        name: "csv",
        render: csv,
    },
    ComparisonFormat {
        name: "md",
        render: markdown,
    },
];

fn terminal(comparisons: &[Comparison]) -> Result<String> {
    let grid = |columns: &[Column]| {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY);
        table.set_header(columns.iter().map(|(title, ..)| title));
        let rows = columns.first().map_or(0, |(_, cells, _)| cells.len());
        for row in 0..rows {
            table.add_row(columns.iter().map(|(_, cells, _)| &cells[row]));
        }
        for (column, (.., numbers)) in table.column_iter_mut().zip(columns) {
            if *numbers {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!("{table}\n")
    };
    Ok(pages(comparisons, "", grid))
}

fn markdown(comparisons: &[Comparison]) -> Result<String> {
    Ok(pages(comparisons, "# ", grid))
}

/// Every comparison with its differences in settings and the meaning of its columns.
fn pages(comparisons: &[Comparison], heading: &str, grid: impl Fn(&[Column]) -> String) -> String {
    let mut text = String::new();
    for comparison in comparisons {
        text.push_str(&format!("{heading}{}: B - A\n\n", comparison.sweep));
        text.push_str(&grid(&columns(comparison)));
        text.push('\n');
        let settings = settings(comparison);
        if !settings.is_empty() {
            text.push_str("Settings that differ:\n\n");
            for line in settings {
                text.push_str(&format!("- {line}\n"));
            }
            text.push('\n');
        }
    }
    let Some(Comparison {
        folders, metric, ..
    }) = comparisons.first()
    else {
        return text;
    };
    let mut lines = vec![format!(
        "A: `{}`, B: `{}`; means of the {metric} in percent over the seeds that both finished.",
        folders[0], folders[1]
    )];
    lines.extend(legend::differences(metric, "A's row"));
    let rows = comparisons.iter().flat_map(|comparison| &comparison.rows);
    if identical::any(rows.map(|row| row.judged.as_ref())) {
        lines.push(legend::identical_rows("A's row"));
    }
    text + &paragraph(&lines)
}

fn columns(comparison: &Comparison) -> Vec<Column> {
    let column = |title: &str, cell: &dyn Fn(&ComparedRow) -> String, numbers: bool| -> Column {
        let cells = comparison.rows.iter().map(cell).collect();
        (title.to_string(), cells, numbers)
    };
    let difference = |row: &ComparedRow| row.judged.map(|judged| judged.difference);
    let shown = |row: &ComparedRow| {
        let found = difference(row);
        let bounds = interval(found.and_then(|found| found.interval));
        let mean = signed(found.map(|found| found.mean));
        format!("{mean} {bounds}").trim_end().to_string()
    };
    let status = |row: &ComparedRow| match row.status.as_str() {
        "ok" => String::new(),
        other => other.to_string(),
    };
    let pairs = |row: &ComparedRow| {
        difference(row).map_or("0".to_string(), |found| found.pairs.to_string())
    };
    let bootstrap = |row: &ComparedRow| interval(difference(row).and_then(|found| found.bootstrap));
    let adjusted = |row: &ComparedRow| p(row.judged.and_then(|judged| judged.adjusted));
    let columns = [
        column("variant", &|row| row.label.clone(), false),
        column("seeds", &pairs, true),
        column("A", &|row| number(row.first), true),
        column("B", &|row| number(row.second), true),
        column("difference", &shown, false),
        column("bootstrap", &bootstrap, false),
        column("p (Holm)", &adjusted, true),
        column("verdict", &|row| verdict(row.judged.as_ref()), false),
        column("status", &status, false),
    ];
    let says = |(_, cells, _): &Column| cells.iter().any(|cell| !cell.is_empty());
    columns.into_iter().filter(says).collect()
}

/// Every difference in settings once, with the rows that have it.
fn settings(comparison: &Comparison) -> Vec<String> {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &comparison.rows {
        for setting in &row.settings {
            rows.entry(setting).or_default().push(&row.label);
        }
    }
    let matched = comparison.rows.iter().filter(|row| row.trials.is_some());
    let matched = matched.count();
    rows.into_iter()
        .map(|(setting, labels)| match labels.len() == matched {
            true => format!("{setting} (all rows)"),
            false => format!("{setting} ({})", labels.join("; ")),
        })
        .collect()
}

fn csv(comparisons: &[Comparison]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "sweep",
        "variant",
        "metric",
        "seeds",
        "A",
        "B",
        "delta",
        "delta_low",
        "delta_high",
        "boot_low",
        "boot_high",
        "p",
        "p_holm",
        "verdict",
        "status",
        "settings",
    ])?;
    for comparison in comparisons {
        for row in &comparison.rows {
            let judged = row.judged.as_ref();
            let difference = judged.map(|judged| judged.difference);
            let interval = difference.and_then(|difference| difference.interval);
            let bootstrap = difference.and_then(|difference| difference.bootstrap);
            writer.write_record([
                comparison.sweep.clone(),
                row.label.clone(),
                comparison.metric.clone(),
                difference
                    .map_or(0, |difference| difference.pairs)
                    .to_string(),
                number(row.first),
                number(row.second),
                number(difference.map(|difference| difference.mean)),
                number(interval.map(|(low, _)| low)),
                number(interval.map(|(_, high)| high)),
                number(bootstrap.map(|(low, _)| low)),
                number(bootstrap.map(|(_, high)| high)),
                p(difference.and_then(|difference| difference.p)),
                p(judged.and_then(|judged| judged.adjusted)),
                verdict(judged),
                row.status.clone(),
                row.settings.join("; "),
            ])?;
        }
    }
    csv_table::text(writer)
}
