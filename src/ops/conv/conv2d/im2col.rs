//! Patches of an image as rows of a matrix, and back: a convolution becomes a matrix product.
//!
//! Row `$(o_y, o_x)$` of the columns matrix holds, for window offsets `$(k_y, k_x)$` and channels `$c$` in this
//! order,
//! `$$ x[o_y s + k_y - p,\; o_x s + k_x - p,\; c] $$` and zero outside the image. `col2im` is its transpose: it adds.
//!
//! Shapes: image [H * W, C] channels-last, columns [pixels, k * k * c] where c of the C channels are taken (a group).
//! Source: Chellapilla et al. 2006, "High performance convolutional neural networks for document processing".

use crate::ops::conv::window::Geometry;
use std::ops::Range;

/// Writes the patches of the output rows `rows` for the channels `channels`.
///
/// `columns` is filled completely. Panics unless it holds `rows * out_width * k * k * c` values.
pub(crate) fn im2col(
    geometry: &Geometry,
    image: &[f32],
    channels: Range<usize>,
    rows: Range<usize>,
    columns: &mut [f32],
) {
    let kernel = geometry.window.kernel;
    let taken = channels.len();
    let (line, patch) = (kernel * taken, kernel * kernel * taken);
    assert_eq!(
        columns.len(),
        rows.len() * geometry.out_width * patch,
        "columns"
    );
    let whole = taken == geometry.channels;
    for (oy, patches) in rows.zip(columns.chunks_exact_mut(geometry.out_width * patch)) {
        let (inside_y, first_y) = geometry.overlap(oy, geometry.height);
        for (ox, patch) in patches.chunks_exact_mut(patch).enumerate() {
            let (inside_x, first_x) = geometry.overlap(ox, geometry.width);
            for (ky, line) in patch.chunks_exact_mut(line).enumerate() {
                if !inside_y.contains(&ky) {
                    line.fill(0.0);
                    continue;
                }
                let y = first_y + ky - inside_y.start;
                let from = (y * geometry.width + first_x) * geometry.channels;
                line[..inside_x.start * taken].fill(0.0);
                line[inside_x.end * taken..].fill(0.0);
                let line = &mut line[inside_x.start * taken..inside_x.end * taken];
                if whole {
                    line.copy_from_slice(&image[from..from + line.len()]);
                } else {
                    let pixels = image[from..].chunks(geometry.channels);
                    for (to, pixel) in line.chunks_exact_mut(taken).zip(pixels) {
                        to.copy_from_slice(&pixel[channels.clone()]);
                    }
                }
            }
        }
    }
}

/// Adds the patches of the output rows `rows` to the pixels they were taken from.
pub(crate) fn col2im(
    geometry: &Geometry,
    columns: &[f32],
    channels: Range<usize>,
    rows: Range<usize>,
    image: &mut [f32],
) {
    let kernel = geometry.window.kernel;
    let taken = channels.len();
    let (line, patch) = (kernel * taken, kernel * kernel * taken);
    assert_eq!(
        columns.len(),
        rows.len() * geometry.out_width * patch,
        "columns"
    );
    let whole = taken == geometry.channels;
    for (oy, patches) in rows.zip(columns.chunks_exact(geometry.out_width * patch)) {
        let (inside_y, first_y) = geometry.overlap(oy, geometry.height);
        for (ox, patch) in patches.chunks_exact(patch).enumerate() {
            let (inside_x, first_x) = geometry.overlap(ox, geometry.width);
            for ky in inside_y.clone() {
                let line = &patch[ky * line + inside_x.start * taken..][..inside_x.len() * taken];
                let y = first_y + ky - inside_y.start;
                let to = (y * geometry.width + first_x) * geometry.channels;
                if whole {
                    add(&mut image[to..to + line.len()], line);
                } else {
                    let pixels = image[to..].chunks_mut(geometry.channels);
                    for (from, pixel) in line.chunks_exact(taken).zip(pixels) {
                        add(&mut pixel[channels.clone()], from);
                    }
                }
            }
        }
    }
}

/// Adds `values` to `total`.
fn add(total: &mut [f32], values: &[f32]) {
    for (sum, value) in total.iter_mut().zip(values) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Window;

    fn cases() -> Vec<(Geometry, Range<usize>)> {
        let mut cases = Vec::new();
        for (kernel, stride, padding) in [
            (1, 1, 0),
            (1, 2, 0),
            (3, 1, 1),
            (3, 2, 1),
            (7, 2, 3),
            (3, 1, 0),
            (2, 3, 1),
        ] {
            let geometry = Geometry::new(
                7,
                9,
                4,
                Window {
                    kernel,
                    stride,
                    padding,
                },
            );
            cases.push((geometry, 0..4));
            cases.push((geometry, 1..3));
        }
        // A window wider than the image: some offsets never meet it.
        cases.push((
            Geometry::new(
                2,
                1,
                4,
                Window {
                    kernel: 7,
                    stride: 2,
                    padding: 3,
                },
            ),
            0..4,
        ));
        cases
    }

    #[test]
    fn patches_match_the_definition() {
        for (geometry, channels) in cases() {
            let Window {
                kernel,
                stride,
                padding,
            } = geometry.window;
            let image: Vec<f32> = (1..=geometry.image()).map(|i| i as f32).collect();
            let rows = geometry.out_height / 3..geometry.out_height;
            let patch = kernel * kernel * channels.len();
            let mut columns = vec![f32::NAN; rows.len() * geometry.out_width * patch];
            im2col(
                &geometry,
                &image,
                channels.clone(),
                rows.clone(),
                &mut columns,
            );
            let mut got = columns.iter();
            for (oy, ox) in rows.flat_map(|oy| (0..geometry.out_width).map(move |ox| (oy, ox))) {
                for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                    let y = (oy * stride + ky)
                        .checked_sub(padding)
                        .filter(|y| *y < geometry.height);
                    let x = (ox * stride + kx)
                        .checked_sub(padding)
                        .filter(|x| *x < geometry.width);
                    for c in channels.clone() {
                        let at = |y: usize, x: usize| image[(y * geometry.width + x) * 4 + c];
                        let expected = y.zip(x).map_or(0.0, |(y, x)| at(y, x));
                        assert_eq!(
                            got.next(),
                            Some(&expected),
                            "{geometry:?} {oy} {ox} {ky} {kx} {c}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn col2im_is_the_transpose_of_im2col() {
        for (geometry, channels) in cases() {
            let rows = 0..geometry.out_height;
            let len =
                rows.len() * geometry.out_width * geometry.window.kernel.pow(2) * channels.len();
            let image: Vec<f32> = (0..geometry.image()).map(|i| (i * 7 % 11) as f32).collect();
            let weights: Vec<f32> = (0..len).map(|i| (i * 5 % 13) as f32).collect();
            let mut columns = vec![0.0; len];
            im2col(
                &geometry,
                &image,
                channels.clone(),
                rows.clone(),
                &mut columns,
            );
            let mut back = vec![0.0; image.len()];
            col2im(&geometry, &weights, channels, rows, &mut back);
            let dot =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum::<f64>();
            assert_eq!(dot(&columns, &weights), dot(&image, &back), "{geometry:?}");
        }
    }
}
