//! Writes comparisons as text for the terminal, as CSV and as Markdown.

use super::cell::{DIGITS, interval, number, p, signed, verdict};
use super::comparison::{ComparedRow, Comparison};
use super::markdown::{Column as Cells, grid, paragraph};
use super::terminal::tone;
use super::{csv as csv_table, identical, legend};
use crate::screen::{Column, Grid, Page, Screen, Tone};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One format for comparisons.
pub struct ComparisonFormat {
    /// The name on the command line.
    pub name: &'static str,
    /// Writes comparisons of one metric, for this screen.
    pub render: fn(&[Comparison], Screen) -> Result<String>,
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

/// The columns of a comparison in the order in which they give way.
const ORDER: [&str; 8] = [
    "bootstrap",
    "p (Holm)",
    "status",
    "seeds",
    "difference",
    "B",
    "A",
    "verdict",
];
/// The columns down to which labels and states are broken into lines.
const LEAST: usize = 10;

fn terminal(comparisons: &[Comparison], screen: Screen) -> Result<String> {
    let mut page = Page::new(screen);
    for comparison in comparisons {
        let name = page.paint(Tone::Heading, &comparison.sweep);
        writeln!(page, "{name}: B - A\n")?;
        let columns = columns(comparison).into_iter();
        let columns = columns.map(|(title, cells, numbers)| {
            let short = cells.iter().map(|cell| cell.split(' ').next());
            let short = short.map(|word| word.unwrap_or_default().to_string());
            match title.as_str() {
                "difference" => Column::text(&title, cells.clone()).or(short.collect()),
                "variant" => Column::text(&title, cells).breaks_to(LEAST),
                "status" => Column::text(&title, cells).breaks_to(LEAST),
                "verdict" => Column::text(&title, cells).toned(tone),
                _ if numbers => Column::numbers(&title, cells),
                _ => Column::text(&title, cells),
            }
        });
        page.grid(&Grid::new(columns.collect(), &ORDER));
        writeln!(page)?;
        for line in differing(comparison) {
            writeln!(page, "{line}")?;
        }
    }
    for line in meaning(comparisons) {
        writeln!(page, "{}", page.paint(Tone::Quiet, &line))?;
    }
    Ok(page.finish())
}

fn markdown(comparisons: &[Comparison], _screen: Screen) -> Result<String> {
    let mut text = String::new();
    for comparison in comparisons {
        text.push_str(&format!("# {}: B - A\n\n", comparison.sweep));
        text.push_str(&grid(&columns(comparison)));
        text.push('\n');
        for line in differing(comparison) {
            text.push_str(&format!("{line}\n"));
        }
    }
    Ok(text + &paragraph(&meaning(comparisons)))
}

/// The lines about the settings that differ, with an empty line behind them; none if none differ.
fn differing(comparison: &Comparison) -> Vec<String> {
    let settings = settings(comparison);
    if settings.is_empty() {
        return Vec::new();
    }
    let head = ["Settings that differ:", ""].map(String::from);
    let lines = settings.into_iter().map(|line| format!("- {line}"));
    head.into_iter()
        .chain(lines)
        .chain([String::new()])
        .collect()
}

/// The two folders and the meaning of the columns.
pub(super) fn meaning(comparisons: &[Comparison]) -> Vec<String> {
    let Some(Comparison {
        folders, metric, ..
    }) = comparisons.first()
    else {
        return Vec::new();
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
    lines
}

/// The columns that say something: title, cells, and true for numbers.
pub(super) fn columns(comparison: &Comparison) -> Vec<Cells> {
    let column = |title: &str, cell: &dyn Fn(&ComparedRow) -> String, numbers: bool| -> Cells {
        let cells = comparison.rows.iter().map(cell).collect();
        (title.to_string(), cells, numbers)
    };
    let difference = |row: &ComparedRow| row.judged.map(|judged| judged.difference);
    let shown = |row: &ComparedRow| {
        let found = difference(row);
        let bounds = interval(found.and_then(|found| found.interval), DIGITS);
        let mean = signed(found.map(|found| found.mean), DIGITS);
        format!("{mean} {bounds}").trim_end().to_string()
    };
    let status = |row: &ComparedRow| match row.status.as_str() {
        "ok" => String::new(),
        other => other.to_string(),
    };
    let pairs = |row: &ComparedRow| {
        difference(row).map_or("0".to_string(), |found| found.pairs.to_string())
    };
    let bootstrap =
        |row: &ComparedRow| interval(difference(row).and_then(|found| found.bootstrap), DIGITS);
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
    let says = |(_, cells, _): &Cells| cells.iter().any(|cell| !cell.is_empty());
    columns.into_iter().filter(says).collect()
}

/// Every difference in settings once, with the rows that have it.
pub(super) fn settings(comparison: &Comparison) -> Vec<String> {
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

fn csv(comparisons: &[Comparison], _screen: Screen) -> Result<String> {
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
