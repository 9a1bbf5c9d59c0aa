//! The object that a location has to find.
//!
//! | condition | of a location and an object |
//! |---|---|
//! | near the centre | it lies inside the box, and less than r strides of its level from the centre along both axes |
//! | of the right size | the farthest side of the box is at a distance in the range of its level, both ends included |
//!
//! Of several objects it has to find the one with the smallest box, the first of equal ones. Without any it is
//! background. Shapes: L locations. Sources: FCOS (<https://arxiv.org/abs/1904.01355>), section 3.2, with the centre
//! sampling of its released code, and youngwanLEE/centermask2 6adabd6, `fcos_outputs.py`.
//!
//! `$$ c^* = \sqrt{\frac{\min(l, r)}{\max(l, r)} \cdot \frac{\min(t, b)}{\max(t, b)}} $$`
//!
//! is the centreness of a location with these distances to the sides of its box.

use crate::graph::centermask::{LEVELS, Location};
use crate::ops::Bounds;

/// The rules of the assignment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assigner {
    /// r.
    pub radius: f32,
    /// The ends of the ranges of all levels but the coarsest, in pixels.
    pub ranges: [f32; LEVELS - 1],
}

impl Assigner {
    /// The object that each of the `locations` has to find, of objects with these `bounds`; none: background.
    pub fn of(&self, locations: &[Location], bounds: &[Bounds]) -> Vec<Option<usize>> {
        let of_location = |location: &Location| {
            let mut best: Option<(usize, f32)> = None;
            for (object, bounds) in bounds.iter().enumerate() {
                let area = bounds.area();
                if best.is_none_or(|(_, least)| area < least) && self.fits(location, *bounds) {
                    best = Some((object, area));
                }
            }
            best.map(|(object, _)| object)
        };
        locations.iter().map(of_location).collect()
    }

    /// True if a location may find an object with these bounds.
    fn fits(&self, location: &Location, bounds: Bounds) -> bool {
        let distances = location.distances(bounds);
        let inside = distances.iter().all(|distance| *distance > 0.0);
        let reach = self.radius * location.stride;
        let [across, down] = [
            (bounds.x1 + bounds.x2) / 2.0 - location.x,
            (bounds.y1 + bounds.y2) / 2.0 - location.y,
        ];
        let farthest = distances.into_iter().fold(f32::NEG_INFINITY, f32::max);
        inside && across.abs() < reach && down.abs() < reach && self.holds(location.level, farthest)
    }

    /// True if a distance lies in the range of the level with this number.
    fn holds(&self, level: usize, distance: f32) -> bool {
        let above = level
            .checked_sub(1)
            .is_none_or(|finer| distance >= self.ranges[finer]);
        let below = self.ranges.get(level).is_none_or(|end| distance <= *end);
        above && below
    }
}

/// The centreness of a location with these distances to the left, top, right and bottom side, all above 0.
pub fn centreness([l, t, r, b]: [f32; 4]) -> f32 {
    ((l.min(r) / l.max(r)) * (t.min(b) / t.max(b))).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PUBLISHED: Assigner = Assigner {
        radius: 1.5,
        ranges: [64.0, 128.0, 256.0, 512.0],
    };

    fn at(x: f32, y: f32, level: usize) -> Location {
        Location {
            x,
            y,
            level,
            stride: (8 << level) as f32,
        }
    }

    fn of(location: Location, bounds: &[[f32; 4]]) -> Option<usize> {
        let bounds: Vec<Bounds> = bounds.iter().map(|sides| Bounds::new(*sides)).collect();
        PUBLISHED.of(&[location], &bounds)[0]
    }

    #[test]
    fn a_location_near_the_centre_has_to_find_the_object() {
        let object = [[60.0, 60.0, 140.0, 140.0]];
        assert_eq!(of(at(100.0, 100.0, 0), &object), Some(0));
        // Less than 12 pixels from the centre along both axes.
        assert_eq!(of(at(111.9, 88.1, 0), &object), Some(0));
        assert_eq!(of(at(112.0, 100.0, 0), &object), None);
        assert_eq!(of(at(100.0, 88.0, 0), &object), None);
        // A small object ends before the square around its centre does.
        let small = [[96.0, 90.0, 104.0, 110.0]];
        assert_eq!(of(at(103.9, 100.0, 0), &small), Some(0));
        assert_eq!(of(at(104.0, 100.0, 0), &small), None);
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        // The farthest side is 64 pixels away.
        let object = [[36.0, 60.0, 160.0, 140.0]];
        assert_eq!(of(at(100.0, 100.0, 0), &object), Some(0));
        assert_eq!(of(at(100.0, 100.0, 1), &object), Some(0));
        assert_eq!(of(at(100.0, 100.0, 2), &object), None);
        let longer = [[35.9, 60.0, 160.0, 140.0]];
        assert_eq!(of(at(100.0, 100.0, 0), &longer), None);
        let shorter = [[36.1, 60.0, 160.0, 140.0]];
        assert_eq!(of(at(100.0, 100.0, 1), &shorter), None);
        // The coarsest level has no end.
        let large = [[-3000.0, -3000.0, 3000.0, 3000.0]];
        assert_eq!(of(at(64.0, 64.0, 4), &large), Some(0));
        assert_eq!(of(at(64.0, 64.0, 3), &large), None);
    }

    #[test]
    fn of_several_objects_it_is_the_smallest_and_of_equal_ones_the_first() {
        let large = [60.0, 60.0, 140.0, 140.0];
        let small = [80.0, 80.0, 120.0, 120.0];
        assert_eq!(of(at(100.0, 100.0, 0), &[large, small, small]), Some(1));
        // The smaller one is too far away.
        assert_eq!(
            of(at(100.0, 100.0, 0), &[large, [110.0, 80.0, 130.0, 120.0]]),
            Some(0)
        );
        assert_eq!(of(at(100.0, 100.0, 0), &[]), None);
    }

    #[test]
    fn the_centreness_is_the_mean_of_two_quotients() {
        let found = centreness([1.0, 2.0, 3.0, 2.0]);
        assert!((found - 0.577_350_3).abs() < 1e-6, "{found}");
        // The least cross-entropy that a prediction reaches.
        let c = f64::from(found);
        let least = -(c * c.ln() + (1.0 - c) * (1.0 - c).ln());
        assert!((least - 0.681).abs() < 5e-4, "{least}");
        assert_eq!(centreness([5.0; 4]), 1.0);
    }

    proptest! {
        #[test]
        fn an_assigned_object_fits_and_no_smaller_one_does(
            boxes in prop::collection::vec((0f32..200.0, 0f32..200.0, 4f32..300.0, 4f32..300.0), 0..6),
            x in 0f32..300.0, y in 0f32..300.0, level in 0usize..LEVELS,
        ) {
            let bounds: Vec<Bounds> = boxes.iter().map(|(x, y, w, h)| Bounds::new([*x, *y, x + w, y + h])).collect();
            let location = at(x, y, level);
            let fits: Vec<usize> = (0..bounds.len()).filter(|i| PUBLISHED.fits(&location, bounds[*i])).collect();
            match PUBLISHED.of(&[location], &bounds)[0] {
                None => prop_assert!(fits.is_empty()),
                Some(object) => {
                    prop_assert!(fits.contains(&object));
                    prop_assert!(fits.iter().all(|i| bounds[*i].area() >= bounds[object].area()));
                }
            }
        }

        #[test]
        fn the_centreness_is_a_share_whatever_the_unit(l in 0.1f32..9.0, t in 0.1f32..9.0, r in 0.1f32..9.0, b in 0.1f32..9.0) {
            let found = centreness([l, t, r, b]);
            prop_assert!(found > 0.0 && found <= 1.0);
            prop_assert!((found - centreness([8.0 * l, 8.0 * t, 8.0 * r, 8.0 * b])).abs() < 1e-6);
            prop_assert_eq!(found, centreness([r, b, l, t]));
        }
    }
}
