//! The plan as a table for the terminal: each trial once, with the rows that use it.

use super::plan::Plan;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use std::fmt;

/// Digits of a hash that are shown: enough to find a trial among thousands.
const SHOWN_DIGITS: usize = 8;

impl Plan {
    /// How many results of a row need no training of their own.
    pub fn folded(&self) -> usize {
        self.uses().iter().map(|rows| rows.len() - 1).sum()
    }

    /// For each trial, the rows that use it as `sweep: label`.
    fn uses(&self) -> Vec<Vec<String>> {
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table
            .load_style(UTF8_HORIZONTAL_ONLY)
            .set_header(["trial", "hash", "seed", "rows"]);
        for ((number, trial), rows) in self.trials.iter().enumerate().zip(self.uses()) {
            let hash: String = trial.hash.chars().take(SHOWN_DIGITS).collect();
            table.add_row([
                (number + 1).to_string(),
                hash,
                trial.seed.to_string(),
                rows.join("\n"),
            ]);
        }
        writeln!(f, "{table}")?;
        for sweep in &self.sweeps {
            let reference = sweep
                .reference
                .as_ref()
                .map_or(String::new(), |label| format!(", reference `{label}`"));
            writeln!(
                f,
                "{}: {} rows{reference}. {}",
                sweep.name,
                sweep.rows.len(),
                sweep.question
            )?;
        }
        write!(
            f,
            "{}: {} trials ({} per seed, {} seeds), {} further results folded into them",
            self.recipe,
            self.trials.len(),
            self.trials.len() / self.seeds.len().max(1),
            self.seeds.len(),
            self.folded()
        )
    }
}
