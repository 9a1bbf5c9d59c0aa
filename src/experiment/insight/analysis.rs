//! The analysis of a trial, as far as the store has one.

use super::choice::Results;
use super::trial::KeptTrial;
use crate::eval::analysis::Analysis;
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
    Some((
        AnalysisPlace::new(store, &evaluation.entry.key, &model),
        model,
    ))
}

/// The analysis of a trial; none if nobody has made it.
pub fn analysis(results: &Results, trial: &KeptTrial) -> Option<Analysis> {
    place(results, trial)?.0.read()
}
