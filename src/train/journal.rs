//! The journal of a training run: one JSON object per line, each over a window of steps.
//!
//! Losses are means over the window, counts are sums, thresholds are those at its end. Nothing in it depends
//! on the clock or the machine's load, so that two runs of the same trial write the same bytes. A checkpoint
//! between two lines keeps the open window; a resumed run cuts the file back to where that began and goes on
//! with it.
//!
//! A teacher that keeps no pseudo-label trains nothing and looks like a plain supervised run in the table: a
//! known trap of this field. `barren-steps` is the longest run of such steps up to a line, and [`warnings`]
//! tells of it.

use crate::atomic::{Durability, write_durably};
use anyhow::{Context, Result};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Steps of a window.
const WINDOW: usize = 20;
/// Steps without a pseudo-label after which the end of the run warns.
const BARREN: u64 = 200;
/// The reading that counts the steps since the last pseudo-label.
pub const BARREN_STEPS: &str = "barren-steps";

/// One value of a step and how a window folds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Averaged.
    Mean(#[serde(deserialize_with = "number")] f64),
    /// Added up.
    Sum(u64),
    /// Added up class by class.
    SumByClass(Vec<u64>),
    /// The largest stands.
    Max(u64),
    /// The newest stands.
    Last(Value),
}

/// The steps since the last line, folded so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    readings: Vec<(String, Reading)>,
    steps: usize,
}

impl Window {
    /// Returns true if it contains no step.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }
}

/// The open journal of one run. Dropped, it writes the line of its open window: the last steps before a panic
/// are those that are asked for.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: std::fs::File,
    window: Window,
    /// The last step of the window.
    last: usize,
    /// Is given every line that is written.
    show: Option<fn(&str)>,
}

impl Journal {
    /// Opens the journal at `path` for a run that has taken `step` steps, the last ones in `window`: later
    /// lines of an interrupted run are dropped.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, step: usize, window: Window) -> Result<Self> {
        let written = step.saturating_sub(window.steps) as u64;
        let text = match std::fs::read(path) {
            // Bytes that are no text end the part that is kept, as a cut line does.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut kept = String::new();
        for line in text.lines() {
            let Ok(value) = serde_json::from_str::<Value>(line) else {
                break;
            };
            if value["step"].as_u64().is_none_or(|end| end > written) {
                break;
            }
            kept.push_str(line);
            kept.push('\n');
        }
        write_durably(path, kept.as_bytes(), Durability::Cached)?;
        let file = std::fs::OpenOptions::new().append(true).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self {
            path: path.to_path_buf(),
            file,
            window,
            last: step,
            show: None,
        })
    }

    /// Adds the readings of the step that ends at count `step` (the first step ends at 1).
    ///
    /// # Errors
    /// The line of a full window cannot be written.
    pub fn add(&mut self, step: usize, readings: Vec<(String, Reading)>) -> Result<()> {
        self.hold(step, readings);
        if step.is_multiple_of(WINDOW) {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Adds the readings of a step as [`Self::add`] does, but leaves the window open, whatever its length.
    pub fn hold(&mut self, step: usize, readings: Vec<(String, Reading)>) {
        self.amend(readings);
        self.window.steps += 1;
        self.last = step;
    }

    /// Adds readings to the last step of the window.
    pub fn amend(&mut self, readings: Vec<(String, Reading)>) {
        for (name, reading) in readings {
            let window = &mut self.window.readings;
            match window.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => fold(sum, reading),
                None => window.push((name, reading)),
            }
        }
    }

    /// Gives every line from now on to `show`, too.
    pub fn show(&mut self, show: Option<fn(&str)>) {
        self.show = show;
    }

    /// The steps since the last line: a checkpoint keeps them.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Waits until the lines are on the disk: a checkpoint that survives a power failure needs the lines
    /// before it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&self) -> Result<()> {
        let synced = self.file.sync_data();
        synced.with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Writes the line of the window so far, if it holds a step.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        let Window { readings, steps } = std::mem::take(&mut self.window);
        if steps == 0 {
            return Ok(());
        }
        let mut line = Map::new();
        line.insert("step".into(), self.last.into());
        for (name, reading) in readings {
            let value = match reading {
                Reading::Mean(sum) => (sum / steps as f64).into(),
                Reading::Sum(value) | Reading::Max(value) => value.into(),
                Reading::SumByClass(values) => values.into(),
                Reading::Last(value) => value,
            };
            line.insert(name, value);
        }
        let line = Value::Object(line).to_string();
        if let Some(show) = self.show {
            show(&line);
        }
        writeln!(self.file, "{line}")
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Whoever needs the line has flushed it and heard of an error.
        self.flush().ok();
    }
}

/// A sum; JSON knows no number that is none, and writes null.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The last `count` lines of the journal at `path`; none where there is no journal.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(count)..].iter();
    last.map(|line| line.to_string()).collect()
}

/// The warnings for the reader of the tables from the journal of a finished run at `path`.
///
/// # Errors
/// The journal cannot be read.
pub fn warnings(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let longest = lines
        .filter_map(|line| line[BARREN_STEPS].as_u64())
        .max()
        .unwrap_or(0);
    let warning = format!("the teacher kept no pseudo-label for {longest} steps in a row");
    Ok(if longest >= BARREN {
        vec![warning]
    } else {
        Vec::new()
    })
}

fn fold(sum: &mut Reading, next: Reading) {
    match (sum, next) {
        (Reading::Mean(sum), Reading::Mean(value)) => *sum += value,
        (Reading::Sum(sum), Reading::Sum(value)) => *sum += value,
        (Reading::SumByClass(sums), Reading::SumByClass(values)) => {
            sums.resize(sums.len().max(values.len()), 0);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
        (Reading::Max(most), Reading::Max(value)) => *most = (*most).max(value),
        (sum, next) => *sum = next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(step: usize, barren: usize) -> Vec<(String, Reading)> {
        vec![
            ("loss".into(), Reading::Mean(step as f64)),
            ("kept".into(), Reading::Sum(2)),
            (
                "by-class".into(),
                Reading::SumByClass(vec![1, 0, step as u64 % 2]),
            ),
            (BARREN_STEPS.into(), Reading::Max(barren as u64)),
            ("threshold".into(), Reading::Last((step * 10).into())),
        ]
    }

    #[test]
    fn a_window_folds_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path, 0, Window::default()).unwrap();
        for step in 1..=23 {
            journal
                .add(step, readings(step, 10usize.saturating_sub(step)))
                .unwrap();
        }
        journal.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = "{\"step\":20,\"loss\":10.5,\"kept\":40,\"by-class\":[20,0,10],\"barren-steps\":9,\"threshold\":200}\n\
                        {\"step\":23,\"loss\":22.0,\"kept\":6,\"by-class\":[3,0,2],\"barren-steps\":0,\"threshold\":230}\n";
        assert_eq!(text, expected);
    }

    /// Takes the steps after `from` up to `to`; as a training does, it writes a line at every 150th step.
    fn run(path: &Path, from: usize, window: Window, to: usize) -> Journal {
        let mut journal = Journal::open(path, from, window).unwrap();
        for step in from + 1..=to {
            journal.add(step, readings(step, step)).unwrap();
            if step.is_multiple_of(150) {
                journal.flush().unwrap();
            }
        }
        journal
    }

    #[test]
    fn a_resumed_run_writes_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (straight, killed) = (folder.path().join("a"), folder.path().join("b"));
        run(&straight, 0, Window::default(), 300);
        // Killed after step 170, it goes on from the checkpoint of step 150.
        run(&killed, 0, Window::default(), 170);
        let mut text = std::fs::read_to_string(&killed).unwrap();
        text.push_str("{\"step\":");
        std::fs::write(&killed, text).unwrap();
        run(&killed, 150, Window::default(), 300);
        assert_eq!(
            std::fs::read(&straight).unwrap(),
            std::fs::read(&killed).unwrap()
        );
        let warning = "the teacher kept no pseudo-label for 300 steps in a row";
        assert_eq!(warnings(&killed).unwrap(), [warning]);
    }

    #[test]
    fn a_run_that_stops_at_any_step_goes_on_to_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let straight = folder.path().join("straight");
        run(&straight, 0, Window::default(), 170);
        for stop in 1..170 {
            let path = folder.path().join(format!("{stop}"));
            let window = run(&path, 0, Window::default(), stop).window().clone();
            let text = serde_json::to_string(&window).unwrap();
            let again: Window = serde_json::from_str(&text).unwrap();
            assert_eq!(again, window, "as a checkpoint keeps it");
            run(&path, stop, window, 170);
            let [found, expected] = [&path, &straight].map(|p| std::fs::read_to_string(p).unwrap());
            assert_eq!(found, expected, "stopped after step {stop}");
        }
    }

    /// A line that waits for an evaluation stays open, whatever its length, also for a run that is stopped in between.
    #[test]
    fn a_held_line_is_amended_and_a_run_that_stops_before_that_writes_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let [straight, stopped] = ["a", "b"].map(|name| folder.path().join(name));
        let found = vec![("val".to_string(), Reading::Last(7.into()))];
        let to_hold = |path: &Path| {
            let mut journal = Journal::open(path, 0, Window::default()).unwrap();
            (1..20).for_each(|step| journal.add(step, readings(step, 0)).unwrap());
            journal.hold(20, readings(20, 0));
            journal
        };
        let mut journal = to_hold(&straight);
        assert_eq!(std::fs::read_to_string(&straight).unwrap(), "");
        journal.amend(found.clone());
        journal.flush().unwrap();
        let window = to_hold(&stopped).window().clone();
        // The line that its end has written is not kept.
        let mut journal = Journal::open(&stopped, 20, window).unwrap();
        assert!(!journal.window().is_empty());
        journal.amend(found);
        journal.flush().unwrap();
        let [one, other] = [straight, stopped].map(|path| std::fs::read_to_string(path).unwrap());
        assert_eq!(one, other);
        assert!(one.ends_with("\"threshold\":200,\"val\":7}\n"), "{one}");
        assert!(one.starts_with("{\"step\":20,\"loss\":10.5,"), "{one}");
    }

    #[test]
    fn a_window_without_a_number_comes_back() {
        let readings = vec![("loss".to_string(), Reading::Mean(f64::NAN))];
        let window = Window { readings, steps: 1 };
        let text = serde_json::to_string(&window).unwrap();
        let again: Window = serde_json::from_str(&text).unwrap();
        assert!(matches!(again.readings[0].1, Reading::Mean(sum) if sum.is_nan()));
    }

    #[test]
    fn a_panic_costs_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let panicking = || {
            let mut journal = run(&path, 0, Window::default(), 23);
            journal.add(24, readings(24, 0)).unwrap();
            panic!("this test asks for a panic");
        };
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert!(last_lines(&path, 1)[0].starts_with("{\"step\":24,\"loss\":22.5,"));
    }

    #[test]
    fn a_run_without_a_teacher_warns_of_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let mut journal = Journal::open(&path, 0, Window::default()).unwrap();
        for step in 1..=300 {
            journal
                .add(step, vec![("loss".into(), Reading::Mean(1.0))])
                .unwrap();
        }
        assert_eq!(warnings(&path).unwrap(), Vec::<String>::new());
    }
}
