//! Tables for the terminal: aligned columns that fit it, and one legend below all tables.

use super::cell::{interval, p, rounded, signed};
use super::columns::{Content, Kind, Shown, order, shown};
use super::legend;
use super::look::Look;
use super::matrix::Matrix;
use super::statistics::Verdict;
use super::table::Table;
use crate::screen::{Column, Grid, Page, Tone, one_line};
use anyhow::Result;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The beginning of the lines of a header that tell which results were computed elsewhere.
const REUSED: &str = "Reused:";
/// The columns down to which the label of a row is broken into lines.
const LABEL_LEAST: usize = 14;

/// Writes the tables, one below the other, and one legend for all.
pub fn render(tables: &[Table], look: &Look) -> Result<String> {
    let mut page = Page::new(look.screen);
    let mut titles: BTreeSet<String> = BTreeSet::new();
    for table in tables {
        let header = &table.header;
        let name = page.paint(Tone::Heading, &header.name);
        writeln!(page, "{name}: {}", one_line(&header.question))?;
        if let Some(matrix) = Matrix::of(table) {
            page.grid(&of_matrix(&matrix, table, look));
            writeln!(page, "{}", Matrix::legend(table))?;
        }
        let columns = shown(table, look);
        for (group, rows) in table.blocks() {
            if let Some(group) = group {
                let title = page.paint(Tone::Heading, &one_line(&group.title));
                writeln!(page, "{title}")?;
            }
            let columns: Vec<Shown> = columns
                .iter()
                .map(|one| one.of_rows(rows.clone()))
                .collect();
            let grid = grid(table, &columns, look);
            titles.extend(grid.titles(look.screen).into_iter().map(String::from));
            page.grid(&grid);
            let reference = group.map(|group| &group.reference);
            let reference = reference.or(header.reference.as_ref());
            let compared = table.rows.iter().any(|row| row.judged.is_some());
            if let Some(reference) = reference.filter(|_| compared) {
                writeln!(page, "Differences are to `{reference}`.")?;
            }
        }
        for line in header
            .provenance
            .iter()
            .filter(|line| line.starts_with(REUSED))
        {
            writeln!(page, "{}", one_line(line))?;
        }
        if let Some(agreement) = legend::agreement(table) {
            writeln!(page, "{agreement}")?;
        }
        for line in &table.cautions {
            writeln!(page, "May mislead: {}.", one_line(line))?;
        }
        writeln!(page)?;
    }
    // What gave way to the width needs no explanation.
    let is_shown = |line: &String| match line
        .strip_prefix('`')
        .and_then(|rest| rest.split_once("`:"))
    {
        Some((title, _)) => {
            let is_verdict = title == Verdict::Identical.to_string();
            is_verdict || titles.contains(title) || table_metric(tables, title)
        }
        None => true,
    };
    for line in legend::once(tables, look).into_iter().filter(is_shown) {
        writeln!(page, "{}", page.paint(Tone::Quiet, &one_line(&line)))?;
    }
    Ok(page.finish())
}

/// Returns true if `name` is a metric of one of the tables, which its column need not name.
fn table_metric(tables: &[Table], name: &str) -> bool {
    tables
        .iter()
        .any(|table| table.metrics.iter().any(|metric| metric == name))
}

/// The matrix of a table. Its last columns give way to the width.
fn of_matrix(matrix: &Matrix, table: &Table, look: &Look) -> Grid {
    let columns = matrix.grid(table, look).into_iter();
    let columns = columns.map(|(title, cells, numbers)| match numbers {
        true => Column::numbers(&title, cells),
        false => Column::text(&title, cells).breaks_to(LABEL_LEAST),
    });
    let order: Vec<&str> = matrix.columns.iter().rev().copied().collect();
    Grid::new(columns.collect(), &order)
}

/// The `columns` of a table, or of a group of its rows.
fn grid(table: &Table, columns: &[Shown], look: &Look) -> Grid {
    let title_of = |name: &str| {
        let mut all = columns.iter();
        let found = all.find(|column| column.kind.name() == name);
        found.map(|column| column.title.clone())
    };
    // Columns that the user names give way from the last one on.
    let names = match look.columns.is_empty() {
        true => order(table),
        false => {
            let named = columns.iter().skip(1).rev().map(|one| one.kind.name());
            named
                .flat_map(|name| [name.to_string(), name.to_string()])
                .collect()
        }
    };
    let titles: Vec<String> = names.iter().filter_map(|name| title_of(name)).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let drawn = columns.iter().map(|one| column(one, look)).collect();
    Grid::new(drawn, &titles)
}

/// A column with its shorter forms.
fn column(shown: &Shown, look: &Look) -> Column {
    let cells = |short: bool| -> Vec<String> {
        let cells = shown.cells.iter();
        cells.map(|cell| text(cell, look, short)).collect()
    };
    let title = &*shown.title;
    let column = match shown.kind.is_number() {
        true => Column::numbers(title, cells(false)),
        false => Column::text(title, cells(false)),
    };
    let column = match cells(true) == cells(false) {
        true => column,
        false => column.or(cells(true)),
    };
    match shown.kind {
        Kind::Label => column.breaks_to(LABEL_LEAST),
        Kind::Verdict | Kind::Status => column.toned(tone),
        _ => column,
    }
}

/// The colour of a verdict or a state.
pub(super) fn tone(text: &str) -> Tone {
    match text.split([' ', ':']).next() {
        Some("helps") => Tone::Good,
        Some("hurts" | "failed") => Tone::Bad,
        Some("inconclusive" | "identical" | "same" | "pending" | "open") => Tone::Quiet,
        _ => Tone::Plain,
    }
}

/// A cell in its whole or in its short form.
pub fn text(cell: &Content, look: &Look, short: bool) -> String {
    let digits = look.decimals();
    match cell {
        Content::Text(text) if short => {
            let first = text.split(": ").next().unwrap_or_default();
            match first {
                "failed" => first.to_string(),
                _ => one_line(text),
            }
        }
        Content::Text(text) => one_line(text),
        Content::Count(count) => count.to_string(),
        Content::Mean(value, deviation, _) => {
            let mean = rounded(*value, digits);
            match deviation.filter(|_| !short) {
                Some(deviation) => format!("{mean} ± {}", rounded(Some(deviation), digits)),
                None => mean,
            }
        }
        Content::Number(value) => rounded(*value, digits),
        Content::Signed(value) => signed(*value, digits),
        Content::Difference(difference, conclusive) => {
            let star = if look.compact && *conclusive { "*" } else { "" };
            let mean = signed(difference.map(|found| found.mean), digits) + star;
            let bounds = difference.and_then(|found| found.interval);
            match bounds.filter(|_| !short && !look.compact) {
                Some(bounds) => format!("{mean} {}", interval(Some(bounds), digits)),
                None => mean,
            }
        }
        Content::Interval(bounds) => interval(*bounds, digits),
        Content::P(value) => p(*value),
        Content::Verdict(verdict) => verdict.map_or(String::new(), |one| one.to_string()),
    }
}
