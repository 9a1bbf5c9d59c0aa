//! A made-up plan for tests: rows of seeds until decided, without a recipe behind them.

use super::{Plan, RowPlan, SweepPlan, Trial};
use crate::metrics::UntilDecided;
use crate::recipe::seeds::SeedRange;
use toml::Table;

/// A plan of the sweep `s` with the rows `labels`, the first of which is the reference of the others. Their trials, one
/// for each seed up to the largest number of `rule`, are called `<label>-<seed>`.
pub fn made_up(labels: &[&str], rule: UntilDecided) -> Plan {
    let seeds = 0..rule.at_most;
    let trial = |label: &str, seed: usize| Trial {
        hash: format!("{label}-{seed}"),
        label: label.into(),
        seed: seed as u64,
        settings: Table::new(),
        places: Default::default(),
    };
    let rows = labels.iter().enumerate().map(|(row, label)| RowPlan {
        label: (*label).into(),
        paper: None,
        trials: seeds
            .clone()
            .map(|seed| row * rule.at_most + seed)
            .collect(),
        group: None,
        place: None,
    });
    Plan {
        recipe: "r".into(),
        results: "r".into(),
        seeds: seeds.clone().map(|seed| seed as u64).collect(),
        range: Some(SeedRange {
            at_least: rule.at_least,
            at_most: rule.at_most,
        }),
        sweeps: vec![SweepPlan {
            name: "s".into(),
            question: "Which?".into(),
            reference: Some(labels[0].into()),
            paper: None,
            columns: Vec::new(),
            until: Some(rule),
            decisions: Vec::new(),
            rows: rows.collect(),
        }],
        trials: labels
            .iter()
            .flat_map(|label| seeds.clone().map(move |seed| trial(label, seed)))
            .collect(),
        written: Default::default(),
        notes: Vec::new(),
    }
}
