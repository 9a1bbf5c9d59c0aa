//! A plan with fewer trials: those of the seeds that its rows need.

use super::plan::Plan;
use std::collections::BTreeMap;

impl Plan {
    /// The plan whose rows have the first of their trials alone: as many as `seeds` says, sweep by sweep and row by
    /// row. The trials keep their order.
    ///
    /// # Panics
    /// `seeds` has fewer sweeps or rows than the plan.
    pub fn narrowed(&self, seeds: &[Vec<usize>]) -> Self {
        let mut plan = self.clone();
        for (sweep, seeds) in plan.sweeps.iter_mut().zip(seeds) {
            for (row, seeds) in sweep.rows.iter_mut().zip(seeds) {
                row.trials.truncate(*seeds);
            }
        }
        let rows = || plan.sweeps.iter().flat_map(|sweep| &sweep.rows);
        let mut places: BTreeMap<usize, usize> = rows()
            .flat_map(|row| &row.trials)
            .map(|trial| (*trial, 0))
            .collect();
        for (place, (_, new)) in places.iter_mut().enumerate() {
            *new = place;
        }
        plan.trials = places
            .keys()
            .map(|trial| self.trials[*trial].clone())
            .collect();
        for row in plan.sweeps.iter_mut().flat_map(|sweep| &mut sweep.rows) {
            row.trials
                .iter_mut()
                .for_each(|trial| *trial = places[trial]);
        }
        plan
    }
}
