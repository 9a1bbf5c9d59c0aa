//! The overlaps of detections with the objects of their image.

use super::kept::Prediction;
use crate::data::Truth;
use crate::structures::{InstanceSource, rle};
use hotcoco::Rle;

/// The IoU from which a detection is on an object.
const FITS: f64 = 0.5;

/// An image's annotations as run lengths.
pub struct Objects {
    runs: Vec<Rle>,
    classes: Vec<usize>,
    /// For each the number of the object among all images; none for a group.
    numbers: Vec<Option<usize>>,
    is_crowd: Vec<bool>,
}

impl Objects {
    /// The annotations of `truth`. The first object that is not a group has the number `first`.
    pub fn new(truth: &Truth, first: usize) -> Self {
        let mut next = first;
        let number = |is_crowd: &bool| {
            let number = (!is_crowd).then_some(next);
            next += usize::from(!is_crowd);
            number
        };
        let instances = || truth.instances.iter();
        let is_crowd: Vec<bool> = instances()
            .map(|instance| instance.source == InstanceSource::Crowd)
            .collect();
        Self {
            runs: instances()
                .map(|instance| rle::encode(&instance.mask))
                .collect(),
            classes: instances().map(|instance| instance.class).collect(),
            numbers: is_crowd.iter().map(number).collect(),
            is_crowd,
        }
    }

    /// The number of objects that are not groups.
    pub fn len(&self) -> usize {
        self.numbers.iter().flatten().count()
    }

    /// Sets the overlaps of `predictions`, which have the masks `runs`. Of objects with the same IoU the first counts.
    pub fn overlap(&self, predictions: &mut [Prediction], runs: &[Rle]) {
        // Of a group, hotcoco gives the share of the detection that lies in it.
        let all = hotcoco::mask::iou(runs, &self.runs, &self.is_crowd);
        for (prediction, overlaps) in predictions.iter_mut().zip(&all) {
            for (at, overlap) in overlaps.iter().copied().enumerate() {
                let class = self.classes[at];
                match self.numbers[at] {
                    None => prediction.crowd = prediction.crowd.max(overlap),
                    Some(number) if class == prediction.class && overlap > prediction.own => {
                        prediction.own = overlap;
                        prediction.own_object = Some(number);
                    }
                    Some(_) if class != prediction.class && overlap > prediction.other => {
                        prediction.other = overlap;
                        prediction.other_class = Some(class);
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// For each of `predictions`, which have the masks `runs` and are sorted by falling score, the place of the
    /// annotation that it gets: the free one of its class with the largest IoU of at least 0.5, and of equal ones the
    /// first. Groups are free for none.
    pub fn matched(&self, predictions: &[&Prediction], runs: &[Rle]) -> Vec<Option<usize>> {
        self.assigned(predictions, runs, |own, found| own == found)
    }

    /// The decisions of a confusion matrix with the class `none` for the background: class of the object and class of
    /// the detection. `predictions`, which have the masks `runs` and are sorted by falling score, get the free object
    /// of any class with the largest IoU of at least 0.5. What gets none is invented, and an object that is left is
    /// missed.
    pub fn confusion(
        &self,
        predictions: &[&Prediction],
        runs: &[Rle],
        none: usize,
    ) -> Vec<[usize; 2]> {
        let got = self.assigned(predictions, runs, |_, _| true);
        let truth = |object: &Option<usize>| object.map_or(none, |at| self.classes[at]);
        let found = predictions.iter().zip(&got);
        let found = found.map(|(prediction, object)| [truth(object), prediction.class]);
        let left =
            (0..self.classes.len()).filter(|at| !self.is_crowd[*at] && !got.contains(&Some(*at)));
        found
            .chain(left.map(|at| [self.classes[at], none]))
            .collect()
    }

    /// The places of the annotations that `predictions` get, the best score first. `fits` is given the class of an
    /// annotation and that of a prediction.
    fn assigned(
        &self,
        predictions: &[&Prediction],
        runs: &[Rle],
        fits: impl Fn(usize, usize) -> bool,
    ) -> Vec<Option<usize>> {
        let all = hotcoco::mask::iou(runs, &self.runs, &self.is_crowd);
        let mut taken = self.is_crowd.clone();
        let mut found = Vec::new();
        for (prediction, overlaps) in predictions.iter().zip(&all) {
            let free = overlaps.iter().enumerate().filter(|(at, overlap)| {
                !taken[*at] && fits(self.classes[*at], prediction.class) && **overlap >= FITS
            });
            let best = free.rev().max_by(|one, other| one.1.total_cmp(other.1));
            let object = best.map(|(at, _)| at);
            if let Some(at) = object {
                taken[at] = true;
            }
            found.push(object);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::{Instance, Mask};

    /// A mask of one row of ten pixels.
    fn row(pixels: std::ops::Range<usize>) -> Mask {
        let bits = (0..10).map(|at| u8::from(pixels.contains(&at))).collect();
        Mask::new(1, 10, bits)
    }

    #[test]
    fn the_best_object_of_the_class_and_of_another_one_are_told_apart() {
        let instance = |class, pixels, source| Instance {
            class,
            mask: row(pixels),
            source,
        };
        let single = InstanceSource::Annotation;
        let truth = Truth {
            image_id: 1,
            height: 1,
            width: 10,
            instances: vec![
                instance(0, 0..4, single),
                instance(0, 0..10, InstanceSource::Crowd),
                instance(1, 2..6, single),
                instance(0, 0..4, single),
            ],
            areas: vec![4.0, 10.0, 4.0, 4.0],
            void: None,
        };
        let objects = Objects::new(&truth, 5);
        assert_eq!(objects.len(), 3);
        let mut found = [0, 1, 2].map(|class| Prediction {
            class,
            ..Prediction::default()
        });
        let runs = [row(0..3), row(0..3), row(6..9)].map(|mask| rle::encode(&mask));
        objects.overlap(&mut found, &runs);
        // IoU of 0..3 with 0..4 is 3/4; with 2..6 it is 1/6.
        assert_eq!(
            (found[0].own, found[0].own_object),
            (0.75, Some(5)),
            "the first of two"
        );
        assert_eq!((found[0].other, found[0].other_class), (1.0 / 6.0, Some(1)));
        assert_eq!((found[1].own, found[1].own_object), (1.0 / 6.0, Some(6)));
        assert_eq!((found[1].other, found[1].other_class), (0.75, Some(0)));
        assert_eq!((found[2].overlap(), found[2].own_object), (0.0, None));
        assert_eq!(found[2].crowd, 1.0);
        assert!(found[2].is_ignored() && found[0].is_ignored());
    }

    #[test]
    fn each_detection_gets_the_best_free_object_of_its_class() {
        let single = InstanceSource::Annotation;
        let instance = |class, pixels, source| Instance {
            class,
            mask: row(pixels),
            source,
        };
        let truth = Truth {
            image_id: 1,
            height: 1,
            width: 10,
            instances: vec![
                instance(0, 0..10, InstanceSource::Crowd),
                instance(0, 0..4, single),
                instance(0, 0..4, single),
                instance(1, 5..9, single),
            ],
            areas: vec![10.0, 4.0, 4.0, 4.0],
            void: None,
        };
        let objects = Objects::new(&truth, 0);
        let of = |class| Prediction {
            class,
            ..Prediction::default()
        };
        let (zero, one) = (of(0), of(1));
        // The third finds no free object, the fourth is of another class, the fifth overlaps by one half.
        let found = objects.matched(
            &[&zero, &zero, &zero, &zero, &one, &one],
            &[
                row(0..4),
                row(0..3),
                row(0..4),
                row(5..9),
                row(5..7),
                row(5..9),
            ]
            .map(|mask| rle::encode(&mask)),
        );
        assert_eq!(found, [Some(1), Some(2), None, None, Some(3), None]);
        // Whatever its class, the first detection takes the object; class 2 stands for the background.
        let pairs = objects.confusion(
            &[&one, &zero, &zero],
            &[row(0..4), row(5..9), row(0..10)].map(|mask| rle::encode(&mask)),
            2,
        );
        assert_eq!(pairs, [[0, 1], [1, 0], [2, 0], [0, 2]]);
    }
}
