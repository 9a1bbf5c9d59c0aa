//! Estimates the time of the missing stages.
//!
//! | the kind of stage | its seconds per unit of cost |
//! |---|---|
//! | has been timed in this folder | the mean over its timed stages |
//! | has not, but others have | the mean over all timed stages |
//! | no stage has been timed | by the measured speed of this machine |
//!
//! The cost of a stage counts its floating-point operations, so seconds of one kind tell those of another:
//! [`crate::experiment::trial::work`]. With n workers, the wall time is at least the work divided by n, and at
//! least the longest chain of stages.

use super::standing::StageState;
use crate::experiment::run::forecast::readable;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::trial::work::UNIT;
use crate::screen::counted;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

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
    /// The measured operations per second of one worker, if the estimate is made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// The floating-point operations of the missing work, if the estimate is made of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<f64>,
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

/// The timed stages: all, and those of each kind.
#[derive(Default)]
struct Timed<'a> {
    all: Spent,
    kinds: BTreeMap<&'a str, Spent>,
}

impl<'a> Timed<'a> {
    fn new(plan: &'a FrozenPlan, states: &[StageState]) -> Self {
        let mut timed = Self::default();
        for (stage, state) in plan.stages.iter().zip(states) {
            if let StageState::Done { seconds } = state
                && *seconds > 0.0
            {
                timed.all.add(*seconds, stage.cost);
                let kind = timed.kinds.entry(stage.key.kind()).or_default();
                kind.add(*seconds, stage.cost);
            }
        }
        timed
    }

    /// The seconds per unit of cost of the stages of `kind`, if one was timed.
    fn rate(&self, kind: &str) -> Option<f64> {
        self.kinds.get(kind).and_then(Spent::rate)
    }
}

impl Estimate {
    /// The estimate for the wanted stages of `plan`, whose states are `states`. As long as no stage has been
    /// timed, it is made of the operations per second that `speed` measures for one of a number of workers;
    /// without `speed`, there is none. Nothing is measured if no stage is wanted.
    pub fn new(
        plan: &FrozenPlan,
        states: &[StageState],
        speed: Option<fn(usize) -> Option<f64>>,
    ) -> Option<Self> {
        let FrozenPlan {
            stages, workers, ..
        } = plan;
        let timed = Timed::new(plan, states);
        let wanted = plan.wanted(|stage| states[stage].is_done());
        let (mean, speed) = match (timed.all.rate(), speed) {
            (Some(mean), _) => (mean, None),
            (None, Some(measure)) if wanted.contains(&true) => {
                let speed = measure(*workers)?;
                (UNIT / speed, Some(speed))
            }
            _ => return None,
        };
        let mut work = 0.0;
        let mut cost = 0.0;
        let mut longest = 0.0_f64;
        let mut untimed: Vec<String> = Vec::new();
        let mut ends = Vec::with_capacity(stages.len());
        for ((stage, state), wanted) in stages.iter().zip(states).zip(wanted) {
            let name = stage.key.kind();
            let kind = timed.rate(name);
            if wanted && kind.is_none() && !untimed.iter().any(|known| known == name) {
                untimed.push(name.to_string());
            }
            let left = match wanted {
                true => stage.cost as f64 * (1.0 - state.share(stage)),
                false => 0.0,
            };
            let seconds = left * kind.unwrap_or(mean);
            cost += left;
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
            timed_stages: timed.all.stages,
            untimed,
            speed,
            operations: speed.map(|_| cost * UNIT),
        })
    }
}

/// Operations in a Gflop.
const GIGA: f64 = 1e9;

/// Writes the times, and where they come from.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "about {} of work, {} with {} (",
            readable(Duration::from_secs_f64(self.work_seconds)),
            readable(Duration::from_secs_f64(self.clock_seconds)),
            counted(self.workers, "worker")
        )?;
        if let (Some(operations), Some(speed)) = (self.operations, self.speed) {
            return write!(
                f,
                "an estimate: no stage is timed in this folder yet; {:.0} Gflop counted from the recipe, at the {:.1} Gflop \
                 a second that a worker reaches on this processor now)",
                operations / GIGA,
                speed / GIGA
            );
        }
        let timed = counted(self.timed_stages, "stage");
        write!(f, "from {timed} timed in this folder")?;
        if !self.untimed.is_empty() {
            let kinds = self.untimed.join(", ");
            write!(
                f,
                "; none of the kind {kinds}, estimated from the operations that the recipe asks for"
            )?;
        }
        f.write_str(")")
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
        let found = Estimate::new(&plan, &states, None).unwrap();
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
        let alone = Estimate::new(&plan, &states, None).unwrap();
        assert_eq!(alone.clock_seconds, alone.work_seconds);
        let missing = [const { StageState::Missing }; 5];
        assert_eq!(Estimate::new(&plan, &missing, None), None);
    }

    #[test]
    fn without_a_timed_stage_the_speed_of_the_machine_tells_the_time() {
        let mut plan = FrozenPlan::new("r", 2);
        plan.stages = vec![
            stage("burn-in-1", &[], 4000, [0, 10]),
            stage("distill-1", &[0], 6000, [10, 20]),
            stage("evaluate-1", &[1], 2000, [20, 20]),
        ];
        plan.trials = vec![trial(&[0, 1, 2])];
        let missing = [const { StageState::Missing }; 3];
        // A thousand units in a second.
        let speed: fn(usize) -> Option<f64> = |workers| (workers == 2).then_some(1000.0 * UNIT);
        let found = Estimate::new(&plan, &missing, Some(speed)).unwrap();
        assert_eq!((found.work_seconds, found.clock_seconds), (12.0, 12.0));
        assert_eq!(found.operations, Some(12_000.0 * UNIT));
        assert_eq!((found.speed, found.timed_stages), (speed(2), 0));
        assert_eq!(found.untimed, ["burn-in", "distill", "evaluate"]);
        // A timed stage of another kind is better than a measurement.
        let done = |seconds| StageState::Done { seconds };
        let states = [done(8.0), StageState::Missing, StageState::Missing];
        let found = Estimate::new(&plan, &states, Some(speed)).unwrap();
        assert_eq!(found.work_seconds, 16.0, "at 2 s per thousand units");
        assert_eq!((found.speed, found.operations), (None, None));
        let all = [done(8.0), done(1.0), done(1.0)];
        let found = Estimate::new(&plan, &all, Some(speed)).unwrap();
        assert_eq!(found.work_seconds, 0.0);
        let all = [done(0.0), done(0.0), done(0.0)];
        let never: fn(usize) -> Option<f64> = |_| panic!("nothing is left to run");
        assert_eq!(Estimate::new(&plan, &all, Some(never)), None);
    }
}
