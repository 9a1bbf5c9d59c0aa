//! Tests runs with a mock executor, which trains nothing.

use super::*;
use crate::eval::{Scores, coco_metrics};
use crate::experiment::run::executor::mock::Mock;
use crate::experiment::run::outcome::ExecutorOutcome;
use crate::experiment::run::progress::Verbosity;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::trial::inputs::{Inputs, RecipeRequest};
use crate::experiment::trial::planned::planned;
use crate::recipe::Plan;
use crate::report::{JsonLines, RECORDS, Record, TrialStatus};
use std::path::Path;

const TO_THE_END: Rules = Rules {
    retries: 0,
    fail_fast: false,
    stop: &|| false,
    alone: &BTreeSet::new(),
};

/// A plan of mock trials with two seeds, and its trials.
fn plan() -> (Plan, Vec<Planned>) {
    let ask = RecipeRequest {
        recipe: "recipes/mock.toml".into(),
        set: ["seeds=[0, 1]", "sweeps=[\"mock-modules\"]"]
            .map(String::from)
            .into(),
    };
    let plan = Inputs::default().plan(&ask).unwrap();
    let trials = planned(&plan).unwrap();
    (plan, trials)
}

fn frozen(plan: &Plan, trials: &[Planned]) -> FrozenPlan {
    let mut frozen = FrozenPlan::new(&plan.recipe, 2);
    for (trial, planned) in plan.trials.iter().zip(trials) {
        frozen.add(trial, &planned.stages);
    }
    frozen
}

/// Writes the result file of `stage`. That of a training is empty, so it does not count as complete.
fn write_result(store: &Store, stage: &Stage) {
    let folder = store.stage(&stage.key);
    folder.make().unwrap();
    let scores = Scores {
        metrics: coco_metrics([Some(20.0), None, None, None, None, None]),
        ..Scores::default()
    };
    let evaluation = Evaluation {
        steps: 100,
        models: BTreeMap::from([("student".to_string(), scores)]),
        warnings: Vec::new(),
        classes: Vec::new(),
    };
    let text = match stage.key.evaluates() {
        true => serde_json::to_string(&evaluation).unwrap(),
        false => String::new(),
    };
    std::fs::write(folder.outcome(&stage.key), text).unwrap();
}

/// Runs the missing stages in `out`; the stages `failing` fail. Returns the keys in the order in which they
/// ran.
fn run(out: &Path, failing: &BTreeSet<StageKey>) -> Vec<StageKey> {
    let (plan, trials) = plan();
    let frozen = frozen(&plan, &trials);
    let store = Store::open(out).unwrap();
    let results = Results::open(&store, out, &plan, &[]).unwrap();
    let mut run = Run::new(&trials, &frozen, &store, results);
    run.freeze().unwrap();
    run.take_finished(&ReusedResults::default()).unwrap();
    let (tasks, _) = run.tasks();
    let progress = Progress::new(Verbosity::Quiet, tasks.len(), 0, trials.len(), 0);
    let ran = Mutex::new(Vec::new());
    let executor = Mock {
        slots: 2,
        work: |stage: &Stage| {
            let before = lock(&ran).clone();
            let needs = tasks
                .iter()
                .find(|task| task.work.key == stage.key)
                .unwrap();
            assert!(
                needs
                    .needs
                    .iter()
                    .all(|need| before.iter().any(|key: &StageKey| key.as_str() == need))
            );
            anyhow::ensure!(!failing.contains(&stage.key), "no luck");
            write_result(&store, stage);
            lock(&ran).push(stage.key.clone());
            Ok(ExecutorOutcome::Done)
        },
    };
    let run = run
        .finish(&tasks, &executor, TO_THE_END, &progress)
        .unwrap();
    assert_eq!(run.finished(), trials.len());
    ran.into_inner().unwrap()
}

fn records(out: &Path) -> Vec<(String, TrialStatus)> {
    let records: JsonLines<Record> = JsonLines::read(&out.join(RECORDS)).unwrap();
    let (_, trials) = plan();
    let record = |trial: &Planned| records.get(&trial.hash).unwrap().status;
    trials
        .iter()
        .map(|trial| (trial.label.clone(), record(trial)))
        .collect()
}

#[test]
fn every_stage_runs_once_and_a_failure_fails_the_trials_that_need_it() {
    let out = tempfile::tempdir().unwrap();
    let (_, trials) = plan();
    let shared = &trials[0].stages[0];
    let sharing = |trial: &&Planned| trial.stages[0].key == shared.key;
    let count = trials.iter().filter(sharing).count();
    assert!(count > 1 && count < trials.len(), "one burn-in per seed");
    let ran = run(out.path(), &BTreeSet::from([shared.key.clone()]));
    let keys: BTreeSet<&StageKey> = ran.iter().collect();
    assert_eq!(keys.len(), ran.len(), "each once");
    let failed = records(out.path());
    let failed = failed
        .iter()
        .filter(|(_, status)| *status == TrialStatus::Failed);
    assert_eq!(failed.count(), count);
}

#[test]
fn only_what_an_unfinished_evaluation_needs_runs_again() {
    let out = tempfile::tempdir().unwrap();
    let (_, trials) = plan();
    let last = trials[0].last();
    let first = run(out.path(), &BTreeSet::from([last.key.clone()]));
    assert!(!first.contains(&last.key));
    // The mock leaves no complete training, so the whole chain of the trial is missing, and no other.
    let second = run(out.path(), &BTreeSet::new());
    let chain: Vec<StageKey> = trials[0]
        .stages
        .iter()
        .map(|stage| stage.key.clone())
        .collect();
    assert_eq!(second, chain);
    assert!(
        records(out.path())
            .iter()
            .all(|(_, status)| *status == TrialStatus::Ok)
    );
    assert!(run(out.path(), &BTreeSet::new()).is_empty());
}

#[test]
fn the_settings_of_every_trial_are_saved_before_anything_runs() {
    let out = tempfile::tempdir().unwrap();
    let (plan, trials) = plan();
    let frozen = frozen(&plan, &trials);
    let store = Store::open(out.path()).unwrap();
    let results = Results::open(&store, out.path(), &plan, &[]).unwrap();
    Run::new(&trials, &frozen, &store, results)
        .freeze()
        .unwrap();
    for trial in &trials {
        let text = std::fs::read_to_string(store.trial(&trial.hash).settings()).unwrap();
        assert_eq!(text.parse::<toml::Table>().unwrap(), trial.table);
        assert!(text.starts_with(&format!("# {}, seed {}\n", trial.label, trial.seed)));
    }
    assert_eq!(
        FrozenPlan::read(&store.plan(&plan.recipe)).unwrap().stages,
        frozen.stages
    );
}
