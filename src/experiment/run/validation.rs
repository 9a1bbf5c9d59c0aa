//! Evaluations between the steps of a training: the validation curve in its journal, and the choice of the best
//! networks.
//!
//! The model that the tables show is evaluated after every `eval.period` steps and at the end of a phase; the student,
//! as long as there is no such model. The line of the journal ends with that step. No random number is drawn, and
//! nothing changes in the training, so one with a curve takes the same steps as one without.
//!
//! A step whose window is still open has not been evaluated: [`Validation::waits`] tells it from the journal alone. So
//! a training that is stopped within an evaluation evaluates after it goes on, and writes the same bytes.
//!
//! With `eval.select = "best-on-val"`, the networks of the largest first metric of `eval.metrics` are kept, of equal
//! ones the first. The best so far is the largest value in the journal. Unlike GuidedDistillation's hook, which keeps
//! the networks one period after the best ones, it keeps the best ones themselves.

use super::interrupt::Interrupted;
use super::scores::scores;
use crate::data::Dataset;
use crate::eval::Evaluators;
use crate::experiment::settings::evaluation::Select;
use crate::experiment::settings::sections::Settings;
use crate::experiment::trial::datasets::Datasets;
use crate::method::Phase;
use crate::train::{AVERAGE, Journal, Reading, STUDENT, TEACHER, Training};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// The keys of the journal for the first metric of each model.
const CURVES: [(&str, &str); 3] = [
    (TEACHER, "val-teacher"),
    (STUDENT, "val-student"),
    (AVERAGE, "val-average"),
];
/// The key of the journal for all metrics.
const METRICS: &str = "val-metrics";

/// The evaluations of one phase.
pub(super) struct Validation<'a> {
    settings: &'a Settings,
    dataset: Dataset,
    evaluators: Evaluators,
    /// The last step of the phase.
    end: usize,
    /// True if the best networks are the result of the phase.
    selects: bool,
    /// The largest first metric so far, as the journal has it.
    best: Option<f64>,
}

impl<'a> Validation<'a> {
    /// The evaluations of `phase`, whose journal of an earlier attempt is at `journal`; none without a period.
    ///
    /// # Errors
    /// The dataset or its annotations cannot be read.
    pub fn new(
        settings: &'a Settings,
        phase: &Phase,
        datasets: &Datasets,
        journal: &Path,
    ) -> Result<Option<Self>> {
        if settings.eval.period == 0 {
            return Ok(None);
        }
        let dataset = datasets.get(&settings.data)?;
        Ok(Some(Self {
            evaluators: Evaluators::new(&settings.eval.metrics, &dataset)?,
            settings,
            dataset,
            end: phase.steps.end,
            selects: selects(settings, phase),
            best: best(journal),
        }))
    }

    /// Returns true if the networks are evaluated after `step` steps.
    pub fn is_due(&self, step: usize) -> bool {
        step.is_multiple_of(self.settings.eval.period) || step == self.end
    }

    /// Returns true if the networks after the steps in `journal`, the last of which is `step`, are to be evaluated and
    /// have not been.
    pub fn waits(&self, step: usize, journal: &Journal) -> bool {
        self.is_due(step) && !journal.window().is_empty()
    }

    /// Evaluates the networks and adds the readings to the line of the journal, which then ends. Returns true if they
    /// are to be kept: they are the best so far, and the best are the result.
    ///
    /// # Errors
    /// An image cannot be read, the first metric is undefined, the line cannot be written, or `seen`, which is called
    /// with the number of finished images, asks for an end.
    pub fn evaluate(
        &mut self,
        training: &mut dyn Training,
        journal: &mut Journal,
        seen: impl Fn(usize) -> Result<(), Interrupted>,
    ) -> Result<bool> {
        let wanted = [self.settings.reported().name(), STUDENT];
        let owner = wanted
            .into_iter()
            .find(|owner| training.network(owner).is_some());
        let owner = owner.context("this training has no network to evaluate")?;
        let network = training.network(owner).context("the network is there")?;
        let found = scores(
            network,
            self.settings,
            &self.dataset,
            &self.evaluators,
            seen,
        )?;
        if let Some(reason) = found.metrics.undefined() {
            anyhow::bail!("eval.period: {reason}");
        }
        let (_, main) = self
            .evaluators
            .main_metric(&found)
            .context("a metric has a value")?;
        let (_, key) = CURVES
            .into_iter()
            .find(|(name, _)| *name == owner)
            .context("a model has a key")?;
        journal.amend(vec![
            (key.to_string(), Reading::Last(main.into())),
            (
                METRICS.to_string(),
                Reading::Last(serde_json::to_value(&found.metrics)?),
            ),
        ]);
        journal.flush()?;
        // Compared as the journal has it: a run that goes on knows no more digits.
        let main = serde_json::from_str(&serde_json::to_string(&main)?)?;
        Ok(is_better(main, &mut self.best) && self.selects)
    }

    /// Returns true if the best networks are the result of the phase.
    pub fn selects(&self) -> bool {
        self.selects
    }
}

/// Returns true if the result of `phase` is its best networks. A phase that another one goes on from ends with its
/// last.
fn selects(settings: &Settings, phase: &Phase) -> bool {
    settings.eval.select == Select::BestOnVal && !phase.goes_on
}

/// Returns true if `value` is larger than the best so far, which it then is.
fn is_better(value: f64, best: &mut Option<f64>) -> bool {
    let better = best.is_none_or(|best| value > best);
    if better {
        *best = Some(value);
    }
    better
}

/// The largest first metric of the lines at `journal`; none if there is none.
fn best(journal: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let value = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        CURVES.iter().find_map(|(_, key)| line[*key].as_f64())
    };
    text.lines().filter_map(value).reduce(f64::max)
}

/// The warning of an evaluation whose networks, those after `step` steps, were chosen by the evaluated images; none if
/// they are the last.
pub(super) fn warning(settings: &Settings, step: usize) -> Option<String> {
    (settings.eval.select == Select::BestOnVal).then(|| {
        format!("the networks after step {step} were chosen by the evaluated images (eval.select = \"best-on-val\")")
    })
}

/// The sentence below a table of such trials; none if the networks are the last.
pub(super) fn finding(settings: &Settings) -> Option<String> {
    (settings.eval.select == Select::BestOnVal).then(|| {
        "the evaluated images also chose the networks (eval.select = \"best-on-val\"), so the metrics are too high for \
         images that nobody has seen"
            .to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::JOURNAL_KEYS;
    use std::collections::BTreeSet;

    #[test]
    fn the_keys_of_an_evaluation_are_the_explained_ones() {
        let explained = JOURNAL_KEYS.iter().map(|key| key.name);
        let explained: BTreeSet<&str> = explained.filter(|name| name.starts_with("val-")).collect();
        let written = CURVES.map(|(_, key)| key).into_iter().chain([METRICS]);
        assert_eq!(written.collect::<BTreeSet<_>>(), explained);
    }

    #[test]
    fn the_first_of_equal_values_is_the_best() {
        let mut best = None;
        let kept = [0.0, 0.0, 2.5, 2.0, 2.5, 3.0].map(|value| is_better(value, &mut best));
        assert_eq!(kept, [true, false, true, false, false, true]);
        assert_eq!(best, Some(3.0));
    }

    #[test]
    fn the_best_value_is_that_of_the_lines_of_any_model() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        assert_eq!(best(&path), None);
        let lines = [
            r#"{"step":20,"loss":1.0}"#,
            r#"{"step":40,"val-student":3.5,"val-metrics":{"mAP":99.0}}"#,
            r#"{"step":60,"val-teacher":7.25}"#,
            r#"{"step":80,"val-teacher":1.0}"#,
            r#"{"step":100,"val-te"#,
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(best(&path), Some(7.25));
    }
}
