//! Snapshots of the rows whose trainings kept none, such as those of an earlier program: of the teacher at the end of
//! the first trial that has its networks.

use crate::experiment::insight::analysis::report_of;
use crate::experiment::insight::choice::{Results, Row};
use crate::experiment::insight::trial::{KeptStage, KeptTrial, located};
use crate::experiment::run::last_snapshot::keep_last_snapshot;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::snapshots::KeptSnapshot;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::planned::read;
use crate::tensor::DeviceChoice;
use anyhow::{Context, Result, anyhow};

/// Makes the snapshot of a row that has none. Nothing is made if its recipe wants none, if no trial is finished, or if
/// it has no teacher. `tell` is given a line about it.
///
/// # Errors
/// A file of the trial is missing or damaged, the device cannot be used, or the store is not writable.
pub fn keep_last_snapshots(
    results: &Results,
    row: Row,
    datasets: &Datasets,
    device: DeviceChoice,
    tell: &dyn Fn(&str),
) -> Result<()> {
    let trials = row.trials(None)?.into_iter();
    let trials = trials.map(|(seed, hash)| KeptTrial::read(results, hash, seed));
    let trials = trials.collect::<Result<Vec<_>>>()?;
    let has_snapshot = |stage: &KeptStage| !KeptSnapshot::read_all(&stage.folder).is_empty();
    if trials
        .iter()
        .flat_map(KeptTrial::trainings)
        .any(has_snapshot)
    {
        return Ok(());
    }
    let has_networks = |trial: &&KeptTrial| {
        let last = trial.trainings().last();
        trial.is_finished() && last.is_some_and(|stage| stage.state.is_done())
    };
    let Some(trial) = trials.iter().find(has_networks) else {
        return Ok(());
    };
    let count = report_of(results, trial).snapshots;
    let table = located(results.store()?, &results.plans, trial.hash)?;
    let TrialSettings::Networks(settings) = read(&table)? else {
        return Ok(());
    };
    let phases = settings.phases();
    let labels = |stage: &&KeptStage| {
        let mut own = phases
            .iter()
            .filter(|phase| phase.name == stage.entry.key.kind());
        own.any(|phase| phase.labels)
    };
    let Some(training) = trial.trainings().filter(labels).last() else {
        return Ok(());
    };
    if count == 0 {
        return Ok(());
    }
    let (place, _) = device.place().map_err(|why| anyhow!("--device {why}"))?;
    let place = place
        .computing_with(settings.precision)
        .context("precision")?;
    let made_vlm = trial
        .stages
        .iter()
        .find(|stage| stage.entry.key.makes_vlm());
    let KeptTrial { hash, seed, .. } = trial;
    tell(&format!(
        "snapshot of the last teacher of trial {hash}, seed {seed}: {count} unlabelled images"
    ));
    let keys = [Some(training), made_vlm].map(|stage| stage.map(|stage| &stage.entry.key));
    keep_last_snapshot(results.store()?, keys, &settings, datasets, &place, count)
}
