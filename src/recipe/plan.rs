//! Turns a recipe into its plan: every variant of every sweep with every seed. Identical trials are merged
//! into one.
//!
//! The order is that of the recipe: sweeps, their rows, the seeds. A trial has the position of its first use.

mod builder;
#[cfg(test)]
mod made_up;

#[cfg(test)]
pub use made_up::made_up;

use super::new_keys::NewKeys;
use super::paths::{self, Places};
use super::seeds::SeedRange;
use super::written::Written;
use crate::metrics::{MatrixPlace, PaperColumn, RowDecision, RowGroup, UntilDecided};
use crate::registry::ComponentError;
use serde::{Deserialize, Serialize};
use toml::Table;

/// The caller's knowledge of the components.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    /// Writes settings that stand for others as these, in the settings of a trial (with `seed`), before they are
    /// checked. It is also given the absolute paths of the settings.
    pub spell_out: &'a dyn Fn(&mut Table, &Places),
    /// Checks the settings of a trial (with `seed`). Each error names a key path of the settings.
    pub check: &'a dyn Fn(&Table) -> Vec<ComponentError>,
    /// Removes the settings that the trial does not read. Trials that differ only in those become one.
    pub normalise: &'a dyn Fn(&mut Table),
    /// The spelling of normalised settings that their hash is taken of.
    pub identity: &'a dyn Fn(&Table) -> Table,
    /// The keys that a recipe may leave out. `check` is given their defaults; `normalise` should take these
    /// out again.
    pub new_keys: &'a NewKeys,
}

/// The trials of a recipe and the tables that they fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the recipe: its file without folder and extension.
    pub recipe: String,
    /// The folder of its results under `results/`: the value of the key `results`, or else the name.
    pub results: String,
    /// The seeds; each is a repetition of every variant.
    pub seeds: Vec<u64>,
    /// How many of them a row has that gets seeds until it is decided; none if every row has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<SeedRange>,
    /// The sweeps; each becomes one table.
    pub sweeps: Vec<SweepPlan>,
    /// The distinct trials.
    pub trials: Vec<Trial>,
    /// The files that the plan was made of, and the origins of the settings.
    #[serde(default)]
    pub written: Written,
    /// Notes to the author of the recipe.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// The plan of one sweep, which becomes one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepPlan {
    /// The name of the sweep and of its table.
    pub name: String,
    /// The question that the table answers.
    pub question: String,
    /// The label of the row that the differences are computed against; none if every group has its own.
    pub reference: Option<String>,
    /// The table and column of the paper with the published numbers.
    pub paper: Option<PaperColumn>,
    /// The titles of the columns of the matrix of its rows, in order; empty if they stand in the order of the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The rule of seeds until decided; none if the seeds are fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UntilDecided>,
    /// The decisions of that rule that have fallen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<RowDecision>,
    /// The rows, in the order of the sweep's file.
    pub rows: Vec<RowPlan>,
}

/// One variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowPlan {
    /// The label; unique in its sweep.
    pub label: String,
    /// The number in the paper.
    pub paper: Option<f64>,
    /// Indices into [`Plan::trials`], one per seed; with a rule of seeds until decided, of the seeds that the row
    /// needs.
    pub trials: Vec<usize>,
    /// The group that the row is compared in; none if the table has one reference or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<RowGroup>,
    /// The place in the matrix of the rows; none if the table has no such matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<MatrixPlace>,
}

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The identity of the trial: the hash of the settings.
    pub hash: String,
    /// The label of the row that uses it first.
    pub label: String,
    /// The seed; it is also in the settings.
    pub seed: u64,
    /// All settings that the trial reads, and the key `seed`. Paths stand as they are written, see [`Places`].
    pub settings: Table,
    /// The absolute paths of the settings.
    #[serde(default, skip_serializing_if = "Places::is_empty")]
    pub places: Places,
}

impl SweepPlan {
    /// Compares every row within its group. The rows of a group follow one another, in the order of the groups' first
    /// rows. A single group is a table with one reference.
    fn compare_within(&mut self, groups: Vec<RowGroup>) {
        let mut titles: Vec<&str> = Vec::new();
        for group in &groups {
            if !titles.contains(&group.title.as_str()) {
                titles.push(&group.title);
            }
        }
        if titles.len() == 1 {
            self.reference = Some(groups[0].reference.clone());
            return;
        }
        let place = |group: &RowGroup| titles.iter().position(|title| *title == group.title);
        let places: Vec<_> = groups.iter().map(place).collect();
        let rows = std::mem::take(&mut self.rows).into_iter();
        let mut placed: Vec<_> = rows.zip(&groups).zip(places).collect();
        placed.sort_by_key(|(_, place)| *place);
        let rows = placed.into_iter().map(|((row, group), _)| RowPlan {
            group: Some(group.clone()),
            ..row
        });
        self.rows = rows.collect();
    }
}

impl Trial {
    /// The settings with absolute paths, for the components.
    pub fn located(&self) -> Table {
        paths::with_places(&self.settings, &self.places)
    }
}
