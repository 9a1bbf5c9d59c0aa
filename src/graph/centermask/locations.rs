//! The locations of FCOS: one for every pixel of every level, at the centre of the pixel's square in the input.
//!
//! `$$ x = s\, j + \lfloor s / 2 \rfloor, \qquad y = s\, i + \lfloor s / 2 \rfloor $$`
//!
//! for row i and column j of a level of stride s. Source: FCOS, section 3.1.

use super::levels::LEVELS;
use crate::ops::Bounds;

/// A location in an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// Pixels from the left.
    pub x: f32,
    /// Pixels from the top.
    pub y: f32,
    /// The number of its level, 0 the finest.
    pub level: usize,
    /// Pixels of the input for a pixel of the level, along a side.
    pub stride: f32,
}

impl Location {
    /// The rectangle with these distances from here to its left, top, right and bottom side, in strides.
    pub fn bounds(&self, [l, t, r, b]: [f32; 4]) -> Bounds {
        Bounds {
            x1: self.x - l * self.stride,
            y1: self.y - t * self.stride,
            x2: self.x + r * self.stride,
            y2: self.y + b * self.stride,
        }
    }

    /// The distances from here to the left, top, right and bottom side of a rectangle, in pixels.
    pub fn distances(&self, bounds: Bounds) -> [f32; 4] {
        [
            self.x - bounds.x1,
            self.y - bounds.y1,
            bounds.x2 - self.x,
            bounds.y2 - self.y,
        ]
    }
}

/// All locations of an input whose levels have these `sizes`, in the order (level, row, column).
pub(super) fn locations(
    sizes: &[(usize, usize); LEVELS],
    strides: &[usize; LEVELS],
) -> Vec<Location> {
    let mut all = Vec::new();
    for (level, (&(height, width), &stride)) in sizes.iter().zip(strides).enumerate() {
        let at = |place: usize| (place * stride + stride / 2) as f32;
        for row in 0..height {
            all.extend((0..width).map(|column| Location {
                x: at(column),
                y: at(row),
                level,
                stride: stride as f32,
            }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_location_is_the_centre_of_its_pixel() {
        let all = locations(
            &[(1, 3), (1, 2), (1, 1), (1, 1), (1, 1)],
            &[8, 16, 32, 64, 128],
        );
        let xs: Vec<f32> = all.iter().map(|location| location.x).collect();
        assert_eq!(xs, [4.0, 12.0, 20.0, 8.0, 24.0, 16.0, 32.0, 64.0]);
        let rows = locations(&[(2, 2), (0, 0), (0, 0), (0, 0), (0, 0)], &[8; LEVELS]);
        let places: Vec<_> = rows
            .iter()
            .map(|location| (location.x, location.y))
            .collect();
        assert_eq!(places, [(4.0, 4.0), (12.0, 4.0), (4.0, 12.0), (12.0, 12.0)]);
    }

    #[test]
    fn distances_are_counted_in_strides() {
        let location = Location {
            x: 100.0,
            y: 100.0,
            level: 0,
            stride: 8.0,
        };
        let bounds = location.bounds([1.0, 2.0, 3.0, 2.0]);
        assert_eq!(bounds.to_array(), [92.0, 84.0, 124.0, 116.0]);
        assert_eq!(location.distances(bounds), [8.0, 16.0, 24.0, 16.0]);
    }

    proptest! {
        #[test]
        fn a_rectangle_has_the_distances_that_made_it(sides in prop::array::uniform4(0f32..20.0), x in 0f32..500.0, y in 0f32..500.0) {
            let location = Location { x, y, level: 2, stride: 32.0 };
            let found = location.distances(location.bounds(sides));
            for (found, side) in found.iter().zip(sides) {
                prop_assert!((found - 32.0 * side).abs() < 1e-3);
            }
        }
    }
}
