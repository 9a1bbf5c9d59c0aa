//! The decisions on rows that get seeds until they are decided: `.store/decisions/<recipe>.json`. A decision that has
//! fallen stands, even if a trial behind it is done again, as long as the question is the same: the same trials of the
//! row and of its reference, the same rule, as many compared rows.

use super::root::Store;
use crate::atomic::write_atomically;
use crate::metrics::{RowDecision, UntilDecided};
use crate::recipe::{Plan, RowPlan, SweepPlan};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;

/// The decisions on the rows of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decisions {
    decisions: Vec<Kept>,
}

/// A decision with its question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    sweep: String,
    /// The digest of what was asked.
    question: String,
    #[serde(flatten)]
    decision: RowDecision,
}

impl Decisions {
    /// Reads the decisions on the rows of `recipe` in `store`.
    ///
    /// # Errors
    /// The file cannot be read or is damaged. The error names it.
    pub fn read(store: &Store, recipe: &str) -> Result<Self> {
        let path = store.decisions(recipe);
        let shown = path.display();
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            read => {
                let text = read.with_context(|| format!("cannot read `{shown}`"))?;
                serde_json::from_slice(&text).with_context(|| {
                    format!("`{shown}` is damaged; without the file, the rows are decided again from their results")
                })
            }
        }
    }

    /// The decisions that hold in `sweep` of `plan`, whose rows have the trials of all their seeds.
    pub fn of(&self, plan: &Plan, sweep: &SweepPlan) -> Vec<RowDecision> {
        let own = self
            .decisions
            .iter()
            .filter(|kept| kept.sweep == sweep.name);
        let holds =
            |kept: &&Kept| question(plan, sweep, &kept.decision).as_ref() == Some(&kept.question);
        own.filter(holds)
            .map(|kept| kept.decision.clone())
            .collect()
    }

    /// Keeps the decisions of the sweeps of `plan` in `store`, whose rows have the trials of all their seeds. A
    /// decision that another process has kept goes first. Returns all that hold, sweep by sweep.
    ///
    /// # Errors
    /// The store is not writable, or its file is damaged.
    pub fn keep(
        store: &Store,
        plan: &Plan,
        decisions: &[Vec<RowDecision>],
    ) -> Result<Vec<Vec<RowDecision>>> {
        let _alone = store.lock_tables()?;
        let mut kept = Self::read(store, &plan.recipe)?;
        let before = kept.clone();
        for (sweep, decisions) in plan.sweeps.iter().zip(decisions) {
            let known = kept.of(plan, sweep);
            for decision in decisions
                .iter()
                .filter(|one| known.iter().all(|it| it.row != one.row))
            {
                let Some(question) = question(plan, sweep, decision) else {
                    continue;
                };
                // An earlier decision on the row was on another question.
                kept.decisions
                    .retain(|one| (&one.sweep, &one.decision.row) != (&sweep.name, &decision.row));
                kept.decisions.push(Kept {
                    sweep: sweep.name.clone(),
                    question,
                    decision: decision.clone(),
                });
            }
        }
        // The order does not tell which fell first, so that a sweep that is continued writes the same file.
        kept.decisions
            .sort_by_key(|one| (one.sweep.clone(), one.decision.row.clone()));
        if kept != before {
            let text = serde_json::to_string_pretty(&kept)? + "\n";
            write_atomically(&store.decisions(&plan.recipe), text.as_bytes())?;
        }
        Ok(plan
            .sweeps
            .iter()
            .map(|sweep| kept.of(plan, sweep))
            .collect())
    }
}

/// The digest of what `decision` answers; none if the sweep has no such row, or fewer seeds.
fn question(plan: &Plan, sweep: &SweepPlan, decision: &RowDecision) -> Option<String> {
    let UntilDecided {
        effect_scale,
        negligible,
        ..
    } = sweep.until?;
    let reference_of = |row: &RowPlan| -> Option<String> {
        let own = row.group.as_ref().map(|group| group.reference.clone());
        own.or_else(|| sweep.reference.clone())
    };
    let compared = sweep
        .rows
        .iter()
        .filter(|row| reference_of(row).is_some_and(|label| label != row.label));
    let find = |label: &str| sweep.rows.iter().find(|row| row.label == label);
    let row = find(&decision.row)?;
    let hashes = |row: &RowPlan| -> Option<Vec<&str>> {
        let first = row.trials.get(..decision.seeds)?;
        Some(
            first
                .iter()
                .map(|trial| plan.trials[*trial].hash.as_str())
                .collect(),
        )
    };
    let own = hashes(row)?;
    let other = hashes(find(&reference_of(row)?)?)?;
    let asked = serde_json::to_string(&(effect_scale, negligible, compared.count(), own, other));
    Some(blake3::hash(asked.ok()?.as_bytes()).to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Verdict;
    use crate::recipe::made_up;

    const RULE: UntilDecided = UntilDecided {
        at_least: 2,
        at_most: 6,
        effect_scale: 1.0,
        negligible: Some(0.5),
    };

    fn plan() -> Plan {
        made_up(&["all", "a", "b"], RULE)
    }

    fn decided(row: &str, seeds: usize, verdict: Verdict) -> RowDecision {
        RowDecision {
            row: row.into(),
            seeds,
            verdict,
        }
    }

    /// A store that keeps that `a` hurts at five seeds.
    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let known = vec![decided("a", 5, Verdict::Hurts)];
        let kept = Decisions::keep(&store, &plan(), std::slice::from_ref(&known)).unwrap();
        assert_eq!(kept, [known]);
        (folder, store)
    }

    fn held(store: &Store, plan: &Plan) -> Vec<RowDecision> {
        let kept = Decisions::read(store, "r").unwrap();
        kept.of(plan, &plan.sweeps[0])
    }

    #[test]
    fn the_first_decision_on_a_question_stands_and_the_file_has_one_order() {
        let (_folder, store) = store();
        let later = vec![
            decided("b", 2, Verdict::Same),
            decided("a", 6, Verdict::Helps),
        ];
        let kept = Decisions::keep(&store, &plan(), &[later]).unwrap();
        let expected = [
            decided("a", 5, Verdict::Hurts),
            decided("b", 2, Verdict::Same),
        ];
        assert_eq!(kept[0], expected);
        assert_eq!(held(&store, &plan()), expected);
        // Another process that has the decisions in another order leaves the same bytes.
        let bytes = fs::read(store.decisions("r")).unwrap();
        let other = tempfile::tempdir().unwrap();
        let other = Store::open(other.path()).unwrap();
        let turned = expected.iter().rev().cloned().collect();
        Decisions::keep(&other, &plan(), &[turned]).unwrap();
        assert_eq!(fs::read(other.decisions("r")).unwrap(), bytes);
    }

    #[test]
    fn a_decision_holds_as_long_as_its_question_is_the_same() {
        type Change = fn(&mut Plan);
        let rule = |plan: &mut Plan, change: fn(&mut UntilDecided)| {
            change(plan.sweeps[0].until.as_mut().unwrap());
        };
        let (_folder, store) = store();
        let changed = |change: &dyn Fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            held(&store, &plan).len()
        };
        let same: [Change; 3] = [
            // A trial of another row, and trials after the decision.
            |plan| plan.trials[12].hash = "x".into(),
            |plan| plan.trials[5].hash = "x".into(),
            |plan| plan.trials[11].hash = "x".into(),
        ];
        for change in same {
            assert_eq!(changed(&change), 1);
        }
        assert_eq!(changed(&|plan| rule(plan, |rule| rule.at_least = 4)), 1);
        assert_eq!(changed(&|plan| rule(plan, |rule| rule.at_most = 40)), 1);
        let other: [Change; 4] = [
            // A trial of the row or of its reference; another number of compared rows; fewer seeds than it took.
            |plan| plan.trials[6].hash = "x".into(),
            |plan| plan.trials[4].hash = "x".into(),
            |plan| {
                plan.sweeps[0].rows.pop();
            },
            |plan| *plan = plan.narrowed(&[vec![4, 4, 4]]),
        ];
        for change in other {
            assert_eq!(changed(&change), 0);
        }
        assert_eq!(
            changed(&|plan| rule(plan, |rule| rule.effect_scale = 2.0)),
            0
        );
        assert_eq!(
            changed(&|plan| rule(plan, |rule| rule.negligible = None)),
            0
        );
        assert_eq!(changed(&|plan| plan.sweeps[0].name = "t".into()), 0);
        assert_eq!(
            changed(&|plan| plan.sweeps[0].reference = Some("b".into())),
            0
        );
    }

    #[test]
    fn a_decision_on_another_question_takes_the_place_of_the_earlier_one() {
        let (_folder, store) = store();
        let mut plan = plan();
        plan.trials[6].hash = "x".into();
        let now = vec![decided("a", 3, Verdict::Helps)];
        Decisions::keep(&store, &plan, std::slice::from_ref(&now)).unwrap();
        assert_eq!(held(&store, &plan), now);
        assert_eq!(held(&store, &self::plan()), []);
    }

    #[test]
    fn a_damaged_file_is_named_with_the_way_out() {
        let (_folder, store) = store();
        let path = store.decisions("r");
        fs::write(&path, "{\"decisions\": [").unwrap();
        for error in [
            Decisions::read(&store, "r").unwrap_err(),
            Decisions::keep(&store, &plan(), &[vec![]]).unwrap_err(),
        ] {
            let text = format!("{error:#}");
            let place = path.display().to_string();
            assert!(
                text.contains(&place) && text.contains("without the file"),
                "{text}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(Decisions::read(&store, "r").unwrap(), Decisions::default());
    }
}
