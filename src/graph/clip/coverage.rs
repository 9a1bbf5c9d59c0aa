//! A mask on the grid of a feature map: the share of every cell that the mask covers.
//!
//! `$$ c_{ij} = \frac{1}{|R_{ij}|} \int_{R_{ij}} m, \qquad
//!    R_{ij} = [iH/h, (i+1)H/h) \times [jW/w, (j+1)W/w) $$`
//!
//! Shapes: mask `[H, W]`, grid `[h, w]`. A pixel on the border of two cells counts for each with the part
//! inside it. The shares are the weights of mask pooling: an object smaller than a cell keeps a share of it.

use crate::structures::Mask;

/// The shares, `[grid.0 * grid.1]`, each in [0, 1]. The grid (rows, columns) covers the picture, that is, the
/// top left `size` (rows, columns) pixels of the mask. The rest of the mask is padding.
pub fn coverage(mask: &Mask, size: (usize, usize), grid: (usize, usize)) -> Vec<f32> {
    let rows = overlaps(size.0, grid.0);
    let columns = overlaps(size.1, grid.1);
    let mut cells = vec![0.0; grid.0 * grid.1];
    for (cells, line) in cells.chunks_exact_mut(grid.1).zip(&rows) {
        for (y, height) in line {
            let bits = &mask.bits[y * mask.width..][..size.1];
            for (cell, column) in cells.iter_mut().zip(&columns) {
                let covered: f32 = column
                    .iter()
                    .map(|(x, part)| part * f32::from(bits[*x]))
                    .sum();
                *cell += height * covered;
            }
        }
    }
    cells
}

/// For each of `cells` equal parts of a line of `pixels`: the pixels that it touches, each with the fraction
/// of the cell that it covers.
fn overlaps(pixels: usize, cells: usize) -> Vec<Vec<(usize, f32)>> {
    let width = pixels as f64 / cells as f64;
    (0..cells)
        .map(|cell| {
            let (low, high) = (cell as f64 * width, (cell + 1) as f64 * width);
            let last = (high.ceil() as usize).min(pixels);
            (low as usize..last)
                .map(|pixel| {
                    let shared = high.min(pixel as f64 + 1.0) - low.max(pixel as f64);
                    (pixel, (shared / width).max(0.0) as f32)
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cells_are_means() {
        let mask = Mask::new(2, 4, vec![1, 1, 0, 1, 0, 1, 0, 0]);
        assert_eq!(coverage(&mask, (2, 4), (1, 2)), [0.75, 0.25]);
    }

    #[test]
    fn a_pixel_on_a_border_is_shared_and_padding_is_not_seen() {
        let mask = Mask::new(3, 4, vec![1, 1, 0, 9, 1, 1, 0, 9, 0, 0, 0, 9]);
        // The picture is 3 x 3, the fourth column is padding; 3 pixels on 2 cells: 1.5 pixels each.
        let cells = coverage(&mask, (3, 3), (2, 2));
        let expected = [1.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 9.0];
        for (cell, expected) in cells.iter().zip(expected) {
            assert!((cell - expected).abs() < 1e-6, "{cells:?}");
        }
    }

    #[test]
    fn a_finer_grid_repeats_pixels() {
        let mask = Mask::new(1, 2, vec![1, 0]);
        assert_eq!(coverage(&mask, (1, 2), (1, 4)), [1.0, 1.0, 0.0, 0.0]);
    }
}
