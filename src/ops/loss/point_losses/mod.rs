//! Mask losses at sampled points: binary cross-entropy and dice.
//!
//! `$$ \mathrm{bce} = \frac1d \sum_i \frac1P \sum_p w_{ip} \bigl(\max(z, 0) - z t + \ln(1 + e^{-|z|})\bigr), \qquad
//!    \mathrm{dice} = \frac1d \sum_i v_i \Bigl(1 - \frac{2 \sum_p \sigma(z) t + 1}{\sum_p \sigma(z) + \sum_p t +
//!    1}\Bigr) $$`
//!
//! Shapes: n masks, P points; logits z, targets t and weights w `[n, P]`, weights v `[n, 1]` -> `[1, 1]`. Source:
//! Mask2Former, section 3.3 and its criterion (sum over the masks, divided by their number d); the weights w are those
//! of uncertain pixels (PL-DC, eq. 14), the weights v those of pseudo-labels (PAIS).

#[allow(unsafe_code)]
mod cuda;

use super::by_row::sum_of_rows;
use crate::ops::cpu::vector::{dot, exp, ln_1p, sum};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};

/// Cost of one point in multiply-adds: an exponential, a logarithm, two divisions.
const POINT_WORK: usize = 16;

/// Points whose costs are kept on the stack before they are added up.
const BLOCK: usize = 128;

/// Sum over the rows of the mean over the points of `weight * bce`, over `denominator`: `[1, 1]`.
///
/// Panics where the shapes disagree.
pub fn bce_points(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    denominator: f32,
) -> Tensor2 {
    let points = logits.columns();
    same_shape(logits, targets);
    if let Some(weights) = weights {
        same_shape(logits, weights);
    }
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::bce_points(tape, &gpu, logits, targets, weights, denominator);
    }
    let scale = 1.0 / (points as f32 * denominator);
    sum_of_rows(
        tape,
        logits,
        targets.values(),
        POINT_WORK,
        |row, z, t, slopes| {
            let weights = weights.map(|weights| &weights.values()[row * points..][..points]);
            let total = bce_row(z, t, weights, slopes);
            slopes.iter_mut().for_each(|s| *s *= scale);
            total * scale
        },
    )
}

/// Weighted bce of one row; `slopes` receives its derivative by the logits.
fn bce_row(z: &[f32], t: &[f32], weights: Option<&[f32]>, slopes: &mut [f32]) -> f32 {
    let mut total = 0.0;
    let mut costs = [0f32; BLOCK];
    let blocks = z
        .chunks(BLOCK)
        .zip(t.chunks(BLOCK))
        .zip(slopes.chunks_mut(BLOCK));
    for (block, ((z, t), slopes)) in blocks.enumerate() {
        let costs = &mut costs[..z.len()];
        for (((cost, slope), &z), &t) in costs.iter_mut().zip(slopes.iter_mut()).zip(z).zip(t) {
            let small = exp(-z.abs());
            let sigmoid = if z >= 0.0 { 1.0 } else { small } / (1.0 + small);
            *slope = sigmoid - t;
            *cost = z.max(0.0) - z * t + ln_1p(small);
        }
        total += match weights.map(|weights| &weights[block * BLOCK..][..z.len()]) {
            None => sum(costs),
            Some(weights) => {
                slopes.iter_mut().zip(weights).for_each(|(s, w)| *s *= w);
                dot(costs, weights)
            }
        };
    }
    total
}

/// Sum over the rows of `weight * (1 - (2 sum(p t) + 1) / (sum p + sum t + 1))`, p the sigmoid, over `denominator`:
/// `[1, 1]`. `weights` `[n, 1]`: 1 if there are none.
///
/// Panics where the shapes disagree.
pub fn dice_points(
    tape: &mut Tape,
    logits: &Tensor2,
    targets: &Tensor2,
    weights: Option<&Tensor2>,
    denominator: f32,
) -> Tensor2 {
    same_shape(logits, targets);
    if let Some(weights) = weights {
        let shape = (weights.rows(), weights.columns());
        assert_eq!(shape, (logits.rows(), 1), "a weight for every mask");
    }
    if let Some(gpu) = Gpu::of(&[logits]) {
        return cuda::dice_points(tape, &gpu, logits, targets, weights, denominator);
    }
    sum_of_rows(
        tape,
        logits,
        targets.values(),
        POINT_WORK,
        |row, z, t, slopes| {
            let weight = weights.map_or(1.0, |weights| weights.values()[row]);
            for (p, z) in slopes.iter_mut().zip(z) {
                let small = exp(-z.abs());
                *p = if *z >= 0.0 { 1.0 } else { small } / (1.0 + small);
            }
            let above = 2.0 * dot(slopes, t) + 1.0;
            let below = sum(slopes) + sum(t) + 1.0;
            for (p, t) in slopes.iter_mut().zip(t) {
                *p *=
                    (1.0 - *p) * (above - 2.0 * t * below) / (below * below * denominator) * weight;
            }
            (1.0 - above / below) / denominator * weight
        },
    )
}

fn same_shape(logits: &Tensor2, other: &Tensor2) {
    let shape = |tensor: &Tensor2| (tensor.rows(), tensor.columns());
    assert_eq!(
        shape(other),
        shape(logits),
        "targets and weights of the logits"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_bits};
    use crate::ops::golden;

    /// As many as there are logits, where these are.
    fn targets(z: &Tensor2) -> Tensor2 {
        let values = (0..z.len()).map(|i| (i * 7 % 5) as f32 / 4.0).collect();
        Tensor2::constant(values, z.rows(), z.columns()).to(&z.place())
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (rows, points) in [(1, 3), (3, 16), (2, 37)] {
                let z = parameter(1, rows, points, 2.0);
                let w = (0..rows * points).map(|i| (i % 4) as f32 / 3.0).collect();
                let w = Tensor2::constant(w, rows, points);
                for weights in [None, Some(w)] {
                    gradients(
                        place,
                        std::slice::from_ref(&z),
                        1e-2,
                        2e-3,
                        |tape, i| bce_points(tape, &i[0], &targets(&i[0]), weights.as_ref(), 1.5),
                    );
                }
                let v = (0..rows).map(|i| 0.5 + i as f32).collect();
                let v = Tensor2::constant(v, rows, 1);
                for weights in [None, Some(v)] {
                    gradients(place, std::slice::from_ref(&z), 1e-2, 5e-3, |tape, i| {
                        dice_points(tape, &i[0], &targets(&i[0]), weights.as_ref(), 0.1)
                    });
                }
            }
        }
    }

    on_every_place! {
        fn weights_of_zero_silence_a_point(place) {
            let z = parameter(1, 1, 20, 3.0);
            let w = Tensor2::constant((0..20).map(|i| f32::from(i != 4)).collect(), 1, 20);
            let mut moved = z.clone();
            moved.values_mut()[4] += 5.0;
            let at = |z: &Tensor2| {
                bce_points(&mut Tape::off(), &z.to(place), &targets(z), Some(&w), 1.0).scalar()
            };
            assert_eq!(at(&z), at(&moved));
        }
    }

    on_every_place! {
        fn a_weight_is_a_factor_on_its_mask(place) {
            let z = parameter(1, 3, 40, 2.0).to(place);
            let loss = |v: [f32; 3]| {
                let weights = Tensor2::constant(v.to_vec(), 3, 1);
                dice_points(&mut Tape::off(), &z, &targets(&z), Some(&weights), 2.0).scalar()
            };
            let alone = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(loss);
            let close = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
            close(loss([0.5, 0.0, 2.0]), 0.5 * alone[0] + 2.0 * alone[2]);
            let plain = dice_points(&mut Tape::off(), &z, &targets(&z), None, 2.0).scalar();
            close(loss([1.0; 3]), plain);
            close(plain, alone.iter().sum());
        }
    }

    on_every_place! {
        fn a_perfect_mask_costs_almost_nothing_and_a_wrong_one_stays_finite(place) {
            let t = Tensor2::constant(vec![1.0, 0.0, 1.0], 1, 3);
            let right = Tensor2::constant(vec![50.0, -50.0, 50.0], 1, 3).to(place);
            let wrong = Tensor2::constant(vec![-1e6, 1e6, -1e6], 1, 3).to(place);
            assert!(bce_points(&mut Tape::off(), &right, &t, None, 1.0).scalar() < 1e-6);
            assert!(dice_points(&mut Tape::off(), &right, &t, None, 1.0).scalar() < 1e-6);
            assert_eq!(
                bce_points(&mut Tape::off(), &wrong, &t, None, 1.0).scalar(),
                1e6
            );
            assert!((dice_points(&mut Tape::off(), &wrong, &t, None, 1.0).scalar() - 0.75).abs() < 1e-6);
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let z = parameter(1, 90, 128, 2.0);
        same_bits(std::slice::from_ref(&z), |tape, i| {
            bce_points(tape, &i[0], &targets(&i[0]), None, 7.0)
        });
        same_bits(&[z], |tape, i| {
            dice_points(tape, &i[0], &targets(&i[0]), None, 7.0)
        });
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops2");
            let read = |name: &str| {
                let (shape, values) = tensors.get(name)?;
                Some(Tensor2::constant(values.clone(), shape[0], shape[1]))
            };
            for case in ["bce", "bce_weighted"] {
                let targets = read(&format!("{case}.targets")).unwrap();
                let weights = read(&format!("{case}.weights"));
                golden::check(
                    place,
                    &tensors,
                    case,
                    &["logits"],
                    1e-5,
                    |tape, i| bce_points(tape, &i[0], &targets, weights.as_ref(), 2.0),
                );
            }
            let targets = read("dice.targets").unwrap();
            golden::check(
                place,
                &tensors,
                "dice",
                &["logits"],
                1e-5,
                |tape, i| dice_points(tape, &i[0], &targets, None, 2.0),
            );
        }
    }
}
