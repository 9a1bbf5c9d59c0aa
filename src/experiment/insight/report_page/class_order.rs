//! The order in which the page has classes: the one with the most labelled objects first.

use crate::report::{Record, SplitRecord};
use std::collections::BTreeMap;

/// The classes of a dataset in the order of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassOrder {
    /// The indices of the classes: those with the most labelled objects first, or as the dataset has them if no record
    /// tells these.
    pub classes: Vec<usize>,
    /// The number of labelled objects of each class, in the order of the dataset; none if no record tells it.
    pub labelled: Option<Vec<f64>>,
}

impl ClassOrder {
    /// The order of `count` classes by the splits of `records`.
    pub fn new<'a>(records: impl Iterator<Item = &'a Record>, count: usize) -> Self {
        let labelled = labelled(records, count);
        let mut classes: Vec<usize> = (0..count).collect();
        if let Some(labelled) = &labelled {
            classes.sort_by(|one, other| labelled[*other].total_cmp(&labelled[*one]));
        }
        Self { classes, labelled }
    }

    /// The number of labelled objects of a class; none if it is unknown.
    pub fn labelled(&self, class: usize) -> Option<f64> {
        self.labelled.as_ref().map(|counts| counts[class])
    }
}

/// The number of labelled objects of each class, the mean over the different splits; none unless a record tells its
/// split with all `count` classes.
fn labelled<'a>(records: impl Iterator<Item = &'a Record>, count: usize) -> Option<Vec<f64>> {
    let splits = records.filter_map(|record| record.split.as_ref());
    let splits = splits.filter(|split| split.instances.len() == count);
    let splits: BTreeMap<&str, &SplitRecord> =
        splits.map(|split| (split.sha256.as_str(), split)).collect();
    let sum = |class: usize| {
        splits
            .values()
            .map(|split| split.instances[class].1)
            .sum::<usize>()
    };
    let mean = |class: usize| sum(class) as f64 / splits.len() as f64;
    (!splits.is_empty()).then(|| (0..count).map(mean).collect())
}
