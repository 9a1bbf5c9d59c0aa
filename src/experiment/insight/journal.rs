//! The lines of a trial's journals, as numbers over the steps.

use super::trial::KeptTrial;
use serde_json::{Map, Value};
use std::path::Path;

/// A line of a journal: the readings of a window of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The place of its stage among the trainings of the trial.
    pub stage: usize,
    /// The last step of the window, counted over all trainings of the trial.
    pub step: u64,
    /// The number of steps in the window.
    pub steps: u64,
    /// The readings by their keys.
    pub readings: Map<String, Value>,
}

impl Line {
    /// The reading `key` as a number; none if it is missing, no number, or not finite.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.readings.get(key)?.as_f64()
    }

    /// The share of the sum `part` in the sum `whole`; none without a whole.
    pub fn share(&self, part: &str, whole: &str) -> Option<f64> {
        let whole = self.number(whole).filter(|whole| *whole > 0.0)?;
        Some(self.number(part)? / whole)
    }

    /// The sum of the detector's loss terms of the pseudo-labels, without the weights of the recipe.
    pub fn unsupervised(&self) -> Option<f64> {
        self.sum(|key| key.starts_with("unsupervised-"))
    }

    /// The sum of the terms that compare what a network says of the same regions, without their weights.
    pub fn consistency(&self) -> Option<f64> {
        const TERMS: [&str; 3] = ["consistency-class", "consistency-box", "consistency-mask"];
        self.sum(|key| TERMS.contains(&key))
    }

    /// The sum of the readings with these keys; none without any.
    fn sum(&self, is_wanted: impl Fn(&str) -> bool) -> Option<f64> {
        let terms = self.readings.iter().filter(|(key, _)| is_wanted(key));
        let values: Vec<f64> = terms.filter_map(|(_, value)| value.as_f64()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

/// The lines of all trainings of a trial, in their order. A damaged or unfinished line is left out. A training that
/// begins at step 0 again, behind another one, is counted on from the end of that.
pub fn lines(trial: &KeptTrial) -> Vec<Line> {
    let mut lines = Vec::new();
    for (stage, training) in trial.trainings().enumerate() {
        lines.extend(read(
            &training.folder.journal(),
            stage,
            training.entry.steps[0],
        ));
    }
    if lines.is_empty() {
        // The trial's own folder has a copy, in case the stages were deleted.
        lines.extend(read(&trial.copy_of_journal, 0, 0));
    }
    counted_on(&mut lines);
    lines
}

/// Makes the steps rise over all lines: those of a training that begins anew are moved behind the one before.
fn counted_on(lines: &mut [Line]) {
    let (mut shift, mut last) = (0, 0);
    for line in lines {
        let begin = line.step.saturating_sub(line.steps);
        if begin + shift < last {
            shift = last - begin;
        }
        line.step += shift;
        last = line.step;
    }
}

/// The lines of the file `path`; none if it does not exist.
fn read(path: &Path, stage: usize, start: usize) -> Vec<Line> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut before = start as u64;
    let mut lines = Vec::new();
    for line in text.lines() {
        let Ok(readings) = serde_json::from_str::<Map<String, Value>>(line) else {
            continue;
        };
        let Some(step) = readings.get("step").and_then(Value::as_u64) else {
            continue;
        };
        // The copy of all journals of a trial has a training that begins anew behind another one.
        let begin = if step < before { 0 } else { before };
        lines.push(Line {
            stage,
            step,
            steps: step - begin,
            readings,
        });
        before = step;
    }
    lines
}

#[cfg(test)]
pub(in crate::experiment) mod tests {
    use super::*;

    /// The line of a window of 20 steps with these readings.
    pub fn line(step: u64, readings: &str) -> Line {
        Line {
            stage: 0,
            step,
            steps: 20,
            readings: serde_json::from_str(readings).unwrap(),
        }
    }

    #[test]
    fn damaged_lines_are_left_out_and_windows_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let text =
            "{\"step\":100,\"loss\":2.0}\nnonsense\n{\"step\":110,\"loss\":null}\n{\"step\":12";
        std::fs::write(&path, text).unwrap();
        let lines = read(&path, 1, 80);
        let found: Vec<(u64, u64, Option<f64>)> = lines
            .iter()
            .map(|line| (line.step, line.steps, line.number("loss")))
            .collect();
        assert_eq!(found, [(100, 20, Some(2.0)), (110, 10, None)]);
        assert!(read(&folder.path().join("absent"), 0, 0).is_empty());
    }

    #[test]
    fn a_training_that_begins_anew_is_counted_on() {
        let counted = |all: &[(usize, u64, u64)]| -> Vec<u64> {
            let mut lines: Vec<Line> = all
                .iter()
                .map(|(stage, step, steps)| Line {
                    stage: *stage,
                    steps: *steps,
                    ..line(*step, "{}")
                })
                .collect();
            counted_on(&mut lines);
            lines.iter().map(|line| line.step).collect()
        };
        // A burn-in and what goes on from it, the first window of which is short.
        assert_eq!(
            counted(&[(0, 20, 20), (0, 30, 10), (1, 40, 10), (1, 60, 20)]),
            [20, 30, 40, 60]
        );
        // A teacher, the labels that it gives before any step, and a student of its own.
        assert_eq!(
            counted(&[
                (0, 20, 20),
                (0, 40, 20),
                (1, 0, 0),
                (2, 20, 20),
                (2, 30, 10)
            ]),
            [20, 40, 40, 60, 70]
        );
        // Two trainings behind the first one.
        assert_eq!(
            counted(&[(0, 20, 20), (1, 20, 20), (2, 20, 20), (2, 40, 20)]),
            [20, 40, 60, 80]
        );
    }

    #[test]
    fn a_copy_of_several_journals_has_the_windows_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        std::fs::write(
            &path,
            "{\"step\":40}\n{\"step\":0}\n{\"step\":20}\n{\"step\":40}\n",
        )
        .unwrap();
        let mut lines = read(&path, 0, 20);
        counted_on(&mut lines);
        let found: Vec<(u64, u64)> = lines.iter().map(|line| (line.step, line.steps)).collect();
        assert_eq!(found, [(40, 20), (40, 0), (60, 20), (80, 20)]);
    }

    #[test]
    fn shares_and_sums_of_terms_are_those_of_their_window() {
        let one = line(
            20,
            r#"{"kept":4,"right":3,"unsupervised-class":1.0,"unsupervised-mask":0.5}"#,
        );
        assert_eq!(one.share("right", "kept"), Some(0.75));
        assert_eq!(one.unsupervised(), Some(1.5));
        let none = line(20, r#"{"kept":0,"right":0}"#);
        assert_eq!(
            (none.share("right", "kept"), none.unsupervised()),
            (None, None)
        );
    }
}
