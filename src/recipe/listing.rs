//! Lists the rows that use a trial.

use super::plan::Plan;

impl Plan {
    /// The number of results of the rows that need no training of their own, because another row has the same
    /// trial.
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
