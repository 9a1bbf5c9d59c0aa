//! The numbers of the official metric, and their averages.

use super::curve::{ClassPrecision, THRESHOLDS, precisions};
use super::matching::Matches;

/// The average precision of each class at each threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Precisions(pub Vec<ClassPrecision>);

impl Precisions {
    /// The numbers of these images, for classes from 0 to `classes`.
    pub fn new(images: &[Matches], classes: usize) -> Self {
        Self(precisions(images, classes))
    }

    /// AP of a class: the mean over all thresholds; none for a class without a judged object.
    pub fn of_class(&self, class: usize) -> Option<f64> {
        self.0[class].map(|values| mean(&values))
    }

    /// AP: the mean over thresholds and classes; none if no class has a judged object.
    pub fn all(&self) -> Option<f64> {
        let defined: Vec<f64> = self.0.iter().flatten().flatten().copied().collect();
        (!defined.is_empty()).then(|| mean(&defined))
    }

    /// AP at IoU 0.5 of a class.
    pub fn half_of_class(&self, class: usize) -> Option<f64> {
        self.0[class].map(|values| values[0])
    }

    /// AP at IoU 0.5: the mean over classes.
    pub fn half(&self) -> Option<f64> {
        let defined: Vec<f64> = self.0.iter().flatten().map(|values| values[0]).collect();
        (!defined.is_empty()).then(|| mean(&defined))
    }

    /// Class, threshold and value of every number.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64, Option<f64>)> {
        let classes = self.0.iter().enumerate();
        classes.flat_map(|(class, values)| {
            let values = (0..THRESHOLDS.len()).map(|index| values.map(|values| values[index]));
            let pairs = THRESHOLDS.iter().zip(values);
            pairs.map(move |(threshold, value)| (class, *threshold, value))
        })
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
