//! The files that a trial leaves in its own folder when it has ended: its settings, its metrics or the reason of its
//! failure, its journal and its environment.

use super::{LAST_LINES, Run};
use crate::atomic::{Durability, write_durably};
use crate::experiment::store::environment::hand_on;
use crate::experiment::store::measured::Evaluation;
use crate::experiment::trial::planned::Planned;
use crate::experiment::trial::stage::Stage;
use crate::train::last_lines;
use anyhow::Result;
use serde_json::json;
use std::path::PathBuf;

impl Run<'_> {
    /// Collects the results of the trial's stages in the trial's own folder.
    pub(super) fn keep(&self, trial: &Planned, evaluation: &Evaluation) -> Result<()> {
        let folder = self.store.trial(&trial.hash);
        let status = json!({ "status": "ok" }).to_string() + "\n";
        if std::fs::read_to_string(folder.status()).is_ok_and(|text| text == status) {
            return Ok(());
        }
        let mut journal = Vec::new();
        for stage in &trial.stages {
            let path = self.store.stage(&stage.key).journal();
            journal.extend(std::fs::read(path).unwrap_or_default());
        }
        let metrics = serde_json::to_string_pretty(evaluation)? + "\n";
        self.keep_origin(trial, trial.last())?;
        // All of it can be made again from the stages.
        let write =
            |path: PathBuf, content: &[u8]| write_durably(&path, content, Durability::Cached);
        write(folder.journal(), &journal)?;
        write(folder.metrics(), metrics.as_bytes())?;
        write(folder.status(), status.as_bytes())
    }

    /// Records in the trial's own folder how it failed.
    pub(super) fn keep_failure(&self, trial: &Planned, reason: &str) -> Result<()> {
        let stage = self.failed_stage(trial);
        self.keep_origin(trial, stage.unwrap_or(trial.last()))?;
        let journal = stage.map(|stage| self.store.stage(&stage.key).journal());
        let status = json!({
            "status": "failed",
            "reason": reason,
            "stage": stage.map(|stage| &stage.key),
            "last-lines": journal.map(|journal| last_lines(&journal, LAST_LINES)),
        });
        let text = status.to_string() + "\n";
        let path = self.store.trial(&trial.hash).status();
        write_durably(&path, text.as_bytes(), Durability::Cached)
    }

    /// Writes the settings of the trial.
    pub(super) fn keep_settings(&self, trial: &Planned) -> Result<()> {
        let folder = self.store.trial(&trial.hash);
        folder.make()?;
        let settings = format!("# {}, seed {}\n{}", trial.label, trial.seed, trial.table);
        write_durably(&folder.settings(), settings.as_bytes(), Durability::Cached)
    }

    /// Writes the settings of a trial that has ended, and the environment of `stage`, its last one.
    pub(super) fn keep_origin(&self, trial: &Planned, stage: &Stage) -> Result<()> {
        self.keep_settings(trial)?;
        hand_on(
            &self.store.stage(&stage.key),
            &self.store.trial(&trial.hash),
        )
    }

    /// The first stage of a failed trial that is not done and has failed.
    pub(super) fn failed_stage<'b>(&self, trial: &'b Planned) -> Option<&'b Stage> {
        let missing = trial
            .stages
            .iter()
            .filter(|stage| !self.store.is_whole(&stage.key));
        let mut failed = missing.filter(|stage| self.store.stage(&stage.key).failure().is_some());
        failed.next()
    }
}
