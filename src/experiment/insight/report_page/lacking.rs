//! What finished trials of a sweep should have left in the store and have not.

use super::super::analysed::AnalysedRows;
use super::super::choice::Results;
use super::super::evidence::Evidence;
use super::super::trial::{KeptTrial, planned};
use serde_json::{Map, Value};
use std::path::Path;

/// The most rows that a warning names.
const NAMED: usize = 6;

/// Rows by label, each with some of its seeds.
type Seeds<'a> = Vec<(&'a str, Vec<u64>)>;

/// The state of the journals of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    Whole,
    /// A line cannot be read, or the last ones are missing.
    Cut,
    Lost,
}

/// The warnings about the journals of finished trials.
pub fn journals(results: &Results, rows: &[Evidence]) -> Vec<String> {
    let of = |wanted: Kept| -> Seeds {
        let found = rows.iter().map(|row| {
            let trials = row.trials.iter().filter(|trial| trial.is_finished());
            let trials = trials.filter(|trial| kept(results, trial) == wanted);
            (row.label, trials.map(|trial| trial.seed).collect())
        });
        found
            .filter(|(_, seeds): &(_, Vec<u64>)| !seeds.is_empty())
            .collect()
    };
    let told = |seeds: &Seeds, what: &str| {
        let rows = named(seeds);
        (!seeds.is_empty()).then(|| {
            format!("the journals of {rows} are {what}: curves, pseudo-labels and thresholds lack what stood in them")
        })
    };
    let (lost, cut) = (of(Kept::Lost), of(Kept::Cut));
    let lines = [told(&lost, "lost"), told(&cut, "cut or damaged")];
    lines.into_iter().flatten().collect()
}

/// The state of the journals of a trial. One that was computed elsewhere has none.
fn kept(results: &Results, trial: &KeptTrial) -> Kept {
    let reused = planned(&results.plans, trial.hash);
    if reused.is_some_and(|(_, entry)| entry.reused.is_some()) {
        return Kept::Whole;
    }
    let ends = trial
        .trainings()
        .map(|stage| (stage.folder.journal(), stage.entry.steps[1]));
    let journals: Vec<_> = ends.collect();
    let lost = journals.iter().all(|(path, _)| !path.exists());
    match journals.last() {
        // The stages may have been deleted; the trial's own folder has a copy.
        Some((_, end)) if lost => state(&trial.copy_of_journal, *end),
        _ => {
            let states = journals.iter().map(|(path, end)| state(path, *end));
            states.max().unwrap_or(Kept::Whole)
        }
    }
}

/// The state of the journal at `path` of a training that ends at the step `end`.
fn state(path: &Path, end: usize) -> Kept {
    let Ok(bytes) = std::fs::read(path) else {
        return Kept::Lost;
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut last = None;
    for line in text.lines() {
        let Ok(readings) = serde_json::from_str::<Map<String, Value>>(line) else {
            return Kept::Cut;
        };
        last = readings.get("step").and_then(Value::as_u64);
    }
    match last == Some(end as u64) {
        true => Kept::Whole,
        false => Kept::Cut,
    }
}

/// The warnings about finished trials that the figures of the detections lack; none if nobody has analysed any.
pub fn analyses(rows: &[Evidence], found: &AnalysedRows) -> Vec<String> {
    if found.rows.is_empty() {
        return Vec::new();
    }
    let has_network = |row: usize, seed: &u64| {
        let mut trials = rows[row].trials.iter();
        let trial = trials.find(|trial| trial.seed == *seed);
        let last = trial.and_then(|trial| trial.trainings().last());
        last.is_some_and(|stage| stage.folder.result().exists())
    };
    let of = |wanted: bool| -> Seeds {
        let seeds = found.absent.iter().map(|(row, seeds)| {
            let own = seeds
                .iter()
                .filter(|seed| has_network(*row, seed) == wanted);
            (rows[*row].label, own.copied().collect())
        });
        seeds
            .filter(|(_, seeds): &(_, Vec<u64>)| !seeds.is_empty())
            .collect()
    };
    let out = "left out of the figures of the detections";
    let mut lines = Vec::new();
    let gone = of(false);
    if !gone.is_empty() {
        let rows = named(&gone);
        lines.push(format!(
            "{out}: {rows}, as there is no analysis and the trained network is not in the store"
        ));
    }
    let unmade = of(true);
    if !unmade.is_empty() {
        let rows = named(&unmade);
        lines.push(format!(
            "{out}: {rows}, as nobody has analysed them; `harness report --analyse` does it"
        ));
    }
    if !found.apart.is_empty() {
        let apart = found.apart.iter().map(|row| (rows[*row].label, Vec::new()));
        let rows = named(&apart.collect());
        lines.push(format!(
            "{out}: {rows}, as the evaluated images or classes are not those of the first row"
        ));
    }
    lines
}

/// The rows with their seeds in words, the first of them by name.
fn named(rows: &Seeds) -> String {
    let word = |(label, seeds): &(&str, Vec<u64>)| {
        let numbers: Vec<String> = seeds.iter().map(u64::to_string).collect();
        match &numbers[..] {
            [] => format!("`{label}`"),
            [one] => format!("`{label}` (seed {one})"),
            all => format!("`{label}` (seeds {})", all.join(", ")),
        }
    };
    let first: Vec<String> = rows.iter().take(NAMED).map(word).collect();
    match rows.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more rows", first.join(", ")),
    }
}
