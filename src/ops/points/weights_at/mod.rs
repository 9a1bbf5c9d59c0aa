//! The remaining weight of the loss of the pixels around a point. The planes contain the reductions.
//!
//! `$$ w_{ip} = 1 - \sum_k \omega_k(u_{ip})\; d_{i,\,k} $$`
//!
//! The samples are those of `point_sample`. Outside the plane the reduction is 0, because PL-DC's released
//! code pads it; a row without a plane has weight 1. Shapes: planes d `[_, h*w]`, a row of one for each of n;
//! points u `[n, 2P]` -> `[n, P]`; no gradient.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::ops::points::point_sample::sample_plane;
use crate::tensor::Tensor2;
use rayon::prelude::*;

/// The weights at `points`; `planes`: a tensor of planes and the row in it.
///
/// Panics where the lengths disagree, or there is no such row.
pub fn weights_at(
    planes: &[Option<(&Tensor2, usize)>],
    size: (usize, usize),
    points: &Tensor2,
) -> Tensor2 {
    let count = points.columns() / 2;
    assert_eq!(
        planes.len(),
        points.rows(),
        "a plane or none for every row of points"
    );
    for (plane, row) in planes.iter().flatten() {
        assert_eq!(plane.columns(), size.0 * size.1, "planes of {size:?}");
        assert!(*row < plane.rows(), "row {row} of {}", plane.rows());
    }
    if let Some(gpu) = points.gpu() {
        return cuda::weights_at(gpu, planes, size, points);
    }
    let mut values = unfilled(points.rows() * count);
    values
        .par_chunks_exact_mut(count.max(1))
        .zip(points.values().par_chunks_exact(points.columns().max(1)))
        .zip(planes)
        .for_each(|((out, points), plane)| match plane {
            None => out.fill(1.0),
            Some((planes, row)) => {
                let area = planes.columns();
                sample_plane(&planes.values()[row * area..][..area], size, points, out);
                out.iter_mut().for_each(|value| *value = 1.0 - *value);
            }
        });
    Tensor2::constant(values, points.rows(), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{on_every_place, parameter};

    on_every_place! {
        fn they_are_one_less_the_samples(place) {
            let (size, count) = ((5, 7), 301);
            let planes = [parameter(1, 2, 35, 1.0), parameter(2, 1, 35, 1.0)];
            let points = parameter(3, 4, 2 * count, 0.4);
            let there = [planes[0].to(place), planes[1].to(place)];
            let rows = [Some((&there[0], 1)), None, Some((&there[1], 0)), Some((&there[0], 0))];
            let found = weights_at(&rows, size, &points.to(place));
            let expected = [Some((0, 1)), None, Some((1, 0)), Some((0, 0))];
            for (row, (found, from)) in found.host_values().chunks_exact(count).zip(expected).enumerate() {
                let mut samples = vec![0.0; count];
                if let Some((which, plane)) = from {
                    let plane: &[f32] = &planes[which as usize].values()[plane * 35..][..35];
                    sample_plane(plane, size, &points.values()[row * 2 * count..][..2 * count], &mut samples);
                }
                for (found, taken) in found.iter().zip(&samples) {
                    assert!((found - (1.0 - taken)).abs() <= 1e-5, "{found}, not 1 - {taken}");
                }
            }
            assert!(weights_at(&[], size, &Tensor2::constant(vec![], 0, 8).to(place)).is_empty());
        }
    }
}
