//! `harness export curves`: the journals of a results folder as one CSV.
//!
//! Long: one line for each number. Wide: one line for each line of a journal, with a column for each key. A stage that
//! rows share stands under each of them.

use crate::atomic::write_atomically;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::root::Store;
use crate::experiment::trial::inputs::CommandError;
use crate::experiment::trial::key::StageKey;
use crate::report::{ResultsFolder, layout};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The key of a journal's line that says where it ends.
const STEP: &str = "step";
/// The columns before those of the numbers.
const PLACE: [&str; 5] = ["sweep", "label", "seed", "stage", STEP];

/// The journals of the results folder `folder` as CSV: long, or `wide`. Written to `out` if it is given; otherwise
/// the text is returned.
///
/// # Errors
/// - [`CommandError::Input`]: the folder has no tables or no working data.
/// - [`CommandError::Output`]: the file cannot be written.
pub fn curves(folder: &Path, out: Option<&Path>, wide: bool) -> Result<String, CommandError> {
    let curves = read(folder).map_err(CommandError::Input)?;
    let text = match wide {
        true => in_columns(&curves),
        false => in_lines(&curves),
    };
    let text = text.map_err(CommandError::Output)?;
    let Some(out) = out else {
        return Ok(text);
    };
    write_atomically(out, text.as_bytes()).map_err(CommandError::Output)?;
    let lines = curves.iter().map(|curve| curve.lines.len()).sum();
    let (lines, curves) = (
        crate::screen::counted(lines, "line"),
        crate::screen::counted(curves.len(), "journal"),
    );
    Ok(format!("{}: {lines} of {curves}\n", out.display()))
}

/// The journal of one stage of one row.
struct Curve {
    sweep: String,
    label: String,
    seed: u64,
    stage: String,
    /// The lines: their steps, and their numbers by key.
    lines: Vec<Line>,
}

impl Curve {
    /// The cells of [`PLACE`].
    fn place(&self, step: u64) -> [String; PLACE.len()] {
        let (seed, step) = (self.seed.to_string(), step.to_string());
        [
            self.sweep.clone(),
            self.label.clone(),
            seed,
            self.stage.clone(),
            step,
        ]
    }
}

/// The journals of all rows, in the order of the tables.
fn read(folder: &Path) -> Result<Vec<Curve>> {
    ResultsFolder::require(folder)?;
    let tables = layout::read(folder)?.unwrap_or_default();
    let Some(store) = Store::look(folder) else {
        bail!(
            "{}: there is no .store in it, which holds the journals; published results have none",
            folder.display()
        );
    };
    let (_, plans, _) = FrozenPlan::read_all(folder)?;
    let mut stages: BTreeMap<&str, Vec<&StageKey>> = BTreeMap::new();
    for plan in &plans {
        for trial in &plan.trials {
            let keys = trial.stages.iter().map(|stage| &plan.stages[*stage].key);
            stages.insert(&trial.hash, keys.collect());
        }
    }
    let mut known: BTreeMap<&StageKey, Vec<Line>> = BTreeMap::new();
    let mut curves = Vec::new();
    for table in &tables {
        for row in &table.rows {
            for (hash, seed) in row.trials.iter().zip(&table.seeds) {
                for key in stages.get(hash.as_str()).into_iter().flatten().copied() {
                    let path = store.stage(key).journal();
                    if !path.exists() {
                        continue;
                    }
                    let lines = match known.get(key) {
                        Some(lines) => lines.clone(),
                        None => known.entry(key).or_insert(lines(&path)?).clone(),
                    };
                    curves.push(Curve {
                        sweep: table.name.clone(),
                        label: row.label.clone(),
                        seed: *seed,
                        stage: key.kind().to_string(),
                        lines,
                    });
                }
            }
        }
    }
    Ok(curves)
}

/// A line of a journal: its step, and its other plain values by their keys.
type Line = (u64, Vec<(String, String)>);

/// The lines of the journal at `path`. The last one may be cut off where a process is writing it.
fn lines(path: &Path) -> Result<Vec<Line>> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let line = |text: &str| {
        let line: Map<String, Value> = serde_json::from_str(text).ok()?;
        let step = line.get(STEP)?.as_u64()?;
        let mut numbers = Vec::new();
        for (key, value) in line.iter().filter(|(key, _)| *key != STEP) {
            flatten(key, value, &mut numbers);
        }
        Some((step, numbers))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// The plain values in `value`: those of an object as `key.name`, those of a list as `key.0`, `key.1`, ...
fn flatten(key: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                flatten(&format!("{key}.{name}"), value, found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                flatten(&format!("{key}.{index}"), value, found);
            }
        }
        Value::Null => found.push((key.to_string(), String::new())),
        Value::String(text) => found.push((key.to_string(), text.clone())),
        other => found.push((key.to_string(), other.to_string())),
    }
}

/// One line for each number.
fn in_lines(curves: &[Curve]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(PLACE.iter().chain(&["key", "value"]))?;
    for curve in curves {
        for (step, numbers) in &curve.lines {
            let place = curve.place(*step);
            for (key, value) in numbers {
                writer.write_record(place.iter().chain([key, value]))?;
            }
        }
    }
    text(writer)
}

/// One line for each line of a journal. The columns stand in the order in which the keys are met.
fn in_columns(curves: &[Curve]) -> Result<String> {
    let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
    let mut keys: Vec<&str> = Vec::new();
    let numbers = curves.iter().flat_map(|curve| &curve.lines);
    for (key, _) in numbers.flat_map(|(_, numbers)| numbers) {
        columns.entry(key).or_insert_with(|| {
            keys.push(key);
            keys.len() - 1
        });
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(PLACE.iter().chain(&keys))?;
    for curve in curves {
        for (step, numbers) in &curve.lines {
            let mut cells = vec![""; keys.len()];
            for (key, value) in numbers {
                cells[columns[key.as_str()]] = value;
            }
            let place = curve.place(*step);
            writer.write_record(place.iter().map(String::as_str).chain(cells))?;
        }
    }
    text(writer)
}

/// The text that `writer` holds.
fn text(writer: csv::Writer<Vec<u8>>) -> Result<String> {
    let bytes = writer.into_inner().context("CSV in memory")?;
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_within_values_have_keys_of_their_own() {
        let value: Value =
            serde_json::from_str(r#"{"class":[0.5,1],"name":"x","none":null}"#).unwrap();
        let mut found = Vec::new();
        flatten("thresholds", &value, &mut found);
        let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
        let expected = [
            pair("thresholds.class.0", "0.5"),
            pair("thresholds.class.1", "1"),
            pair("thresholds.name", "x"),
            pair("thresholds.none", ""),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_key_that_a_line_lacks_leaves_an_empty_cell() {
        let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
        let curve = Curve {
            sweep: "s".into(),
            label: "a, b".into(),
            seed: 3,
            stage: "distill".into(),
            lines: vec![
                (20, vec![pair("loss", "1.5")]),
                (40, vec![pair("loss", "1.25"), pair("kept", "7")]),
            ],
        };
        let curves = [curve];
        assert_eq!(
            in_columns(&curves).unwrap(),
            "sweep,label,seed,stage,step,loss,kept\ns,\"a, b\",3,distill,20,1.5,\ns,\"a, b\",3,distill,40,1.25,7\n"
        );
        assert_eq!(
            in_lines(&curves).unwrap().lines().last(),
            Some("s,\"a, b\",3,distill,40,kept,7")
        );
    }
}
