//! Layer normalisation of a residual sum, <https://arxiv.org/abs/1607.06450>.
//!
//! `$$ y = \gamma \odot \frac{z - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta, \qquad z = x + r $$`
//!
//! Shapes: x, r `[N, D]`, gamma, beta `[1, D]`; mean and variance over the D values of a row. With
//! `$h = (z - \mu)\,s$`, `$s = 1/\sqrt{\sigma^2 + \epsilon}$` and `$t = \gamma \odot g$`:
//!
//! `$$ \partial z = s\,\bigl(t - \overline{t} - h\,\overline{t h}\bigr), \quad
//!    \partial\gamma = \textstyle\sum_n g h, \quad
//!    \partial\beta = \sum_n g $$`
//!
//! Source: PyTorch's `layer_norm`; the residual is inside because every block of a post-norm transformer ends
//! in this sum.

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::parallel::{add_partials, run};
use crate::ops::cpu::vector::{dot, sum};
use crate::ops::cpu::{Split, unfilled};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Tape, Tensor2};
use std::ops::Range;

/// Passes over a row, in multiply-adds per value: decides into how many parts the rows are divided.
const PASSES: usize = 4;

/// The values of a row that the backward pass needs.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    mean: f32,
    /// One over the standard deviation.
    scale: f32,
}

/// `x [N, D]`, `residual [N, D]`, `gamma`, `beta` `[1, D]` -> the normalised sum `[N, D]`.
///
/// Panics where the shapes disagree.
pub fn layer_norm(
    tape: &mut Tape,
    x: &Tensor2,
    residual: Option<&Tensor2>,
    gamma: &Tensor2,
    beta: &Tensor2,
    eps: f32,
) -> Tensor2 {
    let (rows, width) = (x.rows(), x.columns());
    if let Some(r) = residual {
        assert_eq!((r.rows(), r.columns()), (rows, width), "the residual");
    }
    assert_eq!((gamma.len(), beta.len()), (width, width), "gamma and beta");
    if let Some(gpu) = Gpu::of(&[x, gamma]) {
        return cuda::layer_norm(tape, &gpu, x, residual, gamma, beta, eps);
    }
    let split = Split::new(rows, rows * width * PASSES);
    let mut values = unfilled(rows * width);
    let mut moments = vec![Moments::default(); rows];
    let (gammas, betas) = (gamma.values(), beta.values());
    let shares = split
        .ranges()
        .zip(split.cut(&mut values, width))
        .zip(split.cut(&mut moments, 1))
        .collect();
    type Share<'a> = ((Range<usize>, &'a mut [f32]), &'a mut [Moments]);
    run(shares, |((range, values), moments): Share| {
        for ((n, out), kept) in range.zip(values.chunks_exact_mut(width)).zip(moments) {
            sum_rows(x, residual, n, out);
            let mean = sum(out) / width as f32;
            out.iter_mut().for_each(|v| *v -= mean);
            let scale = 1.0 / (dot(out, out) / width as f32 + eps).sqrt();
            for ((v, g), b) in out.iter_mut().zip(gammas).zip(betas) {
                *v = *v * scale * g + b;
            }
            *kept = Moments { mean, scale };
        }
    });

    let mut inputs = vec![x, gamma, beta];
    inputs.extend(residual);
    let out = tape.output(values, rows, width, &inputs);
    let (x, residual) = (x.clone(), residual.cloned());
    let (gamma, beta, source) = (gamma.clone(), beta.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let targets: Vec<&Tensor2> = std::iter::once(&x)
            .chain(&residual)
            .filter(|t| t.requires_grad())
            .collect();
        let mut buffers: Vec<Vec<f32>> = targets.iter().map(|t| t.take_gradient(grads)).collect();
        let mut partials = vec![0.0; split.parts() * 2 * width];
        let mut shares: Vec<Part> = split
            .ranges()
            .zip(partials.chunks_exact_mut(2 * width))
            .map(|(rows, partial)| Part {
                rows,
                partial,
                gradients: Vec::new(),
            })
            .collect();
        for buffer in &mut buffers {
            for (share, piece) in shares.iter_mut().zip(split.cut(buffer, width)) {
                share.gradients.push(piece);
            }
        }
        run(shares, |share| {
            share.backward(&x, residual.as_ref(), &moments, gamma.values(), &gradient)
        });
        for (target, buffer) in targets.iter().zip(buffers) {
            target.put_gradient(grads, buffer);
        }
        let mut total = vec![0.0; 2 * width];
        add_partials(&mut total, partials.chunks_exact(2 * width));
        let (by_gamma, by_beta) = total.split_at(width);
        crate::ops::cpu::gradient::pass(&gamma, grads, by_gamma);
        crate::ops::cpu::gradient::pass(&beta, grads, by_beta);
    });
    out
}

/// `out = x[n] + residual[n]`.
fn sum_rows(x: &Tensor2, residual: Option<&Tensor2>, n: usize, out: &mut [f32]) {
    let row = n * out.len()..(n + 1) * out.len();
    match residual {
        None => out.copy_from_slice(&x.values()[row]),
        Some(r) => {
            let terms = x.values()[row.clone()].iter().zip(&r.values()[row]);
            for (o, (a, b)) in out.iter_mut().zip(terms) {
                *o = a + b;
            }
        }
    }
}

/// The rows of one part and what its backward writes.
struct Part<'a> {
    rows: Range<usize>,
    /// Sums for gamma and beta, `[2, D]`.
    partial: &'a mut [f32],
    /// The rows' gradients of x and of the residual, those that are wanted.
    gradients: Vec<&'a mut [f32]>,
}

impl Part<'_> {
    fn backward(
        mut self,
        x: &Tensor2,
        residual: Option<&Tensor2>,
        moments: &[Moments],
        gamma: &[f32],
        gradient: &[f32],
    ) {
        let width = gamma.len();
        let (by_gamma, by_beta) = self.partial.split_at_mut(width);
        let mut scratch = vec![0.0; 2 * width];
        let (normal, scaled) = scratch.split_at_mut(width);
        for (k, n) in self.rows.clone().enumerate() {
            let Moments { mean, scale } = moments[n];
            let g = &gradient[n * width..][..width];
            sum_rows(x, residual, n, normal);
            let sums = by_gamma.iter_mut().zip(by_beta.iter_mut());
            let row = normal.iter_mut().zip(scaled.iter_mut());
            for (((h, t), (to_gamma, to_beta)), (g, gamma)) in
                row.zip(sums).zip(g.iter().zip(gamma))
            {
                *h = (*h - mean) * scale;
                *to_gamma += g * *h;
                *to_beta += g;
                *t = g * gamma;
            }
            if self.gradients.is_empty() {
                continue;
            }
            let shift = sum(scaled) / width as f32;
            let along = dot(scaled, normal) / width as f32;
            for (t, h) in scaled.iter_mut().zip(&*normal) {
                *t = scale * (*t - shift - h * along);
            }
            for target in &mut self.gradients {
                for (to, t) in target[k * width..][..width].iter_mut().zip(&*scaled) {
                    *to += t;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter};
    use crate::ops::golden;

    #[test]
    fn rows_have_mean_zero_and_variance_one() {
        let x = parameter(1, 3, 37, 5.0);
        let one = Tensor2::constant(vec![1.0; 37], 1, 37);
        let zero = Tensor2::constant(vec![0.0; 37], 1, 37);
        let y = layer_norm(&mut Tape::off(), &x, None, &one, &zero, 0.0);
        for row in y.values().chunks_exact(37) {
            assert!(sum(row).abs() < 1e-4 && (dot(row, row) / 37.0 - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let inputs = [
            parameter(1, 700, 64, 1.0),
            parameter(2, 700, 64, 1.0),
            parameter(3, 1, 64, 1.0),
            parameter(4, 1, 64, 1.0),
        ];
        crate::ops::check::same_bits(&inputs, |tape, i| {
            layer_norm(tape, &i[0], Some(&i[1]), &i[2], &i[3], 1e-5)
        });
    }

    on_every_place! {
        fn gradients_match_differences(place) {
            for (rows, width) in [(1, 5), (7, 16), (3, 37)] {
                let (x, r) = (
                    parameter(1, rows, width, 1.0),
                    parameter(2, rows, width, 1.0),
                );
                let (gamma, beta) = (parameter(3, 1, width, 1.0), parameter(4, 1, width, 1.0));
                let all = [x, r, gamma, beta];
                gradients(place, &all, 1e-2, 2e-3, |tape, i| {
                    layer_norm(tape, &i[0], Some(&i[1]), &i[2], &i[3], 1e-5)
                });
                gradients(place, &all, 1e-2, 2e-3, |tape, i| {
                    layer_norm(tape, &i[0], None, &i[2], &i[3], 1e-5)
                });
                let frozen = [
                    all[0].detach(),
                    all[1].clone(),
                    all[2].detach(),
                    all[3].clone(),
                ];
                gradients(place, &frozen, 1e-2, 2e-3, |tape, i| {
                    layer_norm(tape, &i[0], Some(&i[1]), &i[2], &i[3], 1e-5)
                });
            }
        }

        fn parity_with_pytorch(place) {
            let inputs = ["x", "residual", "gamma", "beta"];
            golden::check(
                place,
                &golden::load("ops2"),
                "layer_norm",
                &inputs,
                1e-5,
                |tape, i| layer_norm(tape, &i[0], Some(&i[1]), &i[2], &i[3], 1e-5),
            );
        }
    }
}
