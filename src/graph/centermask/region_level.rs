//! The level that a region is read from (CenterMask, eq. 2): the larger its share of the image, the coarser.
//!
//! `$$ k = \Bigl\lceil 5 - \log_2 \frac{A_{image}}{A_{region}} \Bigr\rceil, \qquad 3 \le k \le 5 $$`
//!
//! Source: youngwanLEE/centermask2 6adabd6, `pooler.py`, with its areas: that of the image without the padding, and
//! that of the region with what lies outside of the image.

use super::levels::OF_STAGES;

/// Levels that regions are read from: p3 to p5.
pub(super) const REGION_LEVELS: usize = OF_STAGES;
/// The number of the coarsest of them, and of the finest.
const COARSEST: f32 = 5.0;
const FINEST: f32 = 3.0;

/// The level of a region with this `area` in an image of these rows and columns, 0 the finest.
pub(super) fn level_of(area: f32, (height, width): (usize, usize)) -> usize {
    let image = (height * width) as f32;
    // Without area the quotient has no bound, and the level is the finest.
    let level = (COARSEST - libm::log2f(image / area.max(0.0))).ceil();
    (level.clamp(FINEST, COARSEST) - FINEST) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IMAGE: (usize, usize) = (800, 1333);

    #[test]
    fn large_regions_are_read_from_coarse_levels() {
        for (area, level) in [
            (200.0 * 200.0, 3),
            (400.0 * 400.0, 3),
            (800.0 * 600.0, 4),
            (800.0 * 1333.0, 5),
            (9000.0 * 9000.0, 5),
            (0.0, 3),
            (-5.0, 3),
        ] {
            assert_eq!(level_of(area, IMAGE) + 3, level, "{area}");
        }
    }

    /// A half is exactly one level below the whole: 5 - 1 = 4 needs no rounding.
    #[test]
    fn the_bounds_belong_to_the_finer_level() {
        assert_eq!(level_of(0.5 * 64.0 * 64.0, (64, 64)), 1);
        assert_eq!(level_of(0.51 * 64.0 * 64.0, (64, 64)), 2);
        assert_eq!(level_of(0.25 * 64.0 * 64.0, (64, 64)), 0);
        assert_eq!(level_of(0.26 * 64.0 * 64.0, (64, 64)), 1);
    }

    proptest! {
        #[test]
        fn a_larger_region_is_read_from_no_finer_level(area in 0f32..2e6, more in 0f32..2e6) {
            let (small, large) = (level_of(area, IMAGE), level_of(area + more, IMAGE));
            prop_assert!(small <= large && large < REGION_LEVELS);
        }
    }
}
