//! Group normalisation, with a residual and a ReLU in the same pass.
//!
//! `$$ \hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y = \max(\gamma \odot \hat x + \beta + r,\, 0) $$`
//!
//! with the mean `$\mu$` and the biased variance `$\sigma^2$` of each image and group of C / G channels; residual
//! r and ReLU are optional. Both statistics take a pass of their own: the variance of centred values does not
//! cancel.
//!
//! Shapes: B images of H x W, C channels, G groups; x and r [B H W, C], gamma and beta [1, C] -> [B H W, C].
//! Source: Wu & He 2018, <https://arxiv.org/abs/1803.08494>, eq. 1-3; `torch.nn.GroupNorm`.

mod backward;
#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::vector::add_rows;
use crate::ops::cpu::{Split, epilogue, parallel, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Map, Tape, Tensor2};
use backward::Backward;
use std::ops::Range;

/// The norm, and what follows it in the same pass.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm<'a> {
    /// Scale of every channel, [1, C].
    pub gamma: &'a Tensor2,
    /// Shift of every channel, [1, C].
    pub beta: &'a Tensor2,
    /// G.
    pub groups: usize,
    /// The constant that is added to the variance.
    pub eps: f32,
    /// r: what is added to the normalised map, [B H W, C].
    pub residual: Option<&'a Tensor2>,
    /// True if negative values become zero.
    pub relu: bool,
}

/// x [B H W, C] -> [B H W, C].
///
/// Panics unless the shapes agree and the groups divide the channels.
pub fn group_norm(tape: &mut Tape, x: &Map, norm: GroupNorm) -> Map {
    let GroupNorm {
        gamma,
        beta,
        groups,
        eps,
        residual,
        relu,
    } = norm;
    let channels = x.channels();
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "{groups} groups of {channels} channels"
    );
    for row in [gamma, beta] {
        assert_eq!(
            (row.rows(), row.columns()),
            (1, channels),
            "gamma and beta of {channels} channels"
        );
    }
    if let Some(residual) = residual {
        let (shape, expected) = (
            (residual.rows(), residual.columns()),
            (x.data.rows(), channels),
        );
        assert_eq!(shape, expected, "the residual of a group normalisation");
    }
    if let Some(gpu) = Gpu::of(&[&x.data, gamma, beta]) {
        return cuda::group_norm(tape, &gpu, x, norm);
    }
    let image = x.pixels() * channels;
    let split = split(x.batch, image);
    let mut y = unfilled(x.batch * image);
    let shares = split.ranges().zip(split.cut(&mut y, image)).collect();
    let statistics = parallel::map(shares, |(images, y): (Range<usize>, &mut [f32])| {
        let images = images.zip(y.chunks_exact_mut(image));
        images
            .map(|(index, y)| {
                let pixels = index * image..(index + 1) * image;
                let x = &x.data.values()[pixels.clone()];
                let statistics = Statistics::new(x, channels, groups, eps);
                let residual = residual.map(|residual| &residual.values()[pixels]);
                statistics.apply(x, gamma.values(), beta.values(), residual, y);
                epilogue::apply(y, channels, None, None, relu);
                statistics
            })
            .collect::<Vec<_>>()
    });
    let inputs: Vec<&Tensor2> = [&x.data, gamma, beta].into_iter().chain(residual).collect();
    let out = tape.output(y, x.data.rows(), channels, &inputs);
    let backward = Backward {
        statistics: statistics.into_iter().flatten().collect(),
        groups,
        x: x.data.clone(),
        gamma: gamma.clone(),
        beta: beta.clone(),
        residual: residual
            .filter(|residual| residual.requires_grad())
            .cloned(),
        y: out.clone(),
        relu,
    };
    tape.record(&out, move |grads| backward.run(grads));
    Map::new(out, x.batch, x.height, x.width)
}

/// The division into images, the same forward and backward. A value costs some eight operations.
fn split(batch: usize, image: usize) -> Split {
    Split::new(batch, 8 * batch * image)
}

/// Mean and `$1 / \sqrt{\sigma^2 + \epsilon}$` of one image, per channel (equal within a group).
struct Statistics {
    mean: Vec<f32>,
    inverse: Vec<f32>,
}

impl Statistics {
    fn new(x: &[f32], channels: usize, groups: usize, eps: f32) -> Self {
        let count = (x.len() / groups) as f32;
        let mut mean = vec![0.0; channels];
        add_rows(&mut mean, x, |v, _| v);
        share(&mut mean, groups, |sum| sum / count);
        let mut inverse = vec![0.0; channels];
        add_rows(&mut inverse, x, |v, c| (v - mean[c]) * (v - mean[c]));
        share(&mut inverse, groups, |sum| 1.0 / (sum / count + eps).sqrt());
        Self { mean, inverse }
    }

    /// `$y = (x - \mu) \cdot \gamma / \sigma + \beta + r$` of one image.
    fn apply(
        &self,
        x: &[f32],
        gamma: &[f32],
        beta: &[f32],
        residual: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let channels = gamma.len();
        let factor: Vec<f32> = gamma
            .iter()
            .zip(&self.inverse)
            .map(|(g, s)| g * s)
            .collect();
        let (mean, factor, beta) = (
            &self.mean[..channels],
            &factor[..channels],
            &beta[..channels],
        );
        let rows = y.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
        match residual {
            None => rows.for_each(|(y, x)| {
                for c in 0..channels {
                    y[c] = (x[c] - mean[c]) * factor[c] + beta[c];
                }
            }),
            Some(residual) => {
                rows.zip(residual.chunks_exact(channels))
                    .for_each(|((y, x), r)| {
                        for c in 0..channels {
                            y[c] = (x[c] - mean[c]) * factor[c] + (beta[c] + r[c]);
                        }
                    });
            }
        }
    }
}

/// Replaces the values of the channels of a group by `last` of their sum.
fn share(values: &mut [f32], groups: usize, last: impl Fn(f32) -> f32) {
    let width = values.len() / groups;
    for group in values.chunks_exact_mut(width.max(1)) {
        let total = last(group.iter().sum());
        group.fill(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{self, gradients, on_a_gpu, on_every_place, parameter};
    use crate::ops::golden;

    const EPS: f32 = 1e-5;

    fn run(
        tape: &mut Tape,
        t: &[Tensor2],
        batch: usize,
        size: (usize, usize),
        groups: usize,
        relu: bool,
    ) -> Tensor2 {
        let x = Map::new(t[0].clone(), batch, size.0, size.1);
        let norm = GroupNorm {
            gamma: &t[1],
            beta: &t[2],
            groups,
            eps: EPS,
            residual: t.get(3),
            relu,
        };
        group_norm(tape, &x, norm).data
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (batch, size, channels, groups) in
                [(1, (3, 3), 4, 1), (3, (4, 5), 6, 3), (2, (5, 3), 4, 4)]
            {
                let rows = batch * size.0 * size.1;
                let (x, residual) = (
                    parameter(1, rows, channels, 2.0),
                    parameter(4, rows, channels, 1.0),
                );
                let (gamma, beta) = (
                    parameter(2, 1, channels, 1.0),
                    parameter(3, 1, channels, 1.0),
                );
                let inputs = [x, gamma, beta, residual];
                gradients(
                    place,
                    &inputs[..3],
                    0.02,
                    5e-3,
                    |tape, t| run(tape, t, batch, size, groups, false),
                );
                gradients(
                    place,
                    &inputs,
                    0.02,
                    5e-3,
                    |tape, t| run(tape, t, batch, size, groups, false),
                );
            }
        }

        fn gradients_match_differences_away_from_the_kink(place) {
            // Betas of +-20 fix the sign of every output.
            let beta = Tensor2::parameter(vec![20.0, -20.0, 20.0, -20.0], 1, 4);
            let (x, gamma) = (parameter(1, 24, 4, 2.0), parameter(2, 1, 4, 1.0));
            let inputs = [x, gamma, beta, parameter(4, 24, 4, 1.0)];
            gradients(place, &inputs, 0.02, 5e-3, |tape, t| run(tape, t, 2, (3, 4), 2, true));
        }
    }

    on_every_place! {
        fn a_large_mean_does_not_cancel(place) {
            let shifted: Vec<f32> = (0..64)
                .map(|i| 1000.0 + (i * 37 % 64) as f32 / 64.0)
                .collect();
            let plain: Vec<f32> = shifted.iter().map(|v| v - 1000.0).collect();
            let norm = |values: Vec<f32>| {
                let t = [
                    Tensor2::constant(values, 16, 4).to(place),
                    Tensor2::constant(vec![1.0; 4], 1, 4),
                    Tensor2::constant(vec![0.0; 4], 1, 4),
                ];
                run(&mut Tape::off(), &t, 1, (4, 4), 2, false).host_values().into_owned()
            };
            golden::compare("shifted", &norm(shifted), &norm(plain), 1e-3);
        }
    }

    on_a_gpu! {
        fn many_pixels_agree_with_the_cpu_cuda() {
            // More pixels than a part has, packs of four channels and of one, groups within a pack and beyond
            // one.
            for (batch, size, channels, groups) in [
                (1, (70, 75), 4, 2),
                (3, (31, 29), 12, 2),
                (2, (40, 17), 6, 3),
                (2, (9, 9), 70, 1),
            ] {
                let rows = batch * size.0 * size.1;
                let inputs = [
                    parameter(1, rows, channels, 2.0),
                    parameter(2, 1, channels, 1.0),
                    parameter(3, 1, channels, 1.0),
                    parameter(4, rows, channels, 1.0),
                ];
                check::gpu_agrees(&inputs, 1e-4, |tape, t| {
                    run(tape, t, batch, size, groups, false)
                });
                let frozen = [&inputs[0], &inputs[1], &inputs[2]].map(Tensor2::detach);
                let [x, gamma, beta] = frozen;
                let inputs = [x, gamma, beta, inputs[3].clone()];
                check::gpu_agrees(&inputs, 1e-4, |tape, t| {
                    run(tape, t, batch, size, groups, true)
                });
            }
        }
    }

    #[test]
    fn one_and_two_threads_give_the_same_bits() {
        let rows = 5 * 16 * 16;
        let inputs = [
            parameter(1, rows, 16, 1.0),
            parameter(2, 1, 16, 1.0),
            parameter(3, 1, 16, 1.0),
            parameter(4, rows, 16, 1.0),
        ];
        check::same_bits(&inputs, |tape, t| run(tape, t, 5, (16, 16), 4, true));
    }

    on_every_place! {
        fn parity_with_pytorch(place) {
            let tensors = golden::load("ops1");
            golden::check(
                place,
                &tensors,
                "group_norm",
                &["x", "gamma", "beta"],
                1e-5,
                |tape, t| run(tape, t, 2, (4, 5), 3, false),
            );
            let inputs = ["x", "gamma", "beta", "residual"];
            golden::check(
                place,
                &tensors,
                "group_norm_residual_relu",
                &inputs,
                1e-5,
                |tape, t| run(tape, t, 2, (4, 5), 3, true),
            );
        }
    }
}
