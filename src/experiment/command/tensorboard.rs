//! `harness export tensorboard`: the trials of a results folder as event files of TensorBoard.
//!
//! Each trial is a run: `<sweep>/<label>/seed-<seed>/events.out.tfevents.0.harness`, with every number of its
//! journals, its metrics at the end, and the settings in which the rows of its sweep differ as hyperparameters. The
//! file at the top names all hyperparameters and metrics.

use super::look::check_empty;
use crate::atomic::{Durability, write_durably};
use crate::experiment::insight::choice::Results;
use crate::experiment::insight::classes::{names_of, told};
use crate::experiment::insight::differing::flat;
use crate::experiment::insight::journal::{Line, lines};
use crate::experiment::insight::portrait::name_of;
use crate::experiment::insight::thresholds::lists;
use crate::experiment::insight::trial::KeptTrial;
use crate::experiment::store::root::digests_of;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::inputs::CommandError;
use crate::metrics::Metrics;
use crate::report::TableLayout;
use crate::report::tensorboard::{EventFile, Setting, SettingType};
use crate::screen::counted;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::Value;

/// The name of every file: TensorBoard looks for `tfevents`.
const FILE: &str = "events.out.tfevents.0.harness";
/// The characters of a folder's name.
const NAME: usize = 100;

/// Writes the event files of the results folder `folder` to `out`, and returns a summary.
///
/// # Errors
/// - [`CommandError::Input`]: the folder has no results or no store, or `out` has files in it.
/// - [`CommandError::Output`]: a file cannot be written.
pub fn tensorboard(folder: &Path, out: &Path) -> Result<String, CommandError> {
    check_empty(out).map_err(CommandError::Input)?;
    let mut runs = read(folder).map_err(CommandError::Input)?;
    let settings = settings_of(&mut runs);
    let mut experiment = EventFile::default();
    experiment.experiment(&settings, &metrics_of(&runs));
    let write = |path: &Path, file: &EventFile| {
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = written.map_err(anyhow::Error::from);
        let written = written.and_then(|()| write_durably(path, file.bytes(), Durability::Cached));
        written.map_err(CommandError::Output)
    };
    write(&out.join(FILE), &experiment)?;
    let mut taken = BTreeSet::new();
    let mut groups: BTreeMap<(&str, &str), PathBuf> = BTreeMap::new();
    for run in &runs {
        let group = groups.entry((&run.sweep, &run.label)).or_insert_with(|| {
            let place = Path::new(&file_name(&run.sweep)).join(file_name(&run.label));
            free(place, &mut taken)
        });
        let place = group.join(format!("seed-{}", run.seed));
        write(&out.join(place).join(FILE), &run.file())?;
    }
    Ok(format!("{}: {}", out.display(), counted(runs.len(), "run")))
}

/// A trial under a row.
struct Run {
    sweep: String,
    label: String,
    seed: u64,
    /// The settings in which the rows of its sweep differ, by their keys.
    settings: Vec<(String, Setting)>,
    /// The numbers by step and tag.
    scalars: Vec<(u64, Vec<(String, f64)>)>,
    /// The metrics by tag; empty unless it is finished.
    metrics: Vec<(String, f64)>,
    /// The last step.
    steps: u64,
    success: bool,
}

impl Run {
    fn file(&self) -> EventFile {
        let mut file = EventFile::default();
        file.begin(&self.settings, &format!("{}/{}", self.sweep, self.label));
        let last = (self.steps, self.metrics.clone());
        for (step, values) in self.scalars.iter().chain([&last]) {
            let values = values.iter().map(|(tag, value)| (tag.as_str(), *value));
            file.scalars(*step, values);
        }
        file.end(self.steps, self.success);
        file
    }
}

/// The runs, in the order of the tables.
fn read(folder: &Path) -> Result<Vec<Run>> {
    let results = Results::open(folder)?;
    results.store()?;
    let datasets = Datasets::with_digests(digests_of(folder));
    let mut runs = Vec::new();
    for table in &results.tables {
        let differing = differing(folder, table);
        for row in &table.rows {
            for (seed, hash) in table.seeds.iter().zip(&row.trials) {
                let trial = KeptTrial::read(&results, hash, *seed)?;
                if let Some(run) = run(&trial, &datasets) {
                    let own = differing.get(hash).into_iter().flatten();
                    let seed_of = ("seed".to_string(), Setting::Number(*seed as f64));
                    runs.push(Run {
                        sweep: table.name.clone(),
                        label: row.label.clone(),
                        settings: own.cloned().chain([seed_of]).collect(),
                        ..run
                    });
                }
            }
        }
    }
    Ok(runs)
}

/// The numbers of a trial; none of one that has not begun.
fn run(trial: &KeptTrial, datasets: &Datasets) -> Option<Run> {
    let lines = lines(trial);
    if lines.is_empty() && trial.record.is_none() {
        return None;
    }
    let names = told(std::slice::from_ref(trial));
    let names = names.or_else(|| names_of(datasets, trial.settings.as_ref()).ok());
    let scalars = scalars(&lines, &|class| name_of(names.as_ref(), class));
    let record = trial.record;
    let last = scalars.last().map_or(0, |(step, _)| *step);
    let mut metrics = Vec::new();
    let of = |group: &str, found: Option<&Metrics>, metrics: &mut Vec<(String, f64)>| {
        for (name, value) in found.into_iter().flat_map(Metrics::iter) {
            metrics.extend(value.map(|value| (format!("{group}/{name}"), value)));
        }
    };
    of(
        "final",
        record.and_then(|one| one.metrics.as_ref()),
        &mut metrics,
    );
    of(
        "final-student",
        record.and_then(|one| one.student.as_ref()),
        &mut metrics,
    );
    of(
        "final-average",
        record.and_then(|one| one.average.as_ref()),
        &mut metrics,
    );
    Some(Run {
        sweep: String::new(),
        label: String::new(),
        seed: trial.seed,
        settings: Vec::new(),
        steps: record.map_or(last, |record| record.steps.max(last)),
        success: record.is_some_and(|record| record.failure().is_none()),
        scalars,
        metrics,
    })
}

/// The numbers of journals by step. `name` names a class.
fn scalars(lines: &[Line], name: &dyn Fn(usize) -> String) -> Vec<(u64, Vec<(String, f64)>)> {
    let mut found = Vec::new();
    for line in lines {
        let mut values = Vec::new();
        for (key, value) in line.readings.iter().filter(|(key, _)| *key != "step") {
            match value.as_f64() {
                Some(value) => values.push((format!("train/{key}"), value)),
                None => {
                    for (key, list) in lists(key, value) {
                        let classes = list.into_iter().enumerate();
                        let known =
                            classes.filter_map(|(class, value)| Some((name(class), value?)));
                        values
                            .extend(known.map(|(class, value)| (format!("{key}/{class}"), value)));
                    }
                }
            }
        }
        found.push((line.step, values));
    }
    found
}

/// The settings of every trial of a table in which its trials differ, by hash.
fn differing(folder: &Path, table: &TableLayout) -> BTreeMap<String, Vec<(String, Setting)>> {
    let hashes = table.rows.iter().flat_map(|row| &row.trials);
    let all: BTreeMap<&String, BTreeMap<String, Value>> = hashes
        .filter_map(|hash| Some((hash, flat(folder, hash)?)))
        .collect();
    let keys: BTreeSet<&String> = all.values().flat_map(BTreeMap::keys).collect();
    let differs = |key: &&String| {
        let values: BTreeSet<Option<String>> = all
            .values()
            .map(|own| own.get(*key).map(Value::to_string))
            .collect();
        values.len() > 1 && *key != "seed"
    };
    let keys: Vec<&String> = keys.into_iter().filter(differs).collect();
    let own = |settings: &BTreeMap<String, Value>| {
        let values = keys
            .iter()
            .filter_map(|key| Some((key.to_string(), setting(settings.get(*key)?))));
        values.collect()
    };
    all.iter()
        .map(|(hash, settings)| (hash.to_string(), own(settings)))
        .collect()
}

fn setting(value: &Value) -> Setting {
    match value {
        Value::Boolean(value) => Setting::Bool(*value),
        Value::Integer(value) => Setting::Number(*value as f64),
        Value::Float(value) => Setting::Number(*value),
        Value::String(value) => Setting::Text(value.clone()),
        other => Setting::Text(other.to_string()),
    }
}

/// The hyperparameters of all runs with their types. One with values of several types becomes a text in every run.
fn settings_of(runs: &mut [Run]) -> Vec<(String, SettingType)> {
    let mut kinds: BTreeMap<String, SettingType> = BTreeMap::new();
    for (key, setting) in runs.iter().flat_map(|run| &run.settings) {
        let kind = setting.kind();
        let known = kinds.entry(key.clone()).or_insert(kind);
        if *known != kind {
            *known = SettingType::Text;
        }
    }
    for (key, setting) in runs.iter_mut().flat_map(|run| &mut run.settings) {
        if kinds[key] == SettingType::Text {
            *setting = Setting::Text(setting.to_string());
        }
    }
    kinds.into_iter().collect()
}

/// The tags of the metrics of the reported models, in their order.
fn metrics_of(runs: &[Run]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (tag, _) in runs.iter().flat_map(|run| &run.metrics) {
        if tag.starts_with("final/") && !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    tags
}

/// `text` as the name of a folder: without separators, control characters and a dot at its beginning.
fn file_name(text: &str) -> String {
    let odd = |letter: char| letter.is_control() || "/\\:*?\"<>|".contains(letter);
    let plain = text
        .trim()
        .chars()
        .map(|letter| if odd(letter) { '_' } else { letter });
    let name: String = plain.take(NAME).collect();
    match name.starts_with('.') || name.is_empty() {
        true => format!("_{name}"),
        false => name,
    }
}

/// The folder itself, or with a number behind it where other rows have `taken` it.
fn free(place: PathBuf, taken: &mut BTreeSet<PathBuf>) -> PathBuf {
    let numbered = |number: usize| match number {
        1 => place.clone(),
        number => place.with_file_name(format!(
            "{}-{number}",
            place.file_name().unwrap_or_default().to_string_lossy()
        )),
    };
    // Some file systems do not distinguish capital letters.
    let is_free =
        |place: &PathBuf| !taken.contains(&PathBuf::from(place.to_string_lossy().to_lowercase()));
    let found = (1..).map(numbered).find(is_free).unwrap_or_default();
    taken.insert(PathBuf::from(found.to_string_lossy().to_lowercase()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::insight::journal::tests::line;

    #[test]
    fn every_number_and_every_value_of_a_class_has_a_tag() {
        let line = line(
            20,
            r#"{"step":20,"loss":1.5,"none":null,"thresholds":{"class":[0.5,null]}}"#,
        );
        let found = scalars(&[line], &|class| ["cat", "dog"][class].to_string());
        let expected = [
            ("train/loss".to_string(), 1.5),
            ("thresholds.class/cat".to_string(), 0.5),
        ];
        assert_eq!(found, [(20, expected.to_vec())]);
    }

    #[test]
    fn a_setting_of_several_types_is_a_text_in_every_run() {
        let run = |setting| Run {
            sweep: String::new(),
            label: String::new(),
            seed: 0,
            settings: vec![("key".to_string(), setting)],
            scalars: Vec::new(),
            metrics: Vec::new(),
            steps: 0,
            success: true,
        };
        let mut runs = [
            Setting::Number(0.5),
            Setting::Bool(true),
            Setting::Text("auto".into()),
        ]
        .map(run);
        assert_eq!(
            settings_of(&mut runs),
            [("key".to_string(), SettingType::Text)]
        );
        let texts = runs.map(|run| run.settings[0].1.clone());
        assert_eq!(
            texts,
            ["0.5", "true", "auto"].map(|text| Setting::Text(text.into()))
        );
        let mut same = [0.5, 2.0].map(|value| run(Setting::Number(value)));
        assert_eq!(settings_of(&mut same)[0].1, SettingType::Number);
        assert_eq!(same[1].settings[0].1, Setting::Number(2.0));
    }

    #[test]
    fn labels_become_folders_of_their_own_within_the_given_one() {
        assert_eq!(file_name("../a/b\n"), "_.._a_b");
        assert_eq!(file_name(""), "_");
        assert_eq!(file_name("- DICC"), "- DICC");
        let mut taken = BTreeSet::new();
        let names = ["s/a", "s/A", "s/a", "t/a"].map(|place| free(place.into(), &mut taken));
        assert_eq!(names, ["s/a", "s/A-2", "s/a-3", "t/a"].map(PathBuf::from));
    }
}
