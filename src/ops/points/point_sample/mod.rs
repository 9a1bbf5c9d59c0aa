//! Bilinear samples of planes at points.
//!
//! `$$ y_{ip} = \sum_{k} \omega_k(u_{ip})\; x_{r(i),\,k}, \qquad \text{pixel} = u \odot (w, h) - \tfrac12 $$`
//!
//! k runs over the four pixels around the position; outside the plane all is zero. Shapes: planes `[N, h*w]`;
//! output row i reads plane r(i) at its P points u `[n, 2P]` (x, y in 0..1) -> `[n, P]`. Source: PointRend's
//! `point_sample` (https://arxiv.org/abs/1912.08193) as Mask2Former uses it: `grid_sample` with
//! `align_corners=False`, `padding_mode="zeros"`.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::bilinear::pair;
use crate::ops::cpu::parallel::run;
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;

/// Points that are located together, in arrays that the compiler keeps in vector registers.
pub(in crate::ops) const BLOCK: usize = 16;

/// Cost of one point in multiply-adds.
const POINT_WORK: usize = 16;

/// The four pixels around each point of a block, and their weights.
pub(in crate::ops) struct Corners {
    pixel: [[u32; BLOCK]; 4],
    weight: [[f32; BLOCK]; 4],
}

impl Corners {
    /// Locates at most [`BLOCK`] points; the rest of the arrays is of no meaning.
    #[inline(always)]
    pub(in crate::ops) fn locate(points: &[f32], (height, width): (usize, usize)) -> Self {
        let (mut x, mut y) = ([0f32; BLOCK], [0f32; BLOCK]);
        for (i, point) in points.chunks_exact(2).take(BLOCK).enumerate() {
            x[i] = point[0];
            y[i] = point[1];
        }
        let mut corners = Self {
            pixel: [[0; BLOCK]; 4],
            weight: [[0.0; BLOCK]; 4],
        };
        let (rows, columns) = (height as f32, width as f32);
        for i in 0..BLOCK {
            let (x, y) = (
                pair(x[i] * columns - 0.5, columns),
                pair(y[i] * rows - 0.5, rows),
            );
            for corner in 0..4 {
                let (a, b) = (corner / 2, corner % 2);
                corners.pixel[corner][i] = y.index[a] * width as u32 + x.index[b];
                corners.weight[corner][i] = y.weight[a] * x.weight[b];
            }
        }
        corners
    }

    /// The samples of one plane, of values that `read` turns into numbers.
    #[inline(always)]
    pub(in crate::ops) fn sample<T: Copy>(
        &self,
        plane: &[T],
        read: impl Fn(T) -> f32,
    ) -> [f32; BLOCK] {
        let mut total = [0f32; BLOCK];
        for (pixel, weight) in self.pixel.iter().zip(&self.weight) {
            for i in 0..BLOCK {
                total[i] += weight[i] * read(plane[pixel[i] as usize]);
            }
        }
        total
    }
}

/// Samples one plane, of values that `read` turns into numbers.
#[inline(always)]
fn sample<T: Copy>(
    plane: &[T],
    size: (usize, usize),
    points: &[f32],
    out: &mut [f32],
    read: impl Fn(T) -> f32,
) {
    assert_eq!(
        (plane.len(), points.len()),
        (size.0 * size.1, out.len() * 2),
        "a plane {size:?} and its points"
    );
    for (points, out) in points.chunks(2 * BLOCK).zip(out.chunks_mut(BLOCK)) {
        let total = Corners::locate(points, size).sample(plane, &read);
        out.copy_from_slice(&total[..out.len()]);
    }
}

/// Samples one plane `[h*w]` at `points` (x, y in 0..1) into `out`, one value per point; no gradient.
///
/// Panics where the lengths disagree.
pub(in crate::ops) fn sample_plane(
    plane: &[f32],
    size: (usize, usize),
    points: &[f32],
    out: &mut [f32],
) {
    sample(plane, size, points, out, |value| value);
}

/// As [`sample_plane`], for a mask of bits (0 or 1).
pub(in crate::ops) fn sample_mask(
    bits: &[u8],
    size: (usize, usize),
    points: &[f32],
    out: &mut [f32],
) {
    sample(bits, size, points, out, f32::from);
}

/// `planes [N, h*w]`, `rows [n]` the plane of every output row, `points [n, 2P]` -> the samples `[n, P]`.
///
/// Panics where the lengths disagree or a row names no plane.
pub fn point_sample(
    tape: &mut Tape,
    planes: &Tensor2,
    rows: &[usize],
    size: (usize, usize),
    points: &Tensor2,
) -> Tensor2 {
    let area = size.0 * size.1;
    assert_eq!(planes.columns(), area, "planes of {size:?}");
    assert!(
        rows.iter().all(|row| *row < planes.rows()),
        "rows {rows:?} of {} planes",
        planes.rows()
    );
    let count = points.columns() / 2;
    assert_eq!(points.rows(), rows.len(), "points of every row");
    if let Some(gpu) = Gpu::of(&[planes]) {
        return cuda::point_sample(tape, &gpu, planes, rows, size, points);
    }
    let mut values = unfilled(rows.len() * count);
    let split = Split::new(rows.len(), rows.len() * count * POINT_WORK);
    let shares = split.ranges().zip(split.cut(&mut values, count)).collect();
    run(shares, |(range, share): (Range<usize>, &mut [f32])| {
        for (i, out) in range.zip(share.chunks_exact_mut(count.max(1))) {
            let plane = &planes.values()[rows[i] * area..][..area];
            let points = &points.values()[i * count * 2..][..count * 2];
            sample_plane(plane, size, points, out);
        }
    });

    let out = tape.output(values, rows.len(), count, &[planes]);
    if !out.requires_grad() {
        return out;
    }
    let (planes, rows, points, source) =
        (planes.clone(), rows.to_vec(), points.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        // Rows may share a plane: the parts are planes, each takes its rows in their order.
        let split = Split::new(planes.rows(), gradient.len() * POINT_WORK);
        let shares = split
            .ranges()
            .zip(split.cut(planes.gradient_mut(grads), area))
            .collect();
        run(shares, |(range, share): (Range<usize>, &mut [f32])| {
            for (i, row) in rows
                .iter()
                .enumerate()
                .filter(|(_, row)| range.contains(row))
            {
                let plane = &mut share[(row - range.start) * area..][..area];
                scatter(
                    plane,
                    size,
                    &points.values()[i * count * 2..][..count * 2],
                    &gradient[i * count..][..count],
                );
            }
        });
    });
    out
}

/// Adds the gradient of the samples of one plane to the gradient of the plane.
fn scatter(plane: &mut [f32], size: (usize, usize), points: &[f32], gradient: &[f32]) {
    for (points, gradient) in points.chunks(2 * BLOCK).zip(gradient.chunks(BLOCK)) {
        let corners = Corners::locate(points, size);
        for (i, g) in gradient.iter().enumerate() {
            for (pixel, weight) in corners.pixel.iter().zip(&corners.weight) {
                plane[pixel[i] as usize] += weight[i] * g;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_bits};
    use crate::ops::golden;
    use crate::rng::Stream;

    /// Points of which some lie outside the plane.
    fn points(count: usize) -> Vec<f32> {
        let mut stream = Stream::new(3, "points");
        (0..2 * count)
            .map(|_| 1.4 * stream.uniform() as f32 - 0.2)
            .collect()
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (planes, rows, size, count) in [
                (1, vec![0], (1, 1), 5),
                (4, vec![2, 0, 2, 3], (5, 3), 21),
                (3, vec![1], (2, 7), 16),
            ] {
                let points = Tensor2::constant(points(rows.len() * count), rows.len(), 2 * count);
                gradients(
                    place,
                    &[parameter(1, planes, size.0 * size.1, 1.0)],
                    1e-2,
                    1e-3,
                    |tape, i| point_sample(tape, &i[0], &rows, size, &points),
                );
            }
        }
    }

    #[test]
    fn pixel_centres_read_pixels_and_corners_fade() {
        let plane = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut out = [0.0; 4];
        // Centre of the last pixel; between the first two; the outermost corner (a quarter of the pixel); far
        // outside.
        let points = [5.0 / 6.0, 0.75, 2.0 / 6.0, 0.25, 0.0, 0.0, -3.0, 0.5];
        sample_plane(&plane, (2, 3), &points, &mut out);
        for (got, expected) in out.iter().zip([6.0, 1.5, 0.25, 0.0]) {
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
    }

    #[test]
    fn bits_are_sampled_as_zeros_and_ones() {
        let bits: Vec<u8> = (0..35).map(|i| u8::from(i % 3 == 0)).collect();
        let plane: Vec<f32> = bits.iter().map(|b| f32::from(*b)).collect();
        let points = points(37);
        let (mut a, mut b) = (vec![0.0; 37], vec![0.0; 37]);
        sample_mask(&bits, (7, 5), &points, &mut a);
        sample_plane(&plane, (7, 5), &points, &mut b);
        assert_eq!(a, b);
    }

    on_every_place! {
        fn no_rows_give_an_empty_result(place) {
            let out = point_sample(
                &mut Tape::recording(),
                &parameter(1, 2, 4, 1.0).to(place),
                &[],
                (2, 2),
                &Tensor2::constant(vec![], 0, 6),
            );
            assert_eq!((out.rows(), out.columns()), (0, 3));
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let rows: Vec<usize> = (0..40).map(|i| i * 11 % 24).collect();
        let points = Tensor2::constant(points(40 * 256), 40, 2 * 256);
        same_bits(&[parameter(1, 24, 64, 1.0)], |tape, i| {
            point_sample(tape, &i[0], &rows, (8, 8), &points)
        });
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops2");
            let points = tensors["point_sample.points"].1.clone();
            let points = Tensor2::constant(points, 4, 2 * (tensors["point_sample.points"].1.len() / 8));
            golden::check(
                place,
                &tensors,
                "point_sample",
                &["planes"],
                1e-5,
                |tape, i| point_sample(tape, &i[0], &[2, 0, 2, 3], (5, 7), &points),
            );
        }
    }
}
