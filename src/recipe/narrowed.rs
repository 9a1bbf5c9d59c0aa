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

#[cfg(test)]
mod tests {
    use super::super::plan::made_up;
    use super::*;
    use crate::metrics::UntilDecided;

    const RULE: UntilDecided = UntilDecided {
        at_least: 2,
        at_most: 4,
        effect_scale: 1.0,
        negligible: None,
    };

    /// The hashes of the trials of each row.
    fn hashes(plan: &Plan) -> Vec<Vec<&str>> {
        let rows = plan.sweeps.iter().flat_map(|sweep| &sweep.rows);
        let of_row = |trials: &[usize]| {
            let hashes = trials.iter().map(|trial| &*plan.trials[*trial].hash);
            hashes.collect()
        };
        rows.map(|row| of_row(&row.trials)).collect()
    }

    #[test]
    fn every_row_has_its_first_trials_and_no_other_trial_is_there() {
        let whole = made_up(&["all", "a", "b"], RULE);
        let plan = whole.narrowed(&[vec![3, 3, 1]]);
        assert_eq!(
            hashes(&plan),
            [
                vec!["all-0", "all-1", "all-2"],
                vec!["a-0", "a-1", "a-2"],
                vec!["b-0"]
            ]
        );
        let order: Vec<&str> = plan.trials.iter().map(|trial| &*trial.hash).collect();
        assert_eq!(order, hashes(&plan).concat());
        assert_eq!(plan.seeds, whole.seeds, "the seeds that a row may get");
        assert_eq!(whole.narrowed(&[vec![4, 4, 4]]), whole);
        assert_eq!(whole.narrowed(&[vec![9, 9, 9]]), whole);
    }

    #[test]
    fn a_trial_that_two_sweeps_share_stays_if_one_of_them_needs_it() {
        let mut whole = made_up(&["all", "a"], RULE);
        let mut second = whole.sweeps[0].clone();
        second.name = "t".into();
        whole.sweeps.push(second);
        let plan = whole.narrowed(&[vec![1, 1], vec![3, 0]]);
        assert_eq!(
            hashes(&plan),
            [
                vec!["all-0"],
                vec!["a-0"],
                vec!["all-0", "all-1", "all-2"],
                vec![]
            ]
        );
        assert_eq!(plan.trials.len(), 4);
    }
}
