//! Estimates the time of the missing stages from the times of the finished ones.
//!
//! Seconds per unit of cost are measured for each kind of stage, over all its finished stages. A kind without
//! finished stages uses the mean of all, and the estimate names it. With n workers, the wall time is at least
//! the work divided by n, and at least the longest chain of stages.

use super::standing::StageState;
use crate::experiment::store::frozen::FrozenPlan;
use serde::Serialize;
use std::collections::BTreeMap;

/// The estimated seconds of the missing work.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Estimate {
    /// The time on one worker.
    pub work_seconds: f64,
    /// The wall time.
    pub clock_seconds: f64,
    /// The number of trials that run at the same time.
    pub workers: usize,
    /// The number of finished stages that were timed.
    pub timed_stages: usize,
    /// The kinds of missing stages without any timed stage.
    pub untimed: Vec<String>,
}

/// Seconds, and the cost that they were spent on.
#[derive(Clone, Copy, Default)]
struct Spent {
    seconds: f64,
    cost: f64,
    stages: usize,
}

impl Spent {
    fn add(&mut self, seconds: f64, cost: u64) {
        self.seconds += seconds;
        self.cost += cost as f64;
        self.stages += 1;
    }

    fn rate(&self) -> Option<f64> {
        (self.cost > 0.0).then(|| self.seconds / self.cost)
    }
}

impl Estimate {
    /// The estimate for the wanted stages of `plan`, whose states are `states`. None as long as no stage has
    /// been timed.
    pub fn new(plan: &FrozenPlan, states: &[StageState]) -> Option<Self> {
        let FrozenPlan {
            stages, workers, ..
        } = plan;
        let mut all = Spent::default();
        let mut kinds: BTreeMap<&str, Spent> = BTreeMap::new();
        for (stage, state) in stages.iter().zip(states) {
            if let StageState::Done { seconds } = state
                && *seconds > 0.0
            {
                all.add(*seconds, stage.cost);
                kinds
                    .entry(stage.key.kind())
                    .or_default()
                    .add(*seconds, stage.cost);
            }
        }
        let mean = all.rate()?;
        let mut work = 0.0;
        let mut longest = 0.0_f64;
        let mut untimed: Vec<String> = Vec::new();
        let mut ends = Vec::with_capacity(stages.len());
        for ((stage, state), wanted) in stages
            .iter()
            .zip(states)
            .zip(plan.wanted(|stage| states[stage].is_done()))
        {
            let kind = kinds.get(stage.key.kind()).and_then(Spent::rate);
            let name = stage.key.kind();
            if wanted && kind.is_none() && !untimed.iter().any(|known| known == name) {
                untimed.push(name.to_string());
            }
            let seconds = match wanted {
                true => stage.cost as f64 * kind.unwrap_or(mean) * (1.0 - state.share(stage)),
                false => 0.0,
            };
            work += seconds;
            let needs = stage.needs.iter().map(|need| ends[*need]);
            let end = seconds + needs.fold(0.0, f64::max);
            ends.push(end);
            longest = longest.max(end);
        }
        Some(Self {
            work_seconds: work,
            clock_seconds: longest.max(work / (*workers).max(1) as f64),
            workers: *workers,
            timed_stages: all.stages,
            untimed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::store::frozen::{StageEntry, TrialEntry};

    fn stage(key: &str, needs: &[usize], cost: u64, steps: [usize; 2]) -> StageEntry {
        StageEntry {
            key: key.parse().unwrap(),
            title: key.into(),
            needs: needs.to_vec(),
            cost,
            steps,
            trials: 1,
        }
    }

    fn trial(stages: &[usize]) -> TrialEntry {
        TrialEntry {
            hash: "h".into(),
            label: "l".into(),
            seed: 0,
            places: Default::default(),
            reused: None,
            stages: stages.to_vec(),
        }
    }

    #[test]
    fn the_missing_stages_take_as_long_as_finished_ones_of_their_kind() {
        let mut plan = FrozenPlan::new("r", 2);
        plan.stages = vec![
            stage("burn-in-1", &[], 100, [0, 10]),
            stage("distill-1", &[0], 200, [10, 20]),
            stage("evaluate-1", &[1], 50, [20, 20]),
            stage("distill-2", &[0], 200, [10, 20]),
            stage("evaluate-2", &[3], 50, [20, 20]),
        ];
        plan.trials = vec![trial(&[0, 1, 2]), trial(&[0, 3, 4])];
        let done = |seconds| StageState::Done { seconds };
        let begun = StageState::Interrupted(super::super::standing::Position {
            step: 15,
            ..Default::default()
        });
        let states = [
            done(10.0),
            done(40.0),
            StageState::Missing,
            begun,
            StageState::Missing,
        ];
        let found = Estimate::new(&plan, &states).unwrap();
        // Half of a distillation at 0.2 s per unit; two evaluations, a kind without times, at 50 s / 300.
        let evaluation = 50.0 * 50.0 / 300.0;
        assert!((found.work_seconds - (20.0 + 2.0 * evaluation)).abs() < 1e-9);
        assert!(
            (found.clock_seconds - (20.0 + evaluation)).abs() < 1e-9,
            "the longest chain"
        );
        assert_eq!((found.timed_stages, found.workers), (2, 2));
        assert_eq!(found.untimed, ["evaluate"]);
        plan.workers = 1;
        let alone = Estimate::new(&plan, &states).unwrap();
        assert_eq!(alone.clock_seconds, alone.work_seconds);
        assert_eq!(
            Estimate::new(&plan, &[const { StageState::Missing }; 5]),
            None
        );
    }
}
