//! A region on the grid of a feature map: what mask pooling weighs every cell with (PL-DC, eq. 7).
//!
//! `$$ c_i = \frac{|m \cap R_i|}{|R_i|} \quad\text{or}\quad c_i = [\,\mathrm{resize}(l)_i > 0\,] $$`
//!
//! R_i is a cell, m the mask, l its logits, resized bilinearly without smoothing. The second is the released
//! code's: it looks at the four pixels around the middle of a cell, so that an object smaller than a cell may
//! be left with none, and the head's answer to a zero vector decides about it.

use super::Region;
use crate::graph::clip::coverage;
use crate::ops;
use crate::tensor::Tensor2;
use schemars::JsonSchema;
use serde::Deserialize;

/// The way to bring a mask to the grid.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The share of a cell that the mask covers.
    Coverage,
    /// The cells at whose middle the mask's logits are above 0.
    Threshold,
}

impl Pooling {
    /// The weights of a grid (rows, columns) over a picture of `size` (rows, columns), region by region:
    /// `[regions * grid.0 * grid.1]`, each in [0, 1]. `logits`: those of which the regions are rows.
    pub fn weights(
        self,
        regions: &[&Region],
        logits: &Tensor2,
        size: (usize, usize),
        grid: (usize, usize),
    ) -> Vec<f32> {
        match self {
            Self::Coverage => {
                let coverage = |region: &&Region| coverage(region.mask, size, grid);
                regions.iter().flat_map(coverage).collect()
            }
            Self::Threshold => {
                let rows: Vec<usize> = regions.iter().map(|region| region.row).collect();
                let planes = ops::rows_on_host(logits, &rows);
                let planes = planes.chunks_exact(logits.columns());
                let regions = regions.iter().zip(planes);
                regions
                    .flat_map(|(region, plane)| middles(plane, region.mask.width, size, grid))
                    .collect()
            }
        }
    }
}

/// For every cell, 1 if the logits (in rows of `width`) are above 0 at its centre.
fn middles(logits: &[f32], width: usize, size: (usize, usize), grid: (usize, usize)) -> Vec<f32> {
    let rows = logits.chunks_exact(width).take(size.0);
    let own: Vec<f32> = rows.flat_map(|row| &row[..size.1]).copied().collect();
    let cells = ops::resize_planes(&own, 1, size, grid);
    cells
        .iter()
        .map(|l| f32::from(u8::from(*l > 0.0)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::filter::Tier;
    use crate::structures::Mask;
    use proptest::prelude::*;

    fn weights(
        pooling: Pooling,
        logits: &[f32],
        sides: [usize; 2],
        size: (usize, usize),
        grid: (usize, usize),
    ) -> Vec<f32> {
        let mask = Mask::from_logits(logits, sides[0], sides[1]);
        let region = Region {
            tier: Tier::High,
            probabilities: &[],
            mask: &mask,
            row: 0,
        };
        let logits = Tensor2::constant(logits.to_vec(), 1, logits.len());
        pooling.weights(&[&region], &logits, size, grid)
    }

    #[test]
    fn a_cell_is_decided_in_its_middle_and_padding_is_not_seen() {
        // 4 x 6 pixels on 1 x 2 cells of 4 x 2, the last two columns being padding. The middle of the left
        // cell is the mean of its second and third rows: (3 + 1 - 2 - 1) / 4 > 0. That of the right one is
        // below 0 though a corner is high.
        #[rustfmt::skip]
        let logits = [
            -9.0, -9.0, 90.0, -1.0, 99.0, 99.0,
             3.0,  1.0, -1.0, -1.0, 99.0, 99.0,
            -2.0, -1.0, -1.0, -1.0, 99.0, 99.0,
            -9.0, -9.0, -1.0, -1.0, 99.0, 99.0,
        ];
        let of = |pooling| weights(pooling, &logits, [4, 6], (4, 4), (1, 2));
        assert_eq!(of(Pooling::Threshold), [1.0, 0.0]);
        assert_eq!(of(Pooling::Coverage), [0.25, 0.125]);
    }

    #[test]
    fn a_small_object_may_have_no_cell() {
        let mut logits = [-1.0; 64];
        logits[0] = 1.0;
        let of = |pooling| weights(pooling, &logits, [8, 8], (8, 8), (2, 2));
        assert_eq!(of(Pooling::Threshold), [0.0; 4]);
        assert_eq!(of(Pooling::Coverage), [1.0 / 16.0, 0.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn both_agree_on_cells_that_are_all_in_or_all_out(
            cells in prop::collection::vec(any::<bool>(), 6), side in 1usize..5, strength in 0.1f32..9.0,
        ) {
            let (rows, columns) = (2 * side, 3 * side);
            let logit = |i: usize| if cells[i / columns / side * 3 + i % columns / side] { strength } else { -strength };
            let logits: Vec<f32> = (0..rows * columns).map(logit).collect();
            let of = |pooling| weights(pooling, &logits, [rows, columns], (rows, columns), (2, 3));
            for (found, expected) in of(Pooling::Coverage).iter().zip(&cells) {
                prop_assert!((found - f32::from(u8::from(*expected))).abs() < 1e-6);
            }
            for (found, expected) in of(Pooling::Threshold).iter().zip(&cells) {
                prop_assert_eq!(*found == 1.0, *expected);
            }
        }
    }
}
