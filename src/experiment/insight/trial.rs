//! A trial of a results folder as its store has it: its stages, its settings, its evaluation.

use super::choice::{Results, RowRequest};
use crate::experiment::outlook::standing::StageState;
use crate::experiment::settings::stored::stored;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::folder::StageFolder;
use crate::experiment::store::frozen::{FrozenPlan, StageEntry, TrialEntry};
use crate::experiment::store::measured::Evaluation;
use crate::experiment::store::root::Store;
use crate::experiment::trial::planned::stages_of;
use crate::experiment::trial::stage::Stage;
use crate::recipe::{Places, Trial};
use crate::report::Record;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use toml::Table;

/// A trial with its stages.
pub struct KeptTrial<'a> {
    /// The identity.
    pub hash: &'a str,
    /// The seed.
    pub seed: u64,
    /// Its record; none if it has not ended.
    pub record: Option<&'a Record>,
    /// Its stages, the evaluation last; none if neither a plan nor its settings tell them.
    pub stages: Vec<KeptStage>,
    /// The settings in today's spelling; none if the store does not have them.
    pub settings: Option<Table>,
    /// The result of its evaluation, if it is finished.
    pub evaluation: Option<Evaluation>,
    /// The file with a copy of its journals, if it is finished.
    pub copy_of_journal: PathBuf,
}

/// A stage of a trial, with its folder and its state.
pub struct KeptStage {
    /// The stage as the plan has it.
    pub entry: StageEntry,
    /// Its files.
    pub folder: StageFolder,
    /// Its state.
    pub state: StageState,
}

impl<'a> KeptTrial<'a> {
    /// Reads the trial `hash` with the seed `seed`.
    ///
    /// # Errors
    /// The results folder has no store.
    pub fn read(results: &'a Results, hash: &'a str, seed: u64) -> Result<Self> {
        let store = results.store()?;
        let folder = store.trial(hash);
        let text = std::fs::read_to_string(folder.settings()).ok();
        let settings = text.as_deref().and_then(stored);
        let entries = entries(&results.plans, hash);
        let entries = entries.unwrap_or_else(|| replanned(hash, seed, text.as_deref()));
        let stages: Vec<KeptStage> = entries
            .into_iter()
            .map(|entry| KeptStage {
                state: StageState::of(store, &entry),
                folder: store.stage(&entry.key),
                entry,
            })
            .collect();
        let last = stages.last().map(|stage| stage.folder.metrics());
        let evaluation = last.and_then(|path| Evaluation::read(&path).ok());
        // The trial's own folder has a copy, in case the stage was deleted.
        let evaluation = evaluation.or_else(|| Evaluation::read(&folder.metrics()).ok());
        Ok(Self {
            hash,
            seed,
            record: results.records.get(hash),
            stages,
            settings,
            evaluation,
            copy_of_journal: folder.journal(),
        })
    }

    /// The stages that train a phase of the method, in their order. Each has a journal.
    pub fn trainings(&self) -> impl Iterator<Item = &KeptStage> {
        let trains = |stage: &&KeptStage| stage.trains();
        self.stages.iter().filter(trains)
    }

    /// The name of the model that the tables show: `teacher`, `student` or `average`.
    pub fn reported(&self) -> Option<&str> {
        let settings = self.settings.as_ref();
        let read = settings.and_then(|table| TrialSettings::read(table).ok());
        if let Some(settings) = read {
            return Some(settings.reported().name());
        }
        // The settings of a program that knew other keys: the model with the record's numbers.
        let shown = self.record?.metrics.as_ref()?;
        let mut models = self.evaluation.as_ref()?.models.iter();
        let found = models.find(|(_, scores)| scores.metrics == *shown);
        found.map(|(name, _)| name.as_str())
    }

    /// Returns true if its record counts in the tables.
    pub fn is_finished(&self) -> bool {
        self.record.is_some_and(|record| record.failure().is_none())
    }

    /// The bounds of thresholds that move, if the filter has any.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        let filter = self.settings.as_ref()?.get("method")?.get("filter")?;
        let [low, high] = filter.get("clamp")?.as_array()?.as_slice() else {
            return None;
        };
        Some([low.as_float()?, high.as_float()?])
    }

    /// The reason why the trial failed: the stage's own, or else the record's.
    pub fn failure(&self) -> Option<String> {
        let of_stage = |stage: &KeptStage| match &stage.state {
            StageState::Failed { reason, step, .. } => {
                let at = match step {
                    0 => String::new(),
                    step => format!(", after the checkpoint of step {step}"),
                };
                Some(format!("{}{at}: {reason}", stage.entry.title))
            }
            _ => None,
        };
        let found = self.stages.iter().find_map(of_stage);
        found.or_else(|| self.record.and_then(Record::failure))
    }
}

impl KeptStage {
    /// Returns true if the stage trains a phase of the method. The vision-language model has no journal.
    pub fn trains(&self) -> bool {
        !self.entry.key.evaluates() && !self.entry.key.makes_vlm()
    }
}

/// The trial that a request means, and a note if the request names no seed and there are several: then it is the
/// first that is `wanted`, or else the first.
///
/// # Errors
/// There is no such row or seed, or the folder has no store.
pub fn one_trial<'a>(
    results: &'a Results,
    request: &RowRequest,
    wanted: impl Fn(&KeptTrial) -> bool,
) -> Result<(KeptTrial<'a>, Option<String>)> {
    let (row, _) = results.row(request.sweep.as_deref(), request.row.as_deref())?;
    let trials = row.trials(request.seed)?;
    let trials = trials.into_iter();
    let all = trials.map(|(seed, hash)| KeptTrial::read(results, hash, seed));
    let mut all = all.collect::<Result<Vec<_>>>()?;
    if all.is_empty() {
        bail!("the row `{}` has no trial", row.row.label);
    }
    let chosen = all.iter().position(wanted).unwrap_or(0);
    let seeds: Vec<String> = all.iter().map(|trial| trial.seed.to_string()).collect();
    let note = (seeds.len() > 1).then(|| {
        let (seed, all) = (&seeds[chosen], seeds.join(", "));
        format!("this is seed {seed} of the seeds {all}; --seed chooses another")
    });
    Ok((all.swap_remove(chosen), note))
}

/// The entry of the trial `hash` in one of `plans`.
pub fn planned<'a>(
    plans: &'a [FrozenPlan],
    hash: &str,
) -> Option<(&'a FrozenPlan, &'a TrialEntry)> {
    plans.iter().find_map(|plan| {
        let mut trials = plan.trials.iter();
        Some((plan, trials.find(|trial| trial.hash == hash)?))
    })
}

/// The stages of the trial `hash` in one of `plans`.
fn entries(plans: &[FrozenPlan], hash: &str) -> Option<Vec<StageEntry>> {
    let (plan, trial) = planned(plans, hash)?;
    let stages = trial.stages.iter();
    Some(
        stages
            .filter_map(|index| plan.stages.get(*index).cloned())
            .collect(),
    )
}

/// The stages of a trial that no plan has any more, made of its saved settings; empty if these are not those of
/// a trial of today.
fn replanned(hash: &str, seed: u64, text: Option<&str>) -> Vec<StageEntry> {
    let Some(settings) = text.and_then(|text| text.parse().ok()) else {
        return Vec::new();
    };
    let trial = Trial {
        hash: hash.to_string(),
        label: label_of(text.unwrap_or_default()),
        seed,
        settings,
        places: Places::new(),
    };
    let Ok((_, stages)) = stages_of(&trial) else {
        return Vec::new();
    };
    let entry = |stage: Stage| StageEntry {
        key: stage.key,
        title: stage.title,
        needs: Vec::new(),
        cost: stage.cost,
        steps: stage.steps,
        trials: 1,
    };
    stages.into_iter().map(entry).collect()
}

/// The label in the first line of saved settings, which reads `# <label>, seed <seed>`.
fn label_of(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let label = first
        .strip_prefix("# ")
        .and_then(|line| line.rsplit_once(", seed "));
    label.map_or(String::new(), |(label, _)| label.to_string())
}

/// The saved settings of a trial with the absolute paths of its plan.
///
/// # Errors
/// The store does not have them, or they are damaged.
pub fn located(store: &Store, plans: &[FrozenPlan], hash: &str) -> Result<Table> {
    let path = store.trial(hash).settings();
    let text = std::fs::read_to_string(&path).with_context(|| {
        let path = path.display();
        format!("cannot read {path}, which `harness sweep` writes when it begins")
    })?;
    let settings = stored(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let places = planned(plans, hash).map(|(_, trial)| trial.places.clone());
    let trial = Trial {
        hash: hash.to_string(),
        label: label_of(&text),
        seed: 0,
        settings,
        places: places.unwrap_or_default(),
    };
    Ok(trial.located())
}
