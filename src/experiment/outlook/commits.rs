//! Lists the finished work of a plan that another program did: one that was built from another commit. It stays valid
//! because its settings are the same, but a reader of the tables should know.

use crate::experiment::store::environment::MadeBy;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::program::Program;
use crate::experiment::store::root::Store;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Number of digits of a commit that are shown: enough to distinguish the commits of a large repository.
const SHOWN_DIGITS: usize = 10;

/// The trials that depend on work done at one other commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherCommit {
    /// The commit; none if it is unknown.
    commit: Option<String>,
    /// True if an earlier program did the work: its own commit is not recorded, and `commit` is that of the recipe's
    /// folder.
    of_the_recipe: bool,
    /// The number of trials with a finished stage from that commit.
    trials: usize,
}

/// The commit that tells which program did a piece of work; true if it is that of the recipe's folder.
type Source = (Option<String>, bool);

impl OtherCommit {
    /// The work of `plan` in `store` that was not done by the plan's own program, by commit. Stages without an
    /// environment are left out.
    pub fn all(store: &Store, plan: &FrozenPlan) -> Vec<Self> {
        let now = source(plan.commit.clone(), plan.program.clone());
        // Before programs knew their commit, they ran in their own repository, as a rule with its recipes.
        let is_same = |found: &Source| *found == now || (found.1 && found.0 == now.0);
        let mut known = BTreeMap::new();
        let of: Vec<Option<Source>> = plan
            .stages
            .iter()
            .map(|stage| {
                let folder = store.stage(&stage.key);
                if !folder.outcome(&stage.key).exists() {
                    return None;
                }
                let text = std::fs::read(folder.environment()).ok()?;
                // Many stages share few environments.
                let made = || MadeBy::of(&text).map(|made| source(made.commit, made.program));
                known.entry(text.clone()).or_insert_with(made).clone()
            })
            .collect();
        let mut counts: BTreeMap<Source, usize> = BTreeMap::new();
        for trial in &plan.trials {
            let sources: BTreeSet<&Source> = trial
                .stages
                .iter()
                .filter_map(|stage| of[*stage].as_ref())
                .collect();
            let others = sources.into_iter().filter(|source| !is_same(source));
            others.for_each(|source| *counts.entry(source.clone()).or_default() += 1);
        }
        let other = |((commit, of_the_recipe), trials)| Self {
            commit,
            of_the_recipe,
            trials,
        };
        counts.into_iter().map(other).collect()
    }
}

/// The source of work that was done in a recipe's folder at `commit`, by `program` if that is recorded.
fn source(commit: Option<String>, program: Option<Program>) -> Source {
    match program {
        Some(program) => (program.commit, false),
        None => (commit, true),
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
        let shown = |commit: &str| commit.chars().take(SHOWN_DIGITS).collect::<String>();
        match (&self.commit, self.of_the_recipe) {
            (Some(commit), false) => write!(f, "by a program of commit {}", shown(commit)),
            (None, false) => f.write_str("by a program of an unknown commit"),
            (Some(commit), true) => write!(
                f,
                "by a program that did not record its commit, with a recipe at commit {}",
                shown(commit)
            ),
            (None, true) => f.write_str("by a program that did not record its commit"),
        }
    }
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
        let program = |commit: &str| serde_json::json!({ "commit": commit, "changed": false });
        let stages = [
            (
                "burn-in-0",
                serde_json::json!({ "commit": "r", "program": program("old") }),
                true,
            ),
            (
                "evaluate-1",
                serde_json::json!({ "commit": "s", "program": program("now") }),
                true,
            ),
            (
                "evaluate-2",
                serde_json::json!({ "commit": null, "program": program("old") }),
                true,
            ),
            (
                "evaluate-3",
                serde_json::json!({ "commit": "before" }),
                true,
            ),
            (
                "evaluate-4",
                serde_json::json!({ "commit": "r", "program": program("older") }),
                false,
            ),
        ];
        for (key, text, done) in stages {
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
        let told = |commit: Option<&str>| -> Vec<String> {
            let mut plan = plan.clone();
            plan.program = Some(Program {
                commit: commit.map(str::to_string),
                changed: false,
            });
            let others = OtherCommit::all(&store, &plan);
            others.iter().map(ToString::to_string).collect()
        };
        let of = |commit| {
            format!("2 trials were computed, at least in part, by a program of commit {commit}")
        };
        let before = "1 trial was computed, at least in part, by a program that did not record its commit, with a \
                      recipe at commit before";
        assert_eq!(told(Some("now")), [before.to_string(), of("old")]);
        assert_eq!(told(Some("old")), [before.to_string(), of("now")]);
        assert_eq!(
            told(Some("before")),
            [of("now"), of("old")],
            "the program's own repository"
        );
        assert_eq!(told(None).len(), 3);
    }
}
