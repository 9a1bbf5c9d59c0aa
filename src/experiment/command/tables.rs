//! `harness table` and `harness compare`: the tables of results folders, made again from their records.

use super::details::Details;
use crate::experiment::settings::stored::stored;
use crate::experiment::store::root::settings_of;
use crate::experiment::trial::inputs::CommandError;
use crate::recipe::hint;
use crate::report::{
    Comparison, ComparisonFormat, Format, Look, Order, ResultsFolder, Table, TableLayout,
    column_names, compare as compare_tables, known_column,
};
use crate::screen::Screen;
use anyhow::{Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;

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
            let names = column_names(&tables);
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            bail!(
                "--columns: no column `{unknown}`; known: {}",
                names.join(", ")
            );
        }
        Ok(Rendered {
            text: (format.render)(&tables, look)?,
            warnings: folder
                .damaged
                .iter()
                .map(|line| format!("left out {line}"))
                .collect(),
        })
    };
    told().map_err(CommandError::Input)
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

/// The differences between the results folders `first` (A) and `second` (B), row by row.
///
/// # Errors
/// A folder has no results or damaged ones, or neither folder has the sweep.
pub fn compare(
    first: &Path,
    second: &Path,
    ask: TableRequest,
    format: &ComparisonFormat,
) -> Result<Rendered, CommandError> {
    let told = || {
        let folders = [first, second];
        let [one, other] = folders.map(ResultsFolder::read_undamaged);
        let (one, other) = (one?, other?);
        let places = format!("{} or {}", first.display(), second.display());
        let names = known(&[&one, &other]);
        let chosen = chosen(&names, ask.sweep, &places)?;
        let mut comparisons: Vec<Comparison> = chosen
            .iter()
            .filter_map(|name| compare_tables(name, &one, &other, ask.metric))
            .collect();
        for row in comparisons.iter_mut().flat_map(|one| &mut one.rows) {
            let trials = row.trials.as_ref();
            let differing = trials.and_then(|(one, other)| settings(folders, [one, other]));
            row.settings = differing.unwrap_or_default();
        }
        Ok(Rendered {
            text: (format.render)(&comparisons, ask.screen)?,
            warnings: Vec::new(),
        })
    };
    told().map_err(CommandError::Input)
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

/// The differences between the settings of two trials, as `key: A -> B`; none if the store of a folder no
/// longer has the settings.
fn settings(folders: [&Path; 2], hashes: [&str; 2]) -> Option<Vec<String>> {
    if hashes[0] == hashes[1] {
        return Some(Vec::new());
    }
    let read = |index: usize| -> Option<BTreeMap<String, Value>> {
        let text = std::fs::read_to_string(settings_of(folders[index], hashes[index])).ok()?;
        let mut flat = BTreeMap::new();
        flatten("", &Value::Table(stored(&text)?), &mut flat);
        Some(flat)
    };
    let (one, other) = (read(0)?, read(1)?);
    let shown = |value: Option<&Value>| value.map_or("not set".to_string(), Value::to_string);
    let keys = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    let mut differing: Vec<String> = keys
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| {
            let (from, to) = (shown(one.get(key)), shown(other.get(key)));
            format!("{key}: {from} -> {to}")
        })
        .collect();
    differing.sort();
    Some(differing)
}

/// The values of a table by their key paths.
fn flatten(path: &str, value: &Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(&path, value, flat);
            }
        }
        value => drop(flat.insert(path.to_string(), value.clone())),
    }
}
