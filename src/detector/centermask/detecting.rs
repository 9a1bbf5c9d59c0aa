//! Detections from the predictions for the locations.
//!
//! `$$ s = \sqrt{p \cdot c} $$`
//!
//! Every pair of a location and a class whose probability p is above a bound is a box, with the centreness c of the
//! location in its score s. Of every level the best pairs are decoded, duplicates of a class are suppressed, and the
//! best of all levels stay. The heads look at these boxes as they are, with what lies outside of the image. Predictions
//! that are not finite, and boxes of which nothing lies in the image, are dropped. No gradient flows through. Source:
//! FCOS, section 3.3, as youngwanLEE/centermask2 6adabd6, `fcos_outputs.py`, implements it.

use super::forward::{ForwardPass, LocationValues};
use crate::detector::by_region::{Found, regions_of};
use crate::graph::centermask::{DetectionConfig, LEVELS, Location};
use crate::ops::{sigmoid, suppress_by_group, top_k};
use crate::tensor::Tape;
use rayon::prelude::*;

/// The distances to the sides of a box.
const SIDES: usize = 4;

/// The predictions for the locations of an image of these rows and columns.
pub(super) struct Rows<'a> {
    /// The locations, in the order of the levels.
    pub locations: &'a [Location],
    /// Logits of the classes, `[L, K]`.
    pub classes: &'a [f32],
    /// K.
    pub objects: usize,
    /// Distances in strides, `[L, 4]`.
    pub sides: &'a [f32],
    /// Logits of the centreness, `[L]`.
    pub centreness: &'a [f32],
    /// Rows and columns of the image.
    pub size: (usize, usize),
}

/// A pair of a location and a class.
#[derive(Clone, Copy)]
struct Pair {
    location: usize,
    class: usize,
}

impl Rows<'_> {
    /// The best boxes of the image, at most `kept`, without masks. The best one is the first.
    pub(super) fn best(&self, config: &DetectionConfig, kept: usize) -> Vec<Found> {
        let (mut boxes, mut scores, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        for level in 0..LEVELS {
            let (above, products) = self.above(level, config.probability);
            for place in top_k(&products, config.per_level) {
                let pair = above[place];
                let location = &self.locations[pair.location];
                let sides = std::array::from_fn(|side| self.sides[SIDES * pair.location + side]);
                let bounds = location.bounds(sides);
                let inside = bounds.clipped(self.size);
                if bounds.is_finite() && inside.width() > 0.0 && inside.height() > 0.0 {
                    boxes.push(bounds);
                    scores.push(products[place].sqrt());
                    pairs.push(pair);
                }
            }
        }
        let groups: Vec<usize> = pairs.iter().map(|pair: &Pair| pair.class).collect();
        let best = suppress_by_group(&boxes, &scores, &groups, config.overlap, kept);
        let found = |index: usize| {
            let Pair { location, class } = pairs[index];
            Found {
                bounds: boxes[index],
                class,
                probability: scores[index],
                mask_iou: None,
                probabilities: shares(self.logits(location)),
                mask: Vec::new(),
            }
        };
        best.into_iter().map(found).collect()
    }

    /// The pairs of a level with a probability above `least`, and their products with the centreness.
    fn above(&self, level: usize, least: f32) -> (Vec<Pair>, Vec<f32>) {
        let (mut pairs, mut products) = (Vec::new(), Vec::new());
        let of_level = self.locations.iter().enumerate();
        for (location, _) in of_level.filter(|(_, location)| location.level == level) {
            let centreness = sigmoid(self.centreness[location]);
            for (class, logit) in self.logits(location).iter().enumerate() {
                let (probability, product) = (sigmoid(*logit), sigmoid(*logit) * centreness);
                if probability > least && product.is_finite() {
                    pairs.push(Pair { location, class });
                    products.push(product);
                }
            }
        }
        (pairs, products)
    }

    fn logits(&self, location: usize) -> &[f32] {
        &self.classes[self.objects * location..][..self.objects]
    }
}

/// The probabilities of the classes as shares of their sum. Each is that of one class against all else.
fn shares(logits: &[f32]) -> Vec<f32> {
    let probabilities: Vec<f32> = logits.iter().map(|logit| sigmoid(*logit)).collect();
    let sum: f32 = probabilities.iter().sum();
    probabilities.into_iter().map(|p| p / sum).collect()
}

impl ForwardPass {
    /// The boxes of the `images` of the batch, at most `kept` in each, without masks.
    pub(super) fn boxes(&self, images: &[usize], kept: usize) -> Vec<Vec<Found>> {
        let values = self.values();
        let config = &self.model.config().detections;
        let of_image = |image: &usize| self.rows(values, *image).best(config, kept);
        images.par_iter().map(of_image).collect()
    }

    fn rows<'a>(&'a self, values: &'a LocationValues, image: usize) -> Rows<'a> {
        let (count, objects) = (self.locations.len(), self.model.classes());
        let first = image * count;
        Rows {
            locations: &self.locations,
            classes: &values.classes[objects * first..][..objects * count],
            objects,
            sides: &values.sides[SIDES * first..][..SIDES * count],
            centreness: &values.centreness[first..][..count],
            size: self.sizes[image],
        }
    }

    /// The detections of every image with their masks, at most `kept` in each.
    pub(super) fn found(&self, kept: usize) -> Vec<Vec<Found>> {
        let numbers: Vec<usize> = (0..self.sizes.len()).collect();
        let mut all = self.boxes(&numbers, kept);
        let regions = regions_of(&all, |found| found.bounds);
        if regions.is_empty() {
            return all;
        }
        let classes: Vec<usize> = all.iter().flatten().map(|one| one.class).collect();
        let own = self.masks(&mut Tape::off(), &regions, &classes);
        let logits = own.logits.host_values();
        let masks = logits.chunks_exact(self.model.mask_side().pow(2));
        let ious = own.iou.values();
        for (one, (mask, iou)) in all.iter_mut().flatten().zip(masks.zip(ious)) {
            one.mask = mask.to_vec();
            one.mask_iou = Some(iou);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::centermask::published;

    /// The logit of a probability.
    fn logit(p: f32) -> f32 {
        (p / (1.0 - p)).ln()
    }

    /// Three locations of two classes: two neighbours on the finest level and one on the next.
    fn locations() -> [Location; 3] {
        let at = |x: f32, level: usize, stride: f32| Location {
            x,
            y: 20.0,
            level,
            stride,
        };
        [at(20.0, 0, 8.0), at(28.0, 0, 8.0), at(80.0, 1, 16.0)]
    }

    fn best(
        classes: &[f32; 6],
        centreness: &[f32; 3],
        sides: &[f32; 12],
        change: impl Fn(&mut DetectionConfig),
    ) -> Vec<(usize, f32, [f32; 4])> {
        let locations = locations();
        let rows = Rows {
            locations: &locations,
            classes: &classes.map(logit),
            objects: 2,
            sides,
            centreness: &centreness.map(logit),
            size: (40, 100),
        };
        let mut config = published().detections;
        change(&mut config);
        let found = rows.best(&config, config.kept_test).into_iter();
        found
            .map(|one| (one.class, one.probability, one.bounds.to_array()))
            .collect()
    }

    const SIDES_OF_ALL: [f32; 12] = [1.0, 1.0, 2.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 0.5];

    #[test]
    fn the_score_is_the_root_of_class_and_centreness() {
        let classes = [0.49, 0.01, 0.01, 0.01, 0.01, 0.2];
        let found = best(&classes, &[0.72, 0.5, 0.8], &SIDES_OF_ALL, |_| ());
        assert_eq!(found.len(), 2);
        assert!((found[0].1 - 0.594).abs() < 1e-4, "{found:?}");
        assert!((found[1].1 - 0.4).abs() < 1e-5, "{found:?}");
        assert_eq!(found[0].2, [12.0, 12.0, 36.0, 28.0]);
        // Strides of the second level; what lies outside is not cut.
        assert_eq!(found[1].2, [64.0, 12.0, 96.0, 28.0]);
        let wide = [1.0, 1.0, 20.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 0.5];
        let found = best(&classes, &[0.72, 0.5, 0.8], &wide, |_| ());
        assert_eq!(found[0].2, [12.0, 12.0, 180.0, 28.0]);
    }

    #[test]
    fn the_bound_is_one_of_the_class_without_the_centreness() {
        let classes = [0.06, 0.04, 0.01, 0.01, 0.01, 0.01];
        let found = best(&classes, &[0.1, 0.5, 0.5], &SIDES_OF_ALL, |_| ());
        assert_eq!(
            found.len(),
            1,
            "0.06 of a centreness of 0.1 stays, 0.04 does not"
        );
        assert_eq!(found[0].0, 0);
    }

    #[test]
    fn duplicates_of_a_class_are_suppressed_and_only_the_best_stay() {
        // Both boxes are the same: of class 0 one stays, and that of class 1 is another object.
        let classes = [0.9, 0.01, 0.8, 0.7, 0.6, 0.01];
        let kinds = |change: &dyn Fn(&mut DetectionConfig)| {
            let found = best(&classes, &[0.5; 3], &SIDES_OF_ALL, change);
            found.iter().map(|one| one.0).collect::<Vec<_>>()
        };
        assert_eq!(kinds(&|_| ()), [0, 1, 0]);
        assert_eq!(kinds(&|config| config.overlap = 1.0), [0, 0, 1, 0]);
        assert_eq!(kinds(&|config| config.kept_test = 2), [0, 1]);
        // The best of each level: 0.9 of the first and 0.6 of the second.
        assert_eq!(kinds(&|config| config.per_level = 1), [0, 0]);
    }

    #[test]
    fn what_is_not_finite_or_lies_outside_is_dropped() {
        let classes = [0.9, 0.01, 0.8, 0.01, 0.6, 0.01];
        let mut sides = SIDES_OF_ALL;
        sides[0] = f32::NAN;
        let found = best(&classes, &[0.5; 3], &sides, |_| ());
        assert_eq!(found.len(), 2);
        // Without width.
        (sides[4], sides[6]) = (0.0, 0.0);
        assert_eq!(best(&classes, &[0.5; 3], &sides, |_| ()).len(), 1);
        let none = best(&[f32::NAN; 6], &[0.5; 3], &SIDES_OF_ALL, |_| ());
        assert!(none.is_empty());
        let none = best(&classes, &[f32::NAN; 3], &SIDES_OF_ALL, |_| ());
        assert!(none.is_empty());
    }

    #[test]
    fn shares_sum_to_1_and_keep_the_order() {
        let found = shares(&[logit(0.6), logit(0.3), logit(0.1)]);
        for (found, expected) in found.iter().zip([0.6, 0.3, 0.1]) {
            assert!((found - expected).abs() < 1e-5);
        }
        let found = shares(&[logit(0.5), logit(0.5)]);
        assert_eq!(found, [0.5, 0.5]);
    }
}
