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
