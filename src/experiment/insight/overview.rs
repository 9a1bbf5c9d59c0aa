//! All rows of a results folder in a few columns: the way to the row that is of interest.

use super::aligned::{aligned, wrapped};
use super::choice::Results;
use super::portrait::of_seed;
use super::sections::Frame;
use crate::report::statistics::Verdict;
use crate::report::{IDENTICAL, Table, TableLayout, TableRow, cell};
use anyhow::{Result, bail};

/// The text about the tables of a results folder: all, or that of `sweep`; over all seeds, or over `seed` alone.
///
/// # Errors
/// There is no such sweep, or no table has the seed.
pub fn overview(
    results: &Results,
    sweep: Option<&str>,
    seed: Option<u64>,
    frame: Frame,
) -> Result<String> {
    let tables = results.tables(sweep)?;
    let chosen: Vec<TableLayout> = tables
        .iter()
        .filter_map(|table| match seed {
            None => Some((*table).clone()),
            Some(seed) => table.seeds.contains(&seed).then(|| of_seed(table, seed)),
        })
        .collect();
    if chosen.is_empty() {
        let seeds: Vec<String> = tables[0].seeds.iter().map(u64::to_string).collect();
        let (seed, folder) = (seed.unwrap_or_default(), results.path.display());
        bail!(
            "no seed {seed} in `{folder}`; its seeds: {}",
            seeds.join(", ")
        );
    }
    let mut lines = Vec::new();
    for layout in &chosen {
        let table = layout.table(|hash| results.records.get(hash), None);
        lines.extend(wrapped(
            &format!("{}: {}", layout.name, layout.question),
            frame.width,
        ));
        lines.extend(rows(&table, frame));
        lines.push(String::new());
    }
    let folder = results.path.display();
    let example = chosen.iter().flat_map(|table| &table.rows).next_back();
    let label = example.map_or("LABEL", |row| row.label.as_str());
    lines.push(match results.store {
        Some(_) => format!("why a row is as it is: harness show {folder} --row '{label}'"),
        None => {
            "why a row is as it is: not known here, because the folder has no `.store`".to_string()
        }
    });
    Ok(lines.join("\n"))
}

/// The rows of a table.
fn rows(table: &Table, frame: Frame) -> Vec<String> {
    let head = ["row", "seeds", &table.metric, "difference", "verdict"];
    let mut cells = vec![head.map(String::from).to_vec()];
    let mut notes = Vec::new();
    for row in &table.rows {
        let judged = row.judged.as_ref();
        let verdict = judged.map(|judged| judged.verdict);
        let difference = match table.is_reference(row) {
            true => "reference".to_string(),
            false => cell::signed(judged.map(|judged| judged.difference.mean), cell::DIGITS),
        };
        cells.push(vec![
            row.label.clone(),
            row.seeds.to_string(),
            cell::number(row.mean.get(&table.metric)),
            difference,
            verdict.map_or(String::new(), |verdict| verdict.to_string()),
        ]);
        notes.extend(note(row, verdict));
    }
    let mut lines = aligned(&cells, 2, frame.width);
    for note in notes {
        let note = wrapped(&note, frame.width.saturating_sub(2));
        lines.extend(note.into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// What stands out about a row: it failed, has not ended, or was identical to the reference.
fn note(row: &TableRow, verdict: Option<Verdict>) -> Option<String> {
    match (row.status.as_str(), verdict) {
        ("ok", Some(Verdict::Identical)) => Some(format!("{}: {IDENTICAL}", row.label)),
        ("ok", _) => None,
        (status, _) => Some(format!("{}: {status}", row.label)),
    }
}
