//! `harness logs`: the journals of a trial as a table, or as they are.

use super::show::Shown;
use crate::experiment::insight::aligned::aligned;
use crate::experiment::insight::choice::{Results, RowRequest};
use crate::experiment::insight::trial::{KeptStage, KeptTrial, one_trial};
use crate::experiment::outlook::standing::StageState;
use crate::experiment::store::root::Store;
use crate::experiment::trial::inputs::CommandError;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// The pause between two looks at a journal that grows.
const LOOK: Duration = Duration::from_millis(500);
/// The width of a column of numbers, with the space before it.
const COLUMN: usize = 11;
/// The columns in the order in which they are dropped where the terminal is too narrow, the last one first: the
/// title, and the reading or the two readings of which it is a share.
const COLUMNS: [(&str, &str, Option<&str>); 11] = [
    ("step", "step", None),
    ("loss", "loss", None),
    ("kept/image", "kept-per-image", None),
    ("precision", "right", Some("kept")),
    ("recall", "right", Some("objects")),
    ("kept", "kept", None),
    ("flips", "flips", None),
    ("put right", "flips-right", None),
    ("broken", "flips-broken", None),
    ("gradient", "gradient-norm", None),
    ("rate", "rate", None),
];

/// The way in which journals are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFormat {
    /// The characters of a line.
    pub width: usize,
    /// True for the lines as they are in the files.
    pub json: bool,
    /// True to wait for more lines as long as a process works on the trial.
    pub follow: bool,
}

/// Gives the journals of a trial to `print`, line by line, and returns notes about how the request was understood.
/// Without a label, the trials of all rows are listed with their states.
///
/// # Errors
/// There is no such row, seed or sweep, or the folder has no store.
pub fn logs(
    request: &RowRequest,
    format: LogFormat,
    print: &mut dyn FnMut(&str),
) -> Result<Vec<String>, CommandError> {
    let mut told = || {
        let results = Results::open(&request.results)?;
        let store = results.store()?;
        let mut notes = results.damaged.clone();
        if request.row.is_none() && results.row(request.sweep.as_deref(), None).is_err() {
            let list = list(&results, request, format.width)?;
            list.text.lines().for_each(&mut *print);
            return Ok(list.notes);
        }
        let failed = |trial: &KeptTrial| trial.failure().is_some();
        let (trial, note) = one_trial(&results, request, failed)?;
        notes.extend(note);
        if trial.stages.is_empty() {
            bail!(
                "the stages of the trial {} are unknown: the store no longer has its settings",
                trial.hash
            );
        }
        for stage in trial.stages.iter().filter(|stage| stage.trains()) {
            journal(store, stage, format, print)?;
        }
        if let Some(reason) = trial.failure().filter(|_| !format.json) {
            print("");
            print(&format!("failed: {reason}"));
        }
        Ok(notes)
    };
    told().map_err(CommandError::Input)
}

/// The trials of all rows with their states.
fn list(results: &Results, request: &RowRequest, width: usize) -> Result<Shown> {
    let mut cells = vec![["row", "seed", "lines", "state"].map(String::from).to_vec()];
    let mut known = Vec::new();
    for table in results.tables(request.sweep.as_deref())? {
        for row in &table.rows {
            for (seed, hash) in table.seeds.iter().zip(&row.trials) {
                if known.contains(&hash) || request.seed.is_some_and(|wanted| wanted != *seed) {
                    continue;
                }
                known.push(hash);
                let trial = KeptTrial::read(results, hash, *seed)?;
                let lines: usize = trial
                    .trainings()
                    .map(|stage| count(&stage.folder.journal()))
                    .sum();
                let state = trial.stages.iter().map(|stage| state(&stage.state));
                let state = state
                    .max_by_key(|(rank, _)| *rank)
                    .map_or("unknown", |(_, word)| word);
                cells.push(vec![
                    row.label.clone(),
                    seed.to_string(),
                    lines.to_string(),
                    state.into(),
                ]);
            }
        }
    }
    let mut lines = aligned(&cells, 0, width);
    let label = cells.last().map_or("LABEL", |row| row[0].as_str());
    lines.push(String::new());
    lines.push(format!(
        "the journal of a trial: harness logs {} --row '{label}'",
        results.path.display()
    ));
    Ok(Shown {
        text: lines.join("\n"),
        notes: results.damaged.clone(),
    })
}

/// A word for the state of a stage. Of several stages, the word with the highest rank stands for the trial.
fn state(state: &StageState) -> (u8, &'static str) {
    match state {
        StageState::Done { .. } => (0, "done"),
        StageState::Missing => (1, "not done"),
        StageState::Outdated { .. } => (2, "outdated"),
        StageState::Interrupted(_) => (3, "interrupted"),
        StageState::Running(_) => (4, "running"),
        StageState::Failed { .. } => (5, "failed"),
    }
}

/// The number of lines of a file.
fn count(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// Prints the journal of a stage of `store`.
fn journal(
    store: &Store,
    stage: &KeptStage,
    format: LogFormat,
    print: &mut dyn FnMut(&str),
) -> Result<()> {
    let path = stage.folder.journal();
    if !format.json {
        print(&format!("{} ({})", stage.entry.title, stage.entry.key));
    }
    let mut seen = 0;
    let mut head: Option<Vec<usize>> = None;
    loop {
        // A stage that nobody has begun may be next.
        let ended = stage.folder.is_whole(&stage.entry.key)
            || (stage.folder.failure().is_some() && !stage.folder.is_held());
        let grows = format.follow && !ended && store.is_at_work();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        // A training that continues from a checkpoint cuts its journal back.
        seen = seen.min(bytes.len());
        let whole = bytes[seen..].iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(seen, |last| seen + last + 1);
        for line in String::from_utf8_lossy(&bytes[seen..whole]).lines() {
            match format.json {
                true => print(line),
                false => row(line, format.width, &mut head, print),
            }
        }
        seen = whole;
        if !grows {
            break;
        }
        sleep(LOOK);
    }
    if seen == 0 && !format.json {
        print("  no line yet");
    }
    Ok(())
}

/// Prints a line of a journal as a row, after the titles if its columns are not those of the row before.
fn row(line: &str, width: usize, head: &mut Option<Vec<usize>>, print: &mut dyn FnMut(&str)) {
    let Ok(readings) = serde_json::from_str::<Map<String, Value>>(line) else {
        return print("  (a damaged line)");
    };
    let fits = (width / COLUMN).max(2);
    let columns = (0..COLUMNS.len()).filter(|column| {
        let (_, key, whole) = COLUMNS[*column];
        readings.contains_key(key) && whole.is_none_or(|whole| readings.contains_key(whole))
    });
    let columns: Vec<usize> = columns.take(fits).collect();
    let cells = |cell: &dyn Fn(usize) -> String| -> String {
        let cells = columns
            .iter()
            .map(|column| format!("{:>COLUMN$}", cell(*column)));
        cells.collect()
    };
    if head.as_ref() != Some(&columns) {
        print(&cells(&|column| COLUMNS[column].0.to_string()));
        *head = Some(columns.clone());
    }
    print(&cells(&|column| {
        let (_, key, whole) = COLUMNS[column];
        shown(&readings, key, whole)
    }));
}

/// A reading, or its share in the reading `whole`, in few characters.
fn shown(readings: &Map<String, Value>, key: &str, whole: Option<&str>) -> String {
    let number = |key: &str| readings.get(key).and_then(Value::as_f64);
    let value = match whole {
        None => number(key),
        Some(whole) => number(whole)
            .filter(|whole| *whole > 0.0)
            .and_then(|whole| Some(number(key)? / whole)),
    };
    let integer = whole.is_none() && readings.get(key).is_some_and(Value::is_u64);
    match value {
        None => "-".to_string(),
        Some(value) if integer => format!("{value:.0}"),
        Some(0.0) => "0".to_string(),
        Some(value) if value.abs() < 0.01 => format!("{value:.1e}"),
        Some(value) => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(lines: &[&str], width: usize) -> Vec<String> {
        let (mut text, mut head) = (Vec::new(), None);
        for line in lines {
            row(line, width, &mut head, &mut |line| {
                text.push(line.to_string())
            });
        }
        text
    }

    #[test]
    fn a_line_is_a_row_under_titles_that_change_with_its_columns() {
        let lines = [
            r#"{"step":20,"loss":40.5,"rate":0.0015}"#,
            r#"{"step":40,"loss":30.25,"rate":0.0015}"#,
            r#"{"step":60,"loss":null,"kept":4,"right":3,"objects":8,"kept-per-image":0.2,"rate":0.0015}"#,
        ];
        let text = printed(&lines, 120);
        assert_eq!(
            text[0].split_whitespace().collect::<Vec<_>>(),
            ["step", "loss", "rate"]
        );
        assert_eq!(
            text[2].split_whitespace().collect::<Vec<_>>(),
            ["40", "30.250", "1.5e-3"]
        );
        let titles: Vec<&str> = text[3].split_whitespace().collect();
        assert_eq!(
            titles,
            [
                "step",
                "loss",
                "kept/image",
                "precision",
                "recall",
                "kept",
                "rate"
            ]
        );
        let values: Vec<&str> = text[4].split_whitespace().collect();
        assert_eq!(
            values,
            ["60", "-", "0.200", "0.750", "0.375", "4", "1.5e-3"]
        );
        let narrow = printed(&lines, 60);
        assert!(narrow.iter().all(|line| line.chars().count() <= 60));
        assert_eq!(printed(&["{\"half"], 60), ["  (a damaged line)"]);
    }
}
