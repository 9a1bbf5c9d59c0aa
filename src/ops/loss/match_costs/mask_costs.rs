//! Mask costs of every query for every object, on points that all of them share; no gradient.
//!
//! `$$ b_{nq} = \frac1P \sum_i \ln(1 + e^{x_{qi}}) - x_{qi} t_{ni}, \qquad
//!    d_{nq} = 1 - \frac{2 \sum_i \sigma(x_{qi}) t_{ni} + 1}{\sum_i \sigma(x_{qi}) + \sum_i t_{ni} + 1} $$`
//!
//! x: logits of Q planes sampled at P points; t `[N, P]`: N objects at the same points. The first is the mean
//! binary cross-entropy, split so that a query needs one exponential per point and then two products per
//! object. Source: Mask2Former's `batch_sigmoid_ce_loss` and `batch_dice_loss`
//! (https://arxiv.org/abs/2112.01527).

use crate::ops::cpu::vector::{LANES, dot, exp, ln_1p, sum};
use crate::ops::points::point_sample::{BLOCK, Corners};

/// Mask costs, each `[N, Q]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaskCosts {
    /// Mean binary cross-entropy over the points.
    pub bce: Vec<f32>,
    /// Dice loss with smoothing 1.
    pub dice: Vec<f32>,
}

/// The costs of the `planes` `[Q, h*w]` of mask logits for `objects` `[N, P]` at `points` `[P*2]` (x, y in
/// 0..1).
///
/// Panics where the lengths disagree.
pub fn mask_costs(
    planes: &[f32],
    size: (usize, usize),
    points: &[f32],
    objects: &[f32],
) -> MaskCosts {
    let (area, count) = (size.0 * size.1, points.len() / 2);
    assert!(
        planes.len().is_multiple_of(area) && objects.len().is_multiple_of(count),
        "{} logits of planes {size:?}, {} values of objects at {count} points",
        planes.len(),
        objects.len()
    );
    let (queries, rows) = (planes.len() / area, objects.len() / count);
    let logits = sampled(planes, size, points);
    let areas: Vec<f32> = objects.chunks_exact(count).map(sum).collect();
    let mut costs = MaskCosts {
        bce: vec![0.0; rows * queries],
        dice: vec![0.0; rows * queries],
    };
    let mut probabilities = vec![0.0; count];
    for (query, logits) in logits.chunks_exact(count).enumerate() {
        let softplus = sigmoids(logits, &mut probabilities);
        let covered = sum(&probabilities);
        for (row, object) in objects.chunks_exact(count).enumerate() {
            let overlap = 2.0 * dot(&probabilities, object) + 1.0;
            let place = row * queries + query;
            costs.bce[place] = (softplus - dot(logits, object)) / count as f32;
            costs.dice[place] = 1.0 - overlap / (covered + areas[row] + 1.0);
        }
    }
    costs
}

/// All planes at the same points, `[Q, P]`: every point is located once.
fn sampled(planes: &[f32], size: (usize, usize), points: &[f32]) -> Vec<f32> {
    let (area, count) = (size.0 * size.1, points.len() / 2);
    let mut logits = vec![0.0; planes.len() / area * count];
    for (block, points) in points.chunks(2 * BLOCK).enumerate() {
        let corners = Corners::locate(points, size);
        let rows = logits.chunks_exact_mut(count);
        for (plane, row) in planes.chunks_exact(area).zip(rows) {
            let values = corners.sample(plane, |value| value);
            let out = &mut row[block * BLOCK..][..points.len() / 2];
            out.copy_from_slice(&values[..out.len()]);
        }
    }
    logits
}

/// Writes the sigmoids of `logits` and returns the sum of their softplus, ln(1 + e^x) = max(x, 0) + ln(1 +
/// e^-|x|).
fn sigmoids(logits: &[f32], probabilities: &mut [f32]) -> f32 {
    let mut total = 0.0;
    for (logits, out) in logits.chunks(LANES).zip(probabilities.chunks_mut(LANES)) {
        let mut softplus = [0.0; LANES];
        for ((x, p), term) in logits.iter().zip(out).zip(&mut softplus) {
            let e = exp(-x.abs());
            let larger = 1.0 / (1.0 + e);
            *p = if *x >= 0.0 { larger } else { e * larger };
            *term = x.max(0.0) + ln_1p(e);
        }
        total += sum(&softplus);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::points::point_sample::sample_plane;
    use crate::rng::Stream;

    #[test]
    fn sigmoid_and_softplus_hold_over_the_whole_range() {
        let logits: Vec<f32> = (0..1003).map(|i| (i as f32 - 500.0) * 0.08).collect();
        let mut probabilities = vec![0.0; logits.len()];
        let softplus = f64::from(sigmoids(&logits, &mut probabilities));
        let mut expected = 0.0;
        for (x, p) in logits.iter().map(|x| f64::from(*x)).zip(probabilities) {
            expected += x.max(0.0) + (-x.abs()).exp().ln_1p();
            let exact = 1.0 / (1.0 + (-x).exp());
            assert!((f64::from(p) - exact).abs() < 1e-6, "{p} at {x}");
        }
        assert!(
            (softplus - expected).abs() < 1e-5 * expected,
            "{softplus} {expected}"
        );
    }

    #[test]
    fn costs_are_those_of_the_formula() {
        let (queries, objects, count, size) = (3, 2, 37, (5, 7));
        let mut stream = Stream::new(1, "mask costs");
        let planes: Vec<f32> = (0..queries * 35)
            .map(|_| 3.0 * stream.normal() as f32)
            .collect();
        let points: Vec<f32> = (0..2 * count).map(|_| stream.uniform_f32()).collect();
        let wanted: Vec<f32> = (0..objects * count).map(|_| stream.uniform_f32()).collect();
        let costs = mask_costs(&planes, size, &points, &wanted);
        for (query, plane) in planes.chunks_exact(35).enumerate() {
            let mut logits = vec![0.0; count];
            sample_plane(plane, size, &points, &mut logits);
            for (object, wanted) in wanted.chunks_exact(count).enumerate() {
                let (mut bce, mut overlap, mut total) = (0.0, 1.0, 1.0);
                for (x, t) in logits.iter().zip(wanted) {
                    let (x, t) = (f64::from(*x), f64::from(*t));
                    let p = 1.0 / (1.0 + (-x).exp());
                    bce += (1.0 + x.exp()).ln() - x * t;
                    overlap += 2.0 * p * t;
                    total += p + t;
                }
                let place = object * queries + query;
                let found = (costs.bce[place], costs.dice[place]);
                assert!((f64::from(found.0) - bce / count as f64).abs() < 1e-5);
                assert!((f64::from(found.1) - (1.0 - overlap / total)).abs() < 1e-5);
            }
        }
    }
}
