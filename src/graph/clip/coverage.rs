//! A mask on the grid of a feature map: the share of every cell that the mask covers.
//!
//! $$ c_{ij} = \frac{1}{|R_{ij}|} \sum_{p \in R_{ij}} m_p, \qquad
//!    R_{ij} = [\lfloor iH/h \rfloor, \lceil (i+1)H/h \rceil) \times [\lfloor jW/w \rfloor, \lceil (j+1)W/w \rceil) $$
//!
//! Shapes: mask `[H, W]`, grid `[h, w]`. These are the weights of mask pooling: an object smaller than a cell keeps a share of it,
//! where the released PL-DC code thresholds on the grid and may be left with nothing. Same as PyTorch's `interpolate(mode="area")`.

use crate::structures::Mask;

/// The shares, `[height * width]`, each in [0, 1]. Panics on an empty grid.
pub fn coverage(mask: &Mask, height: usize, width: usize) -> Vec<f32> {
    let cell =
        |i: usize, side: usize, cells: usize| (i * side / cells, ((i + 1) * side).div_ceil(cells));
    let mut shares = Vec::with_capacity(height * width);
    for i in 0..height {
        let (top, bottom) = cell(i, mask.height, height);
        for j in 0..width {
            let (left, right) = cell(j, mask.width, width);
            let covered: u32 = (top..bottom)
                .flat_map(|y| &mask.bits[y * mask.width + left..y * mask.width + right])
                .map(|bit| u32::from(*bit))
                .sum();
            shares.push(covered as f32 / ((bottom - top) * (right - left)) as f32);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cells_are_means() {
        let mask = Mask::new(2, 4, vec![1, 1, 0, 1, 0, 1, 0, 0]);
        assert_eq!(coverage(&mask, 1, 2), [0.75, 0.25]);
    }

    #[test]
    fn cells_that_do_not_divide_the_side_share_a_pixel() {
        let mask = Mask::new(1, 3, vec![0, 1, 0]);
        // cells [0, 2) and [1, 3)
        assert_eq!(coverage(&mask, 1, 2), [0.5, 0.5]);
    }

    #[test]
    fn a_finer_grid_repeats_pixels() {
        let mask = Mask::new(1, 2, vec![1, 0]);
        assert_eq!(coverage(&mask, 1, 4), [1.0, 1.0, 0.0, 0.0]);
    }
}
