//! The report of a training step to the journal. Only this code judges by the hidden truth of unlabelled images, here
//! and for snapshots.
//!
//! [`Tally`] takes finished pseudo-labels and returns numbers. Nothing of it flows back into training.

use super::filter::Readings;
use super::pseudo_labels::{ImageLabels, TierCounts};
use crate::detector::Losses;
use crate::ops;
use crate::structures::{Instance, InstanceSource, Mask};
use crate::tensor::{Later, Tensor2};
use derive_more::Add;
use serde::Serialize;

/// Losses of one part of a batch, as numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PartLosses {
    /// The detector's terms by name, in its order, without the weights of the recipe.
    pub terms: Vec<(&'static str, f32)>,
    /// Their sum with the weights of the recipe, before lambda.
    pub total: f32,
}

impl PartLosses {
    /// The numbers of some parts, in one copy.
    pub(super) fn of<const N: usize>(parts: [&Losses; N]) -> Later<[Self; N]> {
        let of_part = |losses: &&'_ Losses| {
            let terms = losses.terms.iter().map(|(_, term)| term.clone());
            terms.chain([losses.total.clone()]).collect::<Vec<_>>()
        };
        let scalars: Vec<Tensor2> = parts.iter().flat_map(of_part).collect();
        let names = parts.map(|losses| -> Vec<&'static str> {
            let names = losses.terms.iter().map(|(name, _)| *name);
            names.collect()
        });
        let scalars = ops::scalars(&scalars.iter().collect::<Vec<_>>());
        scalars.map(|values| {
            let mut values = values.into_iter();
            let mut next = || values.next().expect("a number for every term");
            names.map(|names| Self {
                terms: names.into_iter().map(|name| (name, next())).collect(),
                total: next(),
            })
        })
    }
}

/// The pseudo-labels of some images against their hidden truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Add)]
pub struct Diagnosis {
    /// Objects that the truth holds, crowds not counted.
    pub objects: usize,
    /// Pseudo-labels whose mask overlaps an object by [`MATCH_IOU`] or more.
    pub matched: usize,
    /// Of those, the ones with the object's class: the pseudo-labels that are right.
    pub right: usize,
    /// Pseudo-labels whose class the correction changed.
    pub flips: usize,
    /// Matched flips to the object's class.
    pub flips_right: usize,
    /// Matched flips away from the object's class.
    pub flips_broken: usize,
}

/// The pseudo-labels of some images and the objects of their hidden truth, class by class. Each list has a number for
/// every class of the dataset, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ByClass {
    /// The pseudo-labels. Their class is that after the correction.
    pub kept: Vec<u64>,
    /// Those that are right, as [`Diagnosis::right`] says.
    pub right: Vec<u64>,
    /// The objects, crowds not counted.
    pub objects: Vec<u64>,
}

impl ByClass {
    /// No pseudo-label and no object of `classes` classes.
    pub fn new(classes: usize) -> Self {
        let none = || vec![0; classes];
        Self {
            kept: none(),
            right: none(),
            objects: none(),
        }
    }
}

/// A pseudo-mask that overlaps an object by this much is said to be that object's (COCO's easiest threshold).
pub const MATCH_IOU: f64 = 0.5;

/// Compares the finished pseudo-labels of one image with its hidden truth, and adds them to `by_class`.
fn diagnose(image: &ImageLabels, truth: &[Instance], by_class: &mut ByClass) -> Diagnosis {
    let mut found = Diagnosis::default();
    for object in objects(truth) {
        found.objects += 1;
        by_class.objects[object.class] += 1;
    }
    for label in &image.labels {
        let flipped = label.class != label.teacher_class;
        found.flips += usize::from(flipped);
        by_class.kept[label.class] += 1;
        if let Some(class) = object_under(&label.mask, truth) {
            found.matched += 1;
            found.right += usize::from(label.class == class);
            by_class.right[class] += u64::from(label.class == class);
            found.flips_right += usize::from(flipped && label.class == class);
            found.flips_broken += usize::from(flipped && label.teacher_class == class);
        }
    }
    found
}

/// The class of the object that a mask is said to lie on: that with the largest IoU of at least [`MATCH_IOU`], of equal
/// ones the first; none if there is none. The mask may be padded; the objects have the picture's own size.
pub fn object_under(mask: &Mask, truth: &[Instance]) -> Option<usize> {
    let mut best = (MATCH_IOU, None);
    for object in objects(truth) {
        let iou = overlap(mask, &object.mask);
        if iou > best.0 || (best.1.is_none() && iou >= MATCH_IOU) {
            best = (iou, Some(object.class));
        }
    }
    best.1
}

/// The objects that are not crowds.
fn objects(truth: &[Instance]) -> impl Iterator<Item = &Instance> {
    let is_single = |instance: &&Instance| instance.source != InstanceSource::Crowd;
    truth.iter().filter(is_single)
}

/// Intersection over union of a padded mask with one of the picture's own size.
fn overlap(padded: &Mask, own: &Mask) -> f64 {
    padded.top_left(own.height, own.width).iou(own)
}

/// The pseudo-labels of some images, counted one image after another.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: TierCounts,
    diagnosis: Diagnosis,
    by_class: ByClass,
}

impl Tally {
    /// No image, for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            counts: TierCounts::default(),
            diagnosis: Diagnosis::default(),
            by_class: ByClass::new(classes),
        }
    }

    /// Adds the labels of an image and compares them with its hidden `truth`.
    pub fn add(&mut self, image: &ImageLabels, truth: &[Instance]) {
        let diagnosis = diagnose(image, truth, &mut self.by_class);
        self.counts = self.counts + image.counts;
        self.diagnosis = self.diagnosis + diagnosis;
    }

    /// The number of pseudo-labels.
    pub fn kept(&self) -> usize {
        self.counts.kept
    }
}

/// The pseudo-labels of one step.
#[derive(Clone, Debug, Serialize)]
pub struct PseudoReport {
    /// The outcome of the candidates.
    #[serde(flatten)]
    pub counts: TierCounts,
    /// Against the hidden truth.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
    /// The same by class.
    pub by_class: ByClass,
    /// Right pseudo-labels among all; `None` without any.
    pub precision: Option<f32>,
    /// Consecutive steps, this one included, that kept no pseudo-label at all.
    pub barren_steps: usize,
    /// The filter's own numbers after the step.
    pub readings: Readings,
}

impl PseudoReport {
    /// Puts the numbers of a step together.
    pub fn new(tally: Tally, barren_steps: usize, readings: Readings) -> Self {
        let Tally {
            counts,
            diagnosis,
            by_class,
        } = tally;
        let precision = (counts.kept > 0).then(|| diagnosis.right as f32 / counts.kept as f32);
        Self {
            counts,
            diagnosis,
            by_class,
            precision,
            barren_steps,
            readings,
        }
    }
}

/// The agreement of what a network says of the same regions in one step.
#[derive(Clone, Debug, Serialize)]
pub struct ConsistencyReport {
    /// The terms of the rule, without lambda and without the ramp.
    pub losses: PartLosses,
    /// w(t): the weight of the losses by the ramp.
    pub ramp: f32,
    /// The number of compared regions.
    pub regions: usize,
}

/// The pseudo-labels of all unlabelled images, made once before a training.
#[derive(Clone, Debug)]
pub struct PoolReport {
    /// The images.
    pub images: usize,
    /// Those with a pseudo-label.
    pub labelled: usize,
    tally: Tally,
}

impl PoolReport {
    /// A report about no image, for `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            images: 0,
            labelled: 0,
            tally: Tally::new(classes),
        }
    }

    /// Adds the labels of an image and compares them with its hidden `truth`.
    pub fn add(&mut self, image: &ImageLabels, truth: &[Instance]) {
        self.images += 1;
        self.labelled += usize::from(!image.labels.is_empty());
        self.tally.add(image, truth);
    }

    /// The whole report, with the report of its pseudo-labels and the filter's own numbers.
    pub fn ended(self, readings: Readings) -> (Self, PseudoReport) {
        let barren = usize::from(self.tally.kept() == 0);
        let pseudo = PseudoReport::new(self.tally.clone(), barren, readings);
        (self, pseudo)
    }
}

/// One training step.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// The labelled part.
    pub supervised: PartLosses,
    /// The unlabelled part, after the burn-in.
    pub unsupervised: Option<PartLosses>,
    /// Its pseudo-labels.
    pub pseudo: Option<PseudoReport>,
    /// The agreement of predictions, in the method `consistency`.
    pub consistency: Option<ConsistencyReport>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::filter::Tier;
    use crate::method::pseudo_labels::tests::label;

    /// An object of class `class` in columns `columns` of an 8 x 6 picture.
    fn object(class: usize, columns: std::ops::Range<usize>, source: InstanceSource) -> Instance {
        let bits = (0..48)
            .map(|i| u8::from(columns.contains(&(i % 6))))
            .collect();
        Instance {
            class,
            mask: Mask::new(8, 6, bits),
            source,
        }
    }

    #[test]
    fn flips_are_right_or_broken_by_the_object_they_lie_on() {
        let mut labels = vec![
            label(Tier::High, 0.9, 0..3),
            label(Tier::High, 0.9, 0..3),
            label(Tier::High, 0.9, 3..6),
            label(Tier::High, 0.9, 5..8),
        ];
        labels[0].class = 2; // teacher 0, truth 2: put right
        labels[2].class = 1; // teacher 0, truth 0: broken
        labels[3].class = 1; // on no object
        let image = ImageLabels {
            labels,
            counts: TierCounts {
                kept: 4,
                ..TierCounts::default()
            },
            ..ImageLabels::default()
        };
        let truth = [
            object(2, 0..3, InstanceSource::Annotation),
            object(0, 3..5, InstanceSource::Annotation),
            object(1, 5..6, InstanceSource::Crowd),
        ];
        let mut tally = Tally::new(4);
        tally.add(&image, &truth);
        let expected = Diagnosis {
            objects: 2,
            matched: 3,
            right: 1,
            flips: 3,
            flips_right: 1,
            flips_broken: 1,
        };
        assert_eq!(tally.diagnosis, expected);
        let expected = ByClass {
            // By the class after the correction: 2, 0, and 1 twice.
            kept: vec![1, 2, 1, 0],
            right: vec![0, 0, 1, 0],
            // The crowd of class 1 does not count.
            objects: vec![1, 0, 1, 0],
        };
        assert_eq!(tally.by_class, expected);
        tally.add(&image, &[]);
        assert_eq!(tally.by_class.kept, [2, 4, 2, 0], "images are added");
        let Diagnosis {
            matched,
            objects,
            flips,
            ..
        } = tally.diagnosis;
        assert_eq!((matched, objects, flips), (3, 2, 6));
        assert_eq!(tally.kept(), 8);
    }

    #[test]
    fn precision_is_right_labels_among_all() {
        let precision = |kept: usize| {
            let mut tally = Tally::new(1);
            (tally.counts.kept, tally.diagnosis.right) = (kept, 3);
            PseudoReport::new(tally, 0, Vec::new()).precision
        };
        assert_eq!(precision(4), Some(0.75));
        assert_eq!(precision(0), None);
    }
}
