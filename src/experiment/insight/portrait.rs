//! One row of a results folder as a text for a terminal: the reason of its result in a sentence, and the numbers
//! behind it.

use super::aligned::wrapped;
use super::choice::{Results, Row};
use super::classes::{self, ClassScore, compared};
use super::differing::main_settings;
use super::evidence::Evidence;
use super::sections::{self, Frame};
use super::sentence::Finding;
use super::signs::signs;
use super::supervised::supervised;
use super::trial::KeptTrial;
use crate::report::{Record, TableLayout, TableRow};
use anyhow::Result;

/// A row with everything that is known about it.
struct Portrait<'a> {
    results: &'a Results,
    row: Row<'a>,
    /// The chosen trials, whether or not they have ended.
    chosen: Vec<KeptTrial<'a>>,
    /// Those of them that finished here and in the reference; all of them if none did.
    own: Evidence<'a>,
    /// The same trials of the reference.
    other: Option<Evidence<'a>>,
    /// The row of the table over the chosen seeds.
    judged: Option<TableRow>,
    metric: String,
    /// The classes, the one that costs most first.
    classes: Vec<ClassScore>,
    /// The names of the classes, or the reason why they are unknown.
    names: Result<Vec<String>, String>,
    /// The signs that its trainings went wrong.
    signs: Vec<String>,
    frame: Frame,
}

/// The text about the row `row`: all its seeds, or the seed `seed`.
///
/// # Errors
/// The results folder has no store, or the row has no such seed.
pub fn portrait(results: &Results, row: Row, seed: Option<u64>, frame: Frame) -> Result<String> {
    results.store()?;
    let chosen = row.trials(seed)?;
    let reference = row.reference();
    let seeds = common(results, row, &chosen)?;
    let layout = match seed {
        Some(seed) => of_seed(row.table, seed),
        None => row.table.clone(),
    };
    let table = layout.table(|hash| results.records.get(hash), None);
    let read = |row| Evidence::read(results, row, &seeds, &table.metric);
    let (own, other) = (read(row)?, reference.map(read).transpose()?);
    let settings = own.trials.iter().find_map(|trial| trial.settings.as_ref());
    let names = match classes::told(&own.trials) {
        Some(names) => Ok(names),
        None => classes::names(&results.path, settings),
    };
    let values = other.as_ref().map_or(&[][..], |other| &other.per_class);
    let name = |class| name_of(names.as_ref().ok(), class);
    // Its own row is read too: it is never the supervised one of a row with pseudo-labels.
    let rows = row.table.rows.iter().map(|one| Row { row: one, ..row });
    let rows = match own.labels.is_some() {
        true => rows.map(read).collect::<Result<Vec<_>>>()?,
        false => Vec::new(),
    };
    let kept = |(seed, hash)| KeptTrial::read(results, hash, seed);
    let portrait = Portrait {
        chosen: chosen.into_iter().map(kept).collect::<Result<_>>()?,
        classes: compared(&own.per_class, values, name),
        signs: signs(&own, supervised(&rows, &own), &table.metric, &name),
        judged: table
            .rows
            .into_iter()
            .find(|one| one.label == row.row.label),
        metric: table.metric,
        results,
        row,
        own,
        other,
        names,
        frame,
    };
    Ok(portrait.text())
}

/// The seeds of the `chosen` trials that finished in the row and in its reference; all of them if none did.
pub fn common(results: &Results, row: Row, chosen: &[(u64, &str)]) -> Result<Vec<u64>> {
    let done = |hash: &str| {
        let record = results.records.get(hash);
        record.is_some_and(|record: &Record| record.failure().is_none())
    };
    let others = row.reference().map(|row| row.trials(None)).transpose()?;
    let fits = |(seed, hash): &&(u64, &str)| {
        let other = others.iter().flatten().find(|(other, _)| other == seed);
        done(hash) && (others.is_none() || other.is_some_and(|(_, hash)| done(hash)))
    };
    let seeds: Vec<u64> = chosen.iter().filter(fits).map(|(seed, _)| *seed).collect();
    Ok(match seeds.is_empty() {
        true => chosen.iter().map(|(seed, _)| *seed).collect(),
        false => seeds,
    })
}

/// The table with the trials of one seed.
pub fn of_seed(table: &TableLayout, seed: u64) -> TableLayout {
    let mut table = table.clone();
    // The rule of seeds until decided asks for all seeds.
    (table.until, table.decisions) = (None, Vec::new());
    for row in &mut table.rows {
        let mut seeds = table.seeds.iter();
        row.trials.retain(|_| seeds.next() == Some(&seed));
    }
    table.seeds.retain(|one| *one == seed);
    table
}

/// The name of a class by its index.
pub fn name_of(names: Option<&Vec<String>>, class: usize) -> String {
    let name = names.and_then(|names| names.get(class));
    name.map_or(format!("class {class}"), String::clone)
}

impl Portrait<'_> {
    fn text(&self) -> String {
        let (own, other, frame) = (&self.own, self.other.as_ref(), self.frame);
        let name = |class| name_of(self.names.as_ref().ok(), class);
        let compared = other.is_some_and(|other| !other.per_class.is_empty());
        let mut by_class = sections::classes(&self.metric, &self.classes, compared, frame);
        if let (Err(note), false) = (&self.names, by_class.is_empty()) {
            let note = format!("The classes have no names here: {note}");
            by_class.extend(wrapped(&note, frame.width));
        }
        let parts = [
            self.head(),
            self.signs(),
            self.settings(),
            sections::curves(own, other, frame),
            sections::labels(own, other, frame),
            sections::thresholds(own, &name, frame),
            sections::pool(own, &name, frame),
            by_class,
            sections::networks(&self.metric, own, other, frame),
            sections::stages(&self.chosen, frame),
            self.commands(),
        ];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let parts: Vec<String> = parts.map(|lines| lines.join("\n")).collect();
        parts.join("\n\n")
    }

    /// The name of the row, the sentence about its result, and its failures.
    fn head(&self) -> Vec<String> {
        let width = self.frame.width;
        let seeds: Vec<String> = self
            .chosen
            .iter()
            .map(|trial| trial.seed.to_string())
            .collect();
        let noun = if seeds.len() == 1 { "seed" } else { "seeds" };
        let (label, sweep) = (&self.row.row.label, &self.row.table.name);
        let folder = self.results.path.display();
        let place = format!(
            "{label} (sweep {sweep} of {folder}, {noun} {})",
            seeds.join(", ")
        );
        let mut lines = wrapped(&place, width);
        lines.push(String::new());
        lines.extend(wrapped(&self.sentence(), width));
        for trial in &self.chosen {
            if let Some(reason) = trial.failure() {
                let reason = reason.lines().next().unwrap_or_default();
                lines.extend(wrapped(
                    &format!("Seed {} failed. {reason}", trial.seed),
                    width,
                ));
            }
        }
        lines
    }

    /// The largest reason for the result of the row.
    fn sentence(&self) -> String {
        let finding = Finding {
            row: self.row,
            chosen: &self.chosen,
            own: &self.own,
            other: self.other.as_ref(),
            judged: self.judged.as_ref().and_then(|row| row.judged.as_ref()),
            metric: &self.metric,
            classes: &self.classes,
        };
        finding.sentence()
    }

    /// The signs that the trainings of the row went wrong, one in a line.
    fn signs(&self) -> Vec<String> {
        if self.signs.is_empty() {
            return Vec::new();
        }
        let mut lines = vec!["Signs that its training went wrong".to_string()];
        for sign in &self.signs {
            let text = wrapped(sign, self.frame.width.saturating_sub(4));
            let mut lead = "  - ";
            for line in text {
                lines.push(format!("{lead}{line}"));
                lead = "    ";
            }
        }
        lines
    }

    /// The settings that differ from those of the reference.
    fn settings(&self) -> Vec<String> {
        let Some(other) = &self.other else {
            return Vec::new();
        };
        let (Some(one), Some(reference)) = (self.own.trials.first(), other.trials.first()) else {
            return Vec::new();
        };
        let folder = self.results.path.as_path();
        let title = format!("Settings: `{}` -> this row", other.label);
        let differing = main_settings([folder, folder], [reference.hash, one.hash]);
        let lines = match differing {
            None => vec!["unknown, because the store no longer has them".to_string()],
            Some(settings) if settings.is_empty() => vec!["the same".to_string()],
            Some(settings) => settings,
        };
        let lines = lines.iter().map(|line| format!("  {line}"));
        [title].into_iter().chain(lines).collect()
    }

    /// Commands that go on from here.
    fn commands(&self) -> Vec<String> {
        let seed = self.chosen.first().map_or(0, |trial| trial.seed);
        let folder = self.results.path.display();
        let row = format!(
            "{folder} --row {} --seed {seed}",
            in_quotes(&self.row.row.label)
        );
        let mut lines = vec![format!("journal: harness logs {row}")];
        let weights = self.chosen.iter().any(|trial| {
            let last = trial.trainings().last();
            last.is_some_and(|stage| stage.folder.result().exists()) && !self.classes.is_empty()
        });
        if weights {
            lines.push(format!(
                "weights: harness predict {row} --images IMAGES --out FILE"
            ));
        }
        lines
    }
}

/// A label as a word of a shell.
fn in_quotes(label: &str) -> String {
    format!("'{}'", label.replace('\'', "'\\''"))
}
