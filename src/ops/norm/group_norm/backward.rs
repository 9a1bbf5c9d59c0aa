//! The way back through a group normalisation.
//!
//! With g the gradient before the ReLU, n the values of a group and bars for means over them:
//! `$$ \partial x = \tfrac{1}{\sigma} \left( \gamma g - \overline{\gamma g} - \hat x\, \overline{\gamma g
//!    \hat x} \right),
//!    \quad \partial \gamma = \textstyle\sum g \hat x, \quad \partial \beta = \sum g, \quad \partial r = g. $$`

use super::{Statistics, share, split};
use crate::ops::cpu::{epilogue, parallel};
use crate::tensor::{Grads, Tensor2};
use std::ops::Range;

/// The data of the backward pass.
pub(super) struct Backward {
    /// One per image.
    pub(super) statistics: Vec<Statistics>,
    pub(super) groups: usize,
    pub(super) x: Tensor2,
    pub(super) gamma: Tensor2,
    pub(super) beta: Tensor2,
    /// The residual, where it requires a gradient.
    pub(super) residual: Option<Tensor2>,
    pub(super) y: Tensor2,
    pub(super) relu: bool,
}

/// The data of one part of the backward pass: images with their gradients of y, of x and of the residual.
struct Share<'a> {
    images: Range<usize>,
    gradient: &'a mut [f32],
    x_gradient: Option<&'a mut [f32]>,
    residual_gradient: Option<&'a mut [f32]>,
}

/// Sums per channel that a part returns: of g and of g x-hat.
struct Partial {
    beta: Vec<f32>,
    gamma: Vec<f32>,
}

impl Backward {
    /// Adds to the gradients of those inputs that require one.
    pub(super) fn run(&self, grads: &mut Grads) {
        let image = self.x.len() / self.statistics.len().max(1);
        let split = split(self.statistics.len(), image);
        let mut gradient = self.y.take_gradient(grads);
        let mut x_gradient = self.x.requires_grad().then(|| self.x.take_gradient(grads));
        let mut residual_gradient = self.residual.as_ref().map(|r| r.take_gradient(grads));
        let shares = split
            .ranges()
            .zip(split.cut(&mut gradient, image))
            .zip(split.cut_some(x_gradient.as_deref_mut(), image))
            .zip(split.cut_some(residual_gradient.as_deref_mut(), image))
            .map(
                |(((images, gradient), x_gradient), residual_gradient)| Share {
                    images,
                    gradient,
                    x_gradient,
                    residual_gradient,
                },
            )
            .collect();
        let partials = parallel::map(shares, |share| self.part(share, image));
        if let Some(x_gradient) = x_gradient {
            self.x.put_gradient(grads, x_gradient);
        }
        if let (Some(residual), Some(gradient)) = (&self.residual, residual_gradient) {
            residual.put_gradient(grads, gradient);
        }
        if self.gamma.requires_grad() {
            let sums = partials.iter().map(|partial| &partial.gamma[..]);
            parallel::add_partials(self.gamma.gradient_mut(grads), sums);
        }
        if self.beta.requires_grad() {
            let sums = partials.iter().map(|partial| &partial.beta[..]);
            parallel::add_partials(self.beta.gradient_mut(grads), sums);
        }
    }

    /// Processes the images of one part.
    fn part(&self, share: Share, image: usize) -> Partial {
        let Share {
            images,
            gradient,
            mut x_gradient,
            mut residual_gradient,
        } = share;
        let channels = self.gamma.columns();
        let mut partial = Partial {
            beta: vec![0.0; channels],
            gamma: vec![0.0; channels],
        };
        for (place, index) in images.enumerate() {
            let (local, global) = (
                place * image..(place + 1) * image,
                index * image..(index + 1) * image,
            );
            let x = &self.x.values()[global.clone()];
            let g = &mut gradient[local.clone()];
            if self.relu {
                epilogue::backward(g, channels, Some(&self.y.values()[global]), None, None);
            }
            if let Some(residual) = &mut residual_gradient {
                residual[local.clone()]
                    .iter_mut()
                    .zip(&*g)
                    .for_each(|(r, g)| *r += g);
            }
            let Statistics { mean, inverse } = &self.statistics[index];
            let (plain, centred) = sums(g, x, mean);
            for c in 0..channels {
                partial.beta[c] += plain[c];
                partial.gamma[c] += centred[c] * inverse[c];
            }
            if let Some(x_gradient) = &mut x_gradient {
                self.add_to_input(&mut x_gradient[local], g, x, index, plain, centred);
            }
        }
        partial
    }

    /// Adds the gradient of x of one image, given the sums per channel of g and of g (x - mean).
    fn add_to_input(
        &self,
        x_gradient: &mut [f32],
        g: &[f32],
        x: &[f32],
        index: usize,
        mut plain: Vec<f32>,
        mut centred: Vec<f32>,
    ) {
        let Statistics { mean, inverse } = &self.statistics[index];
        let gamma = self.gamma.values();
        let (channels, count) = (gamma.len(), (x.len() / self.groups) as f32);
        for c in 0..channels {
            plain[c] *= gamma[c];
            centred[c] *= gamma[c];
        }
        share(&mut plain, self.groups, |sum| sum / count);
        share(&mut centred, self.groups, |sum| sum / count);
        // dx = g * factor - offset - (x - mean) * slope
        let factor: Vec<f32> = gamma.iter().zip(inverse).map(|(g, s)| g * s).collect();
        let offset: Vec<f32> = plain.iter().zip(inverse).map(|(a, s)| a * s).collect();
        let slope: Vec<f32> = centred
            .iter()
            .zip(inverse)
            .map(|(b, s)| b * s * s * s)
            .collect();
        let (mean, factor) = (&mean[..channels], &factor[..channels]);
        let (offset, slope) = (&offset[..channels], &slope[..channels]);
        let rows = x_gradient
            .chunks_exact_mut(channels)
            .zip(g.chunks_exact(channels));
        for ((target, g), x) in rows.zip(x.chunks_exact(channels)) {
            for c in 0..channels {
                target[c] += g[c] * factor[c] - offset[c] - (x[c] - mean[c]) * slope[c];
            }
        }
    }
}

/// Sums per channel of g and of g (x - mean) over the pixels of an image.
fn sums(g: &[f32], x: &[f32], mean: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let channels = mean.len();
    let (mut plain, mut centred) = (vec![0.0; channels], vec![0.0; channels]);
    for (g, x) in g.chunks_exact(channels).zip(x.chunks_exact(channels)) {
        for c in 0..channels {
            plain[c] += g[c];
            centred[c] += g[c] * (x[c] - mean[c]);
        }
    }
    (plain, centred)
}
