//! Makes the titles of a plan's stages distinct, so that no two bars and no two messages have one name.
//!
//! Variants of a setting that the burn-in reads have a burn-in each, two sweeps may have a row of the same label,
//! and a method may train twice. A title that more than one stage has gets the row that first needs the stage; if
//! this is not enough, the kind of the stage; and at last the beginning of its hash.

use super::frozen::FrozenPlan;
use crate::experiment::trial::key::StageKey;
use std::collections::BTreeMap;

/// The digits of a hash that tell two stages apart.
const DIGITS: usize = 6;

impl FrozenPlan {
    /// Makes the titles of the stages distinct. `rows` are the rows that use each trial, as `sweep: label`.
    pub fn distinguish(&mut self, rows: &[Vec<String>]) {
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        for (trial, entry) in self.trials.iter().enumerate() {
            for stage in &entry.stages {
                first.entry(*stage).or_insert(trial);
            }
        }
        let labels: Vec<String> = self.trials.iter().map(|one| one.label.clone()).collect();
        self.rename(|stage, title, _| {
            let trial = *first.get(&stage)?;
            let row = rows.get(trial)?.first()?;
            let (sweep, _) = row.split_once(": ")?;
            Some(
                match title.starts_with(&format!("{}, seed ", labels[trial])) {
                    true => format!("{sweep}: {title}"),
                    false => format!("{title} ({row})"),
                },
            )
        });
        self.rename(|_, title, key| Some(format!("{title} ({})", key.kind())));
        self.rename(|_, title, key| {
            let hash = key.as_str().rsplit('-').next().unwrap_or_default();
            let digits: String = hash.chars().take(DIGITS).collect();
            Some(format!("{title} [{digits}]"))
        });
    }

    /// Gives every stage whose title another stage has, too, the title that `name` makes of it.
    fn rename(&mut self, name: impl Fn(usize, &str, &StageKey) -> Option<String>) {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for stage in &self.stages {
            *counts.entry(stage.title.clone()).or_default() += 1;
        }
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if counts[&stage.title] > 1
                && let Some(title) = name(index, &stage.title, &stage.key)
            {
                stage.title = title;
            }
        }
    }

    /// The name of a trial for people: that of its evaluation.
    pub fn trial_title(&self, trial: usize) -> String {
        let last = self.trials[trial].stages.last();
        let title = last.map_or("", |last| self.stages[*last].title.as_str());
        title
            .strip_suffix(": evaluation")
            .unwrap_or(title)
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::store::frozen::{StageEntry, TrialEntry};
    use std::collections::BTreeSet;

    fn stage(key: &str, title: &str) -> StageEntry {
        StageEntry {
            key: key.parse().unwrap(),
            title: title.into(),
            needs: Vec::new(),
            cost: 1,
            steps: [0, 1],
            trials: 1,
        }
    }

    #[test]
    fn no_two_stages_have_one_title() {
        let mut plan = FrozenPlan::new("r", 1);
        plan.stages = vec![
            stage("burn-in-aaaaaaaa", "burn-in, seed 0"),
            stage("teach-bbbbbbbb", "one, seed 0"),
            stage("distill-cccccccc", "one, seed 0"),
            stage("evaluate-dddddddd", "one, seed 0: evaluation"),
            stage("burn-in-eeeeeeee", "burn-in, seed 0"),
            stage("distill-ffffffff", "one, seed 0"),
            stage("evaluate-99999999", "one, seed 0: evaluation"),
            stage("vlm-12345678", "vision-language model"),
        ];
        let trial = |stages: &[usize]| TrialEntry {
            reused: None,
            hash: "h".into(),
            label: "one".into(),
            seed: 0,
            places: Default::default(),
            stages: stages.to_vec(),
        };
        plan.trials = vec![trial(&[7, 0, 1, 2, 3]), trial(&[7, 4, 5, 6])];
        let rows = ["first: one", "second: one"].map(|row| vec![row.to_string()]);
        plan.distinguish(&rows);
        let titles: Vec<&str> = plan.stages.iter().map(|one| one.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "burn-in, seed 0 (first: one)",
                "first: one, seed 0 (teach)",
                "first: one, seed 0 (distill)",
                "first: one, seed 0: evaluation",
                "burn-in, seed 0 (second: one)",
                "second: one, seed 0",
                "second: one, seed 0: evaluation",
                "vision-language model",
            ]
        );
        assert_eq!(plan.trial_title(1), "second: one, seed 0");
        let before = plan.stages.clone();
        plan.distinguish(&rows);
        assert_eq!(plan.stages, before, "once is enough");
        // Without a word about the rows, the hash remains.
        plan.stages
            .iter_mut()
            .for_each(|one| one.title = "x".into());
        plan.distinguish(&[]);
        let titles: BTreeSet<&str> = plan.stages.iter().map(|one| one.title.as_str()).collect();
        assert_eq!(titles.len(), plan.stages.len());
    }
}
