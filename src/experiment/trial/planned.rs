//! The trials of a plan with their stages.

use super::stage::{Stage, stages};
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::recipe::{Plan, Trial};
use anyhow::{Result, anyhow};
use rayon::prelude::*;
use std::sync::Arc;
use toml::Table;

/// A trial with its stages.
pub struct Planned {
    /// The identity: the hash of the settings.
    pub hash: String,
    /// The label of the row that uses it first.
    pub label: String,
    /// The seed.
    pub seed: u64,
    /// The settings as a table, as they were when the run was planned.
    pub table: Table,
    /// The same settings as the types of the components.
    pub settings: Arc<TrialSettings>,
    /// The stages, in order; the last one evaluates.
    pub stages: Vec<Stage>,
}

impl Planned {
    /// The stage that evaluates.
    pub fn last(&self) -> &Stage {
        let last = self.stages.last();
        last.expect("every trial ends with an evaluation")
    }
}

/// The settings of a trial. One error lists all mistakes.
pub fn read(table: &Table) -> Result<TrialSettings> {
    TrialSettings::read(table).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|e| format!("{}: {e}", e.key)).collect();
        anyhow!(lines.join("\n"))
    })
}

/// The settings of a planned trial as the types of the components, and its stages.
///
/// # Errors
/// The settings cannot be read. This does not happen in a checked plan.
pub fn stages_of(trial: &Trial) -> Result<(Arc<TrialSettings>, Vec<Stage>)> {
    let settings = Arc::new(read(&trial.located())?);
    let stages = stages(&trial.label, &trial.settings, &settings);
    Ok((settings, stages))
}

/// The trials of a plan with their stages.
///
/// # Errors
/// As for [`stages_of`].
pub fn planned(plan: &Plan) -> Result<Vec<Planned>> {
    let planned = |trial: &Trial| {
        let (settings, stages) = stages_of(trial)?;
        Ok(Planned {
            hash: trial.hash.clone(),
            label: trial.label.clone(),
            seed: trial.seed,
            table: trial.settings.clone(),
            settings,
            stages,
        })
    };
    plan.trials.par_iter().map(planned).collect()
}
