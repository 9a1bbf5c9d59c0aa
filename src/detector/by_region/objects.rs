//! The objects of an image as rectangles with masks.

use crate::detector::{ObjectWeights, Targets};
use crate::ops::{self, Bounds, Roi, RoiPool};
use crate::tensor::{Map, Tape, Tensor2};

/// The objects of an image. One without a pixel, or whose rectangle has no area, is left out: an anchor that has to
/// find it would be any anchor.
pub struct Objects<'t> {
    targets: &'t Targets<'t>,
    /// The number of each object among the targets.
    numbers: Vec<usize>,
    /// Its rectangle: the one that is given, or the smallest around its mask.
    pub bounds: Vec<Bounds>,
}

impl<'t> Objects<'t> {
    pub fn new(targets: &'t Targets<'t>) -> Self {
        let masks = targets.masks.iter().enumerate();
        let (numbers, bounds) = masks
            .filter_map(|(number, mask)| {
                let mask = mask.pixels();
                let tight = Bounds::of_mask(&mask.bits, mask.height, mask.width)?;
                let given = targets.bounds.as_ref().map(|all| all[number]);
                let bounds = given.unwrap_or(tight);
                (bounds.width() > 0.0 && bounds.height() > 0.0).then_some((number, bounds))
            })
            .unzip();
        Self {
            targets,
            numbers,
            bounds,
        }
    }

    /// The class of object `index`.
    pub fn class(&self, index: usize) -> usize {
        self.targets.classes[self.numbers[index]]
    }

    /// The masks of objects in `regions` (object, rectangle), each resampled to `side` x `side`: `[regions, side^2]`.
    /// `hard`: 1 from 0.5 on, else 0; regions are then shifted by half a pixel. Otherwise the covered part.
    pub fn masks(&self, regions: &[(usize, Bounds)], side: usize, hard: bool) -> Vec<f32> {
        let Some(first) = self.targets.masks.first() else {
            return Vec::new();
        };
        let (height, width) = first.size();
        let mut pixels = Vec::with_capacity(self.numbers.len() * height * width);
        for number in &self.numbers {
            let mask = self.targets.masks[*number].pixels();
            pixels.extend(mask.bits.iter().copied().map(f32::from));
        }
        let planes = Tensor2::constant(pixels, self.numbers.len() * height * width, 1);
        let planes = Map::new(planes, self.numbers.len(), height, width);
        let mut values = resampled(&planes, regions.iter().copied(), side, hard);
        if hard {
            let bit = |value: &mut f32| *value = f32::from(*value >= 0.5);
            values.iter_mut().for_each(bit);
        }
        values
    }

    /// The share of the pixels of objects whose centres lie in `regions` (object, rectangle).
    pub fn shares(&self, regions: &[(usize, Bounds)]) -> Vec<f32> {
        let numbers = self.numbers.iter();
        let masks: Vec<_> = numbers
            .map(|number| self.targets.masks[*number].pixels())
            .collect();
        let areas: Vec<usize> = masks.iter().map(|mask| mask.area()).collect();
        let share = |(object, bounds): &(usize, Bounds)| {
            let mask = &masks[*object];
            // Pixel i has its centre at i + 0.5.
            let inside = |low: f32, high: f32, side: usize| {
                let first = |at: f32| ((at - 0.5).ceil().max(0.0) as usize).min(side);
                first(low)..first(high).max(first(low))
            };
            let columns = inside(bounds.x1, bounds.x2, mask.width);
            let of_row = |row: usize| mask.bits[row * mask.width..][columns.clone()].iter();
            let rows = inside(bounds.y1, bounds.y2, mask.height);
            let count: usize = rows.flat_map(of_row).map(|bit| usize::from(*bit)).sum();
            count as f32 / areas[*object] as f32
        };
        regions.iter().map(share).collect()
    }

    /// The weights of object `index`; none if no object has any.
    pub fn weights_of(&self, index: usize) -> Option<ObjectWeights> {
        self.targets.weights_of(self.numbers[index])
    }

    /// The weights of the mask loss in `regions` (object, rectangle), `side` x `side` for each: the object's own, times
    /// 1 less the discount of eq. 13. None if every weight is 1.
    pub fn weights(&self, regions: &[(usize, Bounds)], side: usize) -> Option<Vec<f32>> {
        let pixels = side * side;
        let mut weights = self.undiscounted(regions, side);
        if self.targets.weights.is_some() {
            let values = weights.get_or_insert_with(|| vec![1.0; regions.len() * pixels]);
            for (values, (object, _)) in values.chunks_exact_mut(pixels).zip(regions) {
                let own = self.weights_of(*object).map_or(1.0, |weights| weights.mask);
                values.iter_mut().for_each(|value| *value *= own);
            }
        }
        weights
    }

    /// 1 less the discount of eq. 13 in `regions`; none without discounts.
    fn undiscounted(&self, regions: &[(usize, Bounds)], side: usize) -> Option<Vec<f32>> {
        let discounts = self.targets.discounts.as_ref()?;
        let (height, width) = self.targets.masks.first()?.size();
        if regions.is_empty() {
            return Some(Vec::new());
        }
        let discounts = discounts.values();
        let count = discounts.rows();
        let rows = count * height * width;
        let planes = ops::reshape(&mut Tape::off(), &discounts.detach(), rows, 1);
        let planes = Map::new(planes, count, height, width);
        let among_targets = regions
            .iter()
            .map(|(index, bounds)| (self.numbers[*index], *bounds));
        let mut values = resampled(&planes, among_targets, side, true);
        values.iter_mut().for_each(|value| *value = 1.0 - *value);
        Some(values)
    }
}

/// The planes (number, rectangle), resampled to `side` x `side` with as many samples as pixels.
fn resampled(
    planes: &Map,
    regions: impl Iterator<Item = (usize, Bounds)>,
    side: usize,
    aligned: bool,
) -> Vec<f32> {
    let roi = |(image, bounds)| Roi {
        map: 0,
        image,
        bounds,
    };
    let rois: Vec<Roi> = regions.map(roi).collect();
    let pool = RoiPool {
        side,
        sampling: 0,
        aligned,
    };
    let read = ops::roi_align(&mut Tape::off(), &[planes], &[1.0], &rois, pool);
    read.data.host_values().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::Mask;
    use std::sync::Arc;

    /// Three masks of 8 x 8: the left half, nothing, the upper two rows.
    fn targets() -> Targets<'static> {
        let mask = |set: fn(usize, usize) -> bool| {
            let bits = (0..64).map(|i| u8::from(set(i / 8, i % 8))).collect();
            Mask::new(8, 8, bits).into()
        };
        let discounts = (0..3 * 64).map(|i| (i / 64) as f32 / 4.0).collect();
        Targets {
            classes: vec![4, 5, 6],
            masks: vec![mask(|_, x| x < 4), mask(|_, _| false), mask(|y, _| y < 2)],
            discounts: Some(Arc::new(Tensor2::constant(discounts, 3, 64))),
            ..Targets::default()
        }
    }

    #[test]
    fn a_given_rectangle_stands_in_place_of_the_mask_s() {
        let given = [
            [1.0, 1.0, 5.5, 7.0],
            [0.0, 0.0, 8.0, 8.0],
            [3.0, 2.0, 3.0, 6.0],
        ];
        let targets = Targets {
            bounds: Some(given.map(Bounds::new).into()),
            ..targets()
        };
        let objects = Objects::new(&targets);
        // The second has no pixel, the third no width.
        assert_eq!(objects.bounds, [Bounds::new(given[0])]);
        assert_eq!(objects.class(0), 4);
    }

    #[test]
    fn an_object_without_a_pixel_is_left_out() {
        let targets = targets();
        let objects = Objects::new(&targets);
        let expected = [[0.0, 0.0, 4.0, 8.0], [0.0, 0.0, 8.0, 2.0]].map(Bounds::new);
        assert_eq!(objects.bounds, expected);
        assert_eq!((objects.class(0), objects.class(1)), (4, 6));
    }

    #[test]
    fn the_share_of_an_object_is_that_of_its_pixels_with_centres_in_the_region() {
        let targets = targets();
        let objects = Objects::new(&targets);
        let shares =
            |object: usize, sides: [f32; 4]| objects.shares(&[(object, Bounds::new(sides))])[0];
        assert_eq!(shares(0, [0.0, 0.0, 8.0, 8.0]), 1.0);
        assert_eq!(shares(0, [2.0, 0.0, 6.0, 4.0]), 0.25);
        // Of two rows of eight pixels, one row and half of the columns.
        assert_eq!(shares(1, [0.0, 1.0, 4.0, 7.0]), 0.25);
        // A centre at the lower edge is inside, one at the upper edge is not.
        assert_eq!(shares(0, [0.5, 0.0, 2.5, 8.0]), 0.5);
        assert_eq!(shares(0, [0.6, 0.0, 2.6, 8.0]), 0.5);
        assert_eq!(shares(1, [-9.0, 3.0, 90.0, 90.0]), 0.0);
        assert_eq!(shares(0, [5.0, 5.0, 5.0, 5.0]), 0.0);
    }

    #[test]
    fn masks_and_weights_are_those_of_the_object_in_the_region() {
        let targets = targets();
        let objects = Objects::new(&targets);
        let region = Bounds::new([2.0, 0.0, 6.0, 4.0]);
        let regions = [(0, region), (1, region)];
        let masks = objects.masks(&regions, 2, true);
        assert_eq!(masks, [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        // Without the shift the samples lie half a pixel further to the right and below.
        let soft = objects.masks(&regions, 2, false);
        assert_eq!(soft[..2], [0.75, 0.0]);
        let weights = objects.weights(&regions, 2).unwrap();
        assert_eq!(weights, [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
        // Of the objects that are left, in the order of the targets.
        let own = |mask| ObjectWeights { class: 9.0, mask };
        let with_both = Targets {
            weights: Some([3.0, 7.0, 4.0].map(own).into()),
            ..targets
        };
        let objects = Objects::new(&with_both);
        let weights = objects.weights(&regions, 2).unwrap();
        assert_eq!(weights, [3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(objects.weights_of(1), Some(own(4.0)));
    }
}
