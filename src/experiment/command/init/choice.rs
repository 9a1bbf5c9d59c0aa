//! The values of a recipe that depend on the user's pictures, each with its reason.

use super::schedule::{Pictures, Schedule};
use super::survey::{Survey, can_split, labelled_by_split};
use crate::data::Dataset;

/// The network halves a picture five times, so its side is a multiple of this.
const STRIDE: usize = 32;
/// The smallest and the largest side of a training picture on a processor.
const SIDES: [usize; 2] = [64, 160];
/// The side in pixels that the median object should have in a training picture.
const OBJECT: f64 = 16.0;
/// The shares of the training pictures that may have labels.
const SHARES: [f64; 4] = [0.1, 0.2, 0.3, 0.5];
/// The fewest pictures with labels, if there are twice as many.
const LABELLED: usize = 10;
/// The numbers of objects of each class that the labelled part should have.
const LEAST: [usize; 3] = [2, 1, 0];
/// The fewest and the most queries, which are a multiple of eight.
const QUERIES: [usize; 2] = [16, 96];

/// The chosen values.
#[derive(Debug)]
pub struct Choice {
    /// The side of a training picture.
    pub size: usize,
    /// The bounds of small and medium objects, in square pixels of the original pictures.
    pub area_bounds: [f64; 2],
    /// True if the bounds divide the objects into three equal parts.
    pub has_terciles: bool,
    /// The share of the training pictures with labels.
    pub labelled: f64,
    /// The fewest objects of each class among them.
    pub min_instances: usize,
    /// The number of queries.
    pub queries: usize,
    /// The numbers of pictures.
    pub pictures: Pictures,
    /// The steps.
    pub schedule: Schedule,
}

impl Choice {
    /// The values for `dataset`, whose measures are `survey`.
    pub fn new(dataset: &Dataset, survey: &Survey) -> Self {
        let size = size(survey);
        let (labelled, min_instances) = split(dataset, survey.train);
        // Pictures without objects are not labelled, so the split itself tells the number.
        let with_labels = labelled_by_split(dataset, labelled, min_instances);
        let pictures = Pictures {
            labelled: with_labels,
            unlabelled: match labelled < 1.0 {
                true => survey.train - with_labels,
                false => survey.train,
            },
            val: survey.val,
            size,
            seconds: survey.seconds,
        };
        let (area_bounds, has_terciles) = bounds(survey.terciles());
        let [fewest, most] = QUERIES;
        Self {
            size,
            area_bounds,
            has_terciles,
            labelled,
            min_instances,
            queries: (survey.most_objects * 5 / 4)
                .next_multiple_of(8)
                .clamp(fewest, most),
            schedule: Schedule::new(&pictures),
            pictures,
        }
    }
}

/// The side of the training picture: large enough for the median object, and no larger than the pictures.
fn size(survey: &Survey) -> usize {
    let [least, most] = SIDES;
    let wanted = (OBJECT / survey.side).ceil() as usize;
    let own = survey.longer.next_multiple_of(STRIDE);
    wanted.next_multiple_of(STRIDE).min(own).clamp(least, most)
}

/// The share of the pictures with labels, and the fewest objects of each class among them: the smallest share with
/// enough pictures for which splits exist.
fn split(dataset: &Dataset, train: usize) -> (f64, usize) {
    let enough = LABELLED.min(train / 2).max(1) as f64;
    let shares = SHARES
        .into_iter()
        .filter(|share| share * train as f64 >= enough);
    for least in LEAST {
        let mut shares = shares.clone();
        if let Some(share) = shares.find(|share| can_split(dataset, *share, least)) {
            return (share, least);
        }
    }
    (1.0, 0)
}

/// The bounds for objects with these terciles, as round numbers; false if nearly all objects have the same area. Then
/// the bounds are half and double of it.
fn bounds([low, high]: [f64; 2]) -> ([f64; 2], bool) {
    let (small, medium) = (round(low), round(high));
    match small < medium {
        true => ([small, medium], true),
        false => (
            [
                round(low / 2.0),
                round(high * 2.0).max(round(low / 2.0) + 1.0),
            ],
            false,
        ),
    }
}

/// `area` with three digits, from 1 on.
fn round(area: f64) -> f64 {
    let unit = 10f64.powi((area.max(1.0).log10().floor() as i32 - 2).max(0));
    ((area / unit).round() * unit).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(side: f64, longer: usize) -> Survey {
        Survey {
            classes: Vec::new(),
            train: 0,
            val: 0,
            most_objects: 0,
            longer,
            areas: vec![10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
            side,
            seconds: 0.0,
            left_out: 0,
        }
    }

    #[test]
    fn the_side_is_a_multiple_that_the_network_takes() {
        for (side, longer, expected) in [
            (0.5, 640, 64),
            (0.2, 640, 96),
            (0.01, 640, 160),
            (0.01, 70, 96),
            (0.01, 8, 64),
            (0.15, 4000, 128),
        ] {
            assert_eq!(size(&survey(side, longer)), expected, "{side} of {longer}");
        }
    }

    #[test]
    fn bounds_are_terciles_or_lie_around_the_one_area() {
        assert_eq!(survey(1.0, 1).terciles(), [30.0, 50.0]);
        assert_eq!(bounds([30.0, 50.0]), ([30.0, 50.0], true));
        assert_eq!(bounds([1234.5, 98765.0]), ([1230.0, 98800.0], true));
        assert_eq!(bounds([400.0, 400.0]), ([200.0, 800.0], false));
        assert_eq!(bounds([0.2, 0.3]), ([1.0, 2.0], false));
    }
}
