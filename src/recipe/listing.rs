//! Which rows use a trial.

use super::plan::Plan;

impl Plan {
    /// How many results of a row need no training of their own.
    pub fn folded(&self) -> usize {
        self.uses().iter().map(|rows| rows.len() - 1).sum()
    }

    /// For each trial, the rows that use it as `sweep: label`.
    pub fn uses(&self) -> Vec<Vec<String>> {
        let mut uses = vec![Vec::new(); self.trials.len()];
        for sweep in &self.sweeps {
            for row in &sweep.rows {
                for &trial in &row.trials {
                    uses[trial].push(format!("{}: {}", sweep.name, row.label));
                }
            }
        }
        uses
    }
}
