//! `harness table` and `harness compare`: the tables of results folders, made again from their records.

use super::details::Details;
use crate::experiment::insight::choice::Results;
use crate::experiment::insight::differing::settings;
use crate::experiment::trial::inputs::CommandError;
use crate::recipe::{hint, nearest};
use crate::report::{
    Comparison, ComparisonFormat, Format, Look, Order, ResultsFolder, RowPair, Table, TableLayout,
    column_names, compare as compare_tables, compare_rows, known_column,
};
use crate::screen::Screen;
use anyhow::{Result, anyhow, bail, ensure};
use std::path::Path;

/// The format that writes single trials.
const TIDY: &str = "tidy";

/// A request for tables.
#[derive(Clone, Copy)]
pub struct TableRequest<'a> {
    /// Only this sweep.
    pub sweep: Option<&'a str>,
    /// The metric of differences and verdicts; none for the first metric of the records.
    pub metric: Option<&'a str>,
    /// The place where the text is shown.
    pub screen: Screen,
}

/// A rendered text, with warnings about what was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The text; it ends with a newline.
    pub text: String,
    /// The warnings, one line each.
    pub warnings: Vec<String>,
}

/// The tables of the results folder `folder`, with their rows in the given order.
///
/// # Errors
/// The folder has no results, or none that can be read, or the sweep or a column is unknown.
pub fn table(
    folder: &Path,
    ask: TableRequest,
    order: Order,
    format: &Format,
    look: &Look,
) -> Result<Rendered, CommandError> {
    let told = || {
        suits(format, look)?;
        let folder = ResultsFolder::read(folder)?;
        let names = known(&[&folder]);
        let chosen = chosen(&names, ask.sweep, &folder.path.display().to_string())?;
        let tables = folder
            .tables
            .iter()
            .filter(|table| chosen.contains(&table.name.as_str()));
        let details = Details::new(&folder);
        let every_number = format.name == TIDY || !look.columns.is_empty();
        let sorted = |layout: &TableLayout| {
            let mut table = folder.table(layout, ask.metric);
            if every_number {
                let more = details.of(layout);
                table.add_values(layout, |hash| folder.records.get(hash), &more);
            }
            table.sort(order);
            table
        };
        let tables: Vec<Table> = tables.map(sorted).collect();
        if let Some(unknown) = look
            .columns
            .iter()
            .find(|name| !known_column(&tables, name))
        {
            bail!(
                "--columns: no column `{unknown}`{}",
                other_columns(unknown, &column_names(&tables))
            );
        }
        Ok(Rendered {
            text: (format.render)(&tables, look)?,
            warnings: {
                let damaged = folder.damaged.iter();
                let damaged = damaged.map(|line| format!("left out {line}"));
                let cautions = cautions(&tables).filter(|_| !format.cautions);
                damaged.chain(cautions).collect()
            },
        })
    };
    told().map_err(CommandError::Input)
}

/// What may mislead the readers of `tables`, with the names of the tables.
fn cautions(tables: &[Table]) -> impl Iterator<Item = String> {
    tables.iter().flat_map(|table| {
        let lines = table.cautions.iter();
        lines.map(|line| format!("`{}`: {line}", table.header.name))
    })
}

/// Returns `; did you mean ...?`, or else the names of all columns. Those of the classes are told by one of them.
fn other_columns(unknown: &str, names: &[String]) -> String {
    if let Some(near) = nearest(unknown, names.iter().map(String::as_str)) {
        return format!("; did you mean `{near}`?");
    }
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let name = match name.split_once(':') {
            Some((metric, _)) => format!("`{metric}:CLASS`"),
            None => format!("`{name}`"),
        };
        if !known.contains(&name) {
            known.push(name);
        }
    }
    format!("; known: {}", known.join(", "))
}

/// Refuses a look that the format does not know.
fn suits(format: &Format, look: &Look) -> Result<()> {
    let name = format.name;
    ensure!(
        name != TIDY || look.columns.is_empty(),
        "--columns does not fit --format {TIDY}, which has one line for each number"
    );
    let people = ["md", "latex", "text"];
    ensure!(
        !look.compact || people.contains(&name),
        "--compact does not fit --format {name}; it fits {}",
        people.join(", ")
    );
    Ok(())
}

/// The differences between the results folders `first` (A) and `second` (B), row by row. With `rows`, only these are
/// compared; each reads `A=B`, the label of a row of each folder, or is one label that both have.
///
/// # Errors
/// A folder has no results or damaged ones, neither folder has the sweep, or a folder does not have the row.
pub fn compare(
    first: &Path,
    second: &Path,
    ask: TableRequest,
    rows: &[String],
    format: &ComparisonFormat,
) -> Result<Rendered, CommandError> {
    let told = || {
        let comparisons = comparisons([first, second], ask.sweep, ask.metric, rows)?;
        Ok(Rendered {
            text: (format.render)(&comparisons, ask.screen)?,
            warnings: Vec::new(),
        })
    };
    told().map_err(CommandError::Input)
}

/// The differences between two results folders: of all sweeps or of `sweep`, of all rows or of `rows`.
///
/// # Errors
/// As for [`compare`].
pub(super) fn comparisons(
    folders: [&Path; 2],
    sweep: Option<&str>,
    metric: Option<&str>,
    rows: &[String],
) -> Result<Vec<Comparison>> {
    let [one, other] = folders.map(ResultsFolder::read_undamaged);
    let (one, other) = (one?, other?);
    let [first, second] = folders.map(Path::display);
    let places = format!("{first} or {second}");
    let names = known(&[&one, &other]);
    let chosen = chosen(&names, sweep, &places)?;
    let mut comparisons: Vec<Comparison> = match rows {
        [] => chosen
            .iter()
            .filter_map(|name| compare_tables(name, &one, &other, metric))
            .collect(),
        rows => {
            let pairs = rows.iter().map(|row| pair(row, folders, sweep));
            let pairs = pairs.collect::<Result<Vec<_>>>()?;
            vec![compare_rows(&pairs, &one, &other, metric)]
        }
    };
    for row in comparisons.iter_mut().flat_map(|one| &mut one.rows) {
        let trials = row.trials.as_ref();
        let differing = trials.and_then(|(one, other)| settings(folders, [one, other]));
        row.settings = differing.unwrap_or_default();
    }
    Ok(comparisons)
}

/// The pair of rows that `text` names, as `A=B` or as one label. A label may itself contain `=`.
fn pair(text: &str, folders: [&Path; 2], sweep: Option<&str>) -> Result<RowPair> {
    let [one, other] = folders.map(Results::open);
    let folders = [one?, other?];
    let has = |side: usize, label: &str| {
        let mut tables = folders[side].tables.iter();
        tables.any(|table| table.rows.iter().any(|row| row.label == label))
    };
    let splits = text
        .match_indices('=')
        .map(|(at, _)| [text[..at].trim(), text[at + 1..].trim()]);
    let splits: Vec<[&str; 2]> = [[text, text]].into_iter().chain(splits).collect();
    let fitting = splits
        .iter()
        .filter(|[one, other]| has(0, one) && has(1, other));
    let fitting: Vec<&[&str; 2]> = fitting.collect();
    let labels = match (&fitting[..], text.split_once('=')) {
        ([labels], _) => **labels,
        // The message about the row that is missing names the nearest one.
        ([], Some((one, other))) => [one.trim(), other.trim()],
        ([], None) => [text, text],
        (several, _) => {
            let several: Vec<String> = several
                .iter()
                .map(|[one, other]| format!("`{one}` of A with `{other}` of B"))
                .collect();
            bail!("--row {text} can mean {}", several.join(" or "))
        }
    };
    let side = |side: usize| -> Result<(String, String)> {
        // Each folder may have the sweep under its own name.
        let own = sweep.filter(|sweep| folders[side].tables(Some(sweep)).is_ok());
        let (row, _) = folders[side].row(own, Some(labels[side]))?;
        Ok((row.table.name.clone(), row.row.label.clone()))
    };
    Ok(RowPair([side(0)?, side(1)?]))
}

/// The names of all sweeps of `folders`, each once.
fn known<'a>(folders: &[&'a ResultsFolder]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for table in folders.iter().flat_map(|folder| &folder.tables) {
        if !names.contains(&table.name.as_str()) {
            names.push(&table.name);
        }
    }
    names
}

/// The requested sweeps of those in `known`: `sweep`, or all.
fn chosen<'a>(known: &[&'a str], sweep: Option<&str>, place: &str) -> Result<Vec<&'a str>> {
    match sweep {
        None => Ok(known.to_vec()),
        Some(sweep) => match known.iter().find(|name| **name == sweep) {
            Some(name) => Ok(vec![name]),
            None => Err(anyhow!(
                "no sweep `{sweep}` in {place}{}",
                hint(sweep, known.iter().copied())
            )),
        },
    }
}
