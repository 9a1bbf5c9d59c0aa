//! The precision of every class, of a row and of the row that it is compared with.

use super::trial::KeptTrial;
use crate::eval::Scores;
use crate::experiment::store::root::digests_of;
use crate::experiment::trial::datasets::Datasets;
use std::path::Path;
use toml::Table;

/// A class in two rows. Numbers are in percent, means over the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassScore {
    /// The name of the class.
    pub name: String,
    /// Its value in the row; none where no evaluated image has an object of the class.
    pub own: Option<f64>,
    /// Its value in the row that this one is compared with.
    pub other: Option<f64>,
}

impl ClassScore {
    /// The row's value minus the other one.
    pub fn difference(&self) -> Option<f64> {
        Some(self.own? - self.other?)
    }
}

/// The classes of two rows, the one that costs the row most first. Without another row, the lowest value comes
/// first. `name` names a class by its index.
pub fn compared(
    own: &[Option<f64>],
    other: &[Option<f64>],
    name: impl Fn(usize) -> String,
) -> Vec<ClassScore> {
    let count = own.len().max(other.len());
    let at = |values: &[Option<f64>], class: usize| values.get(class).copied().flatten();
    let mut scores: Vec<ClassScore> = (0..count)
        .map(|class| ClassScore {
            name: name(class),
            own: at(own, class),
            other: at(other, class),
        })
        .collect();
    let rank = |score: &ClassScore| match other.is_empty() {
        true => score.own,
        false => score.difference(),
    };
    let rank = |score: &ClassScore| rank(score).unwrap_or(f64::INFINITY);
    scores.sort_by(|one, other| rank(one).total_cmp(&rank(other)));
    scores
}

/// The means over the finished seeds of the values of `metric` by class; empty if no trial has them.
pub fn means(trials: &[KeptTrial], metric: &str) -> Vec<Option<f64>> {
    let lists = trials.iter().filter_map(|trial| of_trial(trial, metric));
    let lists: Vec<&[Option<f64>]> = lists.collect();
    let count = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let mean = |class: usize| {
        let values = lists
            .iter()
            .filter_map(|list| list.get(class).copied().flatten());
        let values: Vec<f64> = values.collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    (0..count).map(mean).collect()
}

/// The means over the seeds that both rows have finished of the paired differences by class, `own` minus `other`;
/// empty if no seed has values of both.
pub fn paired(own: &[KeptTrial], other: &[KeptTrial], metric: &str) -> Vec<Option<f64>> {
    let pairs = own.iter().filter_map(|trial| {
        let partner = other.iter().find(|other| other.seed == trial.seed)?;
        Some((of_trial(trial, metric)?, of_trial(partner, metric)?))
    });
    let pairs: Vec<_> = pairs.collect();
    let count = pairs.iter().map(|(own, other)| own.len().min(other.len()));
    let mean = |class: usize| {
        let differences = pairs.iter().filter_map(|(own, other)| {
            let at = |values: &[Option<f64>]| values.get(class).copied().flatten();
            Some(at(own)? - at(other)?)
        });
        let differences: Vec<f64> = differences.collect();
        (!differences.is_empty())
            .then(|| differences.iter().sum::<f64>() / differences.len() as f64)
    };
    (0..count.max().unwrap_or(0)).map(mean).collect()
}

/// The values by class of the model that the tables show; none unless the trial counts in the tables. A store may have
/// an evaluation whose record is gone.
fn of_trial<'a>(trial: &'a KeptTrial, metric: &str) -> Option<&'a [Option<f64>]> {
    let evaluation = trial.evaluation.as_ref().filter(|_| trial.is_finished())?;
    let models = &evaluation.models;
    let scores: &Scores = match trial.reported() {
        Some(name) => models.get(name)?,
        None => models.values().next()?,
    };
    scores.per_class.get(metric).map(Vec::as_slice)
}

/// The names of the classes as an evaluation of one of `trials` has kept them; none if no evaluation has.
pub fn told(trials: &[KeptTrial]) -> Option<Vec<String>> {
    let evaluations = trials.iter().filter_map(|trial| trial.evaluation.as_ref());
    let mut names = evaluations.map(|evaluation| &evaluation.classes);
    names.find(|names| !names.is_empty()).cloned()
}

/// The names of the classes of the trial with these settings, and a note if they are unknown, because the
/// dataset is not there.
pub fn names(results: &Path, settings: Option<&Table>) -> Result<Vec<String>, String> {
    names_of(&Datasets::with_digests(digests_of(results)), settings)
}

/// The same with datasets that several trials share.
pub fn names_of(datasets: &Datasets, settings: Option<&Table>) -> Result<Vec<String>, String> {
    let data = settings.and_then(|settings| settings.get("data")?.as_table());
    let Some(data) = data else {
        return Err("the settings of the trial are not in the store".into());
    };
    match datasets.get(data) {
        Ok(dataset) => Ok(dataset.classes),
        Err(error) => Err(format!("the dataset cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_most_comes_first() {
        let name = |class: usize| ["a", "b", "c", "d"][class].to_string();
        let own = [Some(5.0), Some(1.0), None, Some(9.0)];
        let other = [Some(6.0), Some(8.0), Some(3.0), Some(2.0)];
        let order = |other: &[Option<f64>]| -> Vec<String> {
            let scores = compared(&own, other, name);
            scores.into_iter().map(|score| score.name).collect()
        };
        assert_eq!(
            order(&other),
            ["b", "a", "d", "c"],
            "what has no value comes last"
        );
        assert_eq!(order(&[]), ["b", "a", "d", "c"], "the lowest first");
        assert_eq!(compared(&own, &other, name)[0].difference(), Some(-7.0));
    }
}
