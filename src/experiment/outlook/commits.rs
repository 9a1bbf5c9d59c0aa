//! Lists the finished work of a plan that was done at another commit than the present one. It stays valid
//! because its settings are the same, but a reader of the tables should know.

use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::root::Store;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Number of digits of a commit that are shown: enough to distinguish the commits of a large repository.
const SHOWN_DIGITS: usize = 10;

/// The trials that depend on work done at one other commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherCommit {
    /// The commit; none outside a repository.
    commit: Option<String>,
    /// The number of trials with a finished stage from that commit.
    trials: usize,
}

impl OtherCommit {
    /// The work of `plan` in `store` that was not done at the commit `now`, by commit. Stages without a
    /// recorded commit are left out.
    pub fn all(store: &Store, plan: &FrozenPlan, now: Option<&str>) -> Vec<Self> {
        let mut known = BTreeMap::new();
        let of: Vec<Option<Option<String>>> = plan
            .stages
            .iter()
            .map(|stage| {
                let folder = store.stage(&stage.key);
                if !folder.outcome(&stage.key).exists() {
                    return None;
                }
                let text = std::fs::read(folder.environment()).ok()?;
                // Many stages share few environments.
                let commit = || serde_json::from_slice(&text).ok();
                let found: &Option<Made> = known.entry(text.clone()).or_insert_with(commit);
                found.as_ref().map(|made| made.commit.clone())
            })
            .collect();
        let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
        for trial in &plan.trials {
            let commits: BTreeSet<&Option<String>> = trial
                .stages
                .iter()
                .filter_map(|stage| of[*stage].as_ref())
                .collect();
            let others = commits
                .into_iter()
                .filter(|commit| commit.as_deref() != now);
            others.for_each(|commit| *counts.entry(commit.clone()).or_default() += 1);
        }
        let other = |(commit, trials)| Self { commit, trials };
        counts.into_iter().map(other).collect()
    }
}

impl fmt::Display for OtherCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trials, were) = match self.trials {
            1 => ("trial", "was"),
            _ => ("trials", "were"),
        };
        write!(
            f,
            "{} {trials} {were} computed, at least in part, ",
            self.trials
        )?;
        match &self.commit {
            Some(commit) => {
                let shown: String = commit.chars().take(SHOWN_DIGITS).collect();
                write!(f, "at commit {shown}")
            }
            None => f.write_str("outside a repository"),
        }
    }
}

/// The part of a stage's `environment.json` that is read.
#[derive(Deserialize)]
struct Made {
    commit: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::store::frozen::{StageEntry, TrialEntry};
    use std::fs;

    #[test]
    fn trials_are_counted_by_the_commits_of_their_finished_stages() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        let mut plan = FrozenPlan::new("r", 1);
        let stages = [
            ("burn-in-0", Some("old"), true),
            ("evaluate-1", Some("now"), true),
            ("evaluate-2", Some("old"), true),
            ("evaluate-3", None, true),
            ("evaluate-4", Some("older"), false),
        ];
        for (key, commit, done) in stages {
            plan.stages.push(StageEntry {
                key: key.parse().unwrap(),
                title: key.into(),
                needs: Vec::new(),
                cost: 1,
                steps: [0, 1],
                trials: 1,
            });
            let key = &plan.stages.last().unwrap().key;
            let folder = store.stage(key);
            folder.make().unwrap();
            let text = serde_json::json!({ "cores": 2, "commit": commit });
            fs::write(folder.environment(), text.to_string()).unwrap();
            let result = folder.outcome(key);
            if done {
                fs::write(result, "").unwrap();
            }
        }
        for stages in [vec![0, 1], vec![0, 2], vec![1], vec![3], vec![4]] {
            plan.trials.push(TrialEntry {
                hash: "h".into(),
                label: "l".into(),
                seed: 0,
                places: Default::default(),
                reused: None,
                stages,
            });
        }
        let told = |now| -> Vec<String> {
            let others = OtherCommit::all(&store, &plan, now);
            others.iter().map(ToString::to_string).collect()
        };
        let outside = "1 trial was computed, at least in part, outside a repository";
        assert_eq!(
            told(Some("now")),
            [
                outside,
                "2 trials were computed, at least in part, at commit old"
            ]
        );
        assert_eq!(
            told(Some("old")),
            [
                outside,
                "2 trials were computed, at least in part, at commit now"
            ]
        );
        assert_eq!(told(None).len(), 2);
    }
}
