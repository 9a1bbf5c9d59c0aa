//! The analysis of a trial, as far as the store has one.

use super::choice::Results;
use super::trial::{KeptTrial, planned};
use crate::eval::analysis::Analysis;
use crate::experiment::settings::report::ReportConfig;
use crate::experiment::store::analyses::AnalysisPlace;

/// The place of the analysis of a finished trial, and the name of its network; none unless it is finished, or if it
/// has no network.
pub fn place(results: &Results, trial: &KeptTrial) -> Option<(AnalysisPlace, String)> {
    let store = results.store.as_ref()?;
    let evaluation = trial
        .stages
        .last()
        .filter(|stage| stage.entry.key.evaluates())?;
    trial.evaluation.as_ref()?;
    let settings = trial.settings.as_ref()?;
    settings.get("model")?;
    let model = trial.reported()?.to_string();
    let report = report_of(results, trial);
    Some((
        AnalysisPlace::new(store, &evaluation.entry.key, &model, report),
        model,
    ))
}

/// The analysis of a trial; none if nobody has made it.
pub fn analysis(results: &Results, trial: &KeptTrial) -> Option<Analysis> {
    place(results, trial)?.0.read()
}

/// What the recipe of a trial said about its report when it was last run; the default if no plan has the trial.
pub fn report_of<'a>(results: &'a Results, trial: &KeptTrial) -> &'a ReportConfig {
    static DEFAULT: ReportConfig = ReportConfig::DEFAULT;
    planned(&results.plans, trial.hash).map_or(&DEFAULT, |(plan, _)| &plan.report)
}
