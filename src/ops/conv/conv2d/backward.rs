//! The way back through a convolution.

use super::plan::Plan;
use super::{patches, tiles};
use crate::ops::cpu::{epilogue, parallel};
use crate::tensor::{Grads, Tensor2};
use std::ops::Range;

/// What the backward needs.
pub(super) struct Backward {
    pub(super) plan: Plan,
    pub(super) x: Tensor2,
    pub(super) weight: Tensor2,
    pub(super) scale: Option<Tensor2>,
    /// The shift, where it requires a gradient.
    pub(super) shift: Option<Tensor2>,
    pub(super) y: Tensor2,
    pub(super) relu: bool,
}

/// What one part gets: images with their gradients of y and of x.
struct Share<'a> {
    images: Range<usize>,
    gradient: &'a mut [f32],
    x_gradient: Option<&'a mut [f32]>,
}

/// The partial sums that a part returns, empty where none is asked for.
struct Partial {
    weight: Vec<f32>,
    shift: Vec<f32>,
}

impl Backward {
    /// Adds to the gradients of those inputs that require one.
    pub(super) fn run(&self, grads: &mut Grads) {
        let plan = &self.plan;
        let mut gradient = self.y.take_gradient(grads);
        let mut x_gradient = self.x.requires_grad().then(|| self.x.take_gradient(grads));
        let tiled = x_gradient.is_some() && tiles::suit_input_gradient(plan);
        let turned = tiled.then(|| tiles::turned(plan, self.weight.values()));
        let split = plan.split_images();
        let shares = split
            .ranges()
            .zip(split.cut(&mut gradient, plan.out_pixels() * plan.out))
            .zip(split.cut_some(x_gradient.as_deref_mut(), plan.geometry.image()))
            .map(|((images, gradient), x_gradient)| Share {
                images,
                gradient,
                x_gradient,
            })
            .collect();
        let partials = parallel::map(shares, |share: Share| {
            let Share {
                images,
                gradient,
                x_gradient,
            } = share;
            let shift = self.epilogue(&images, gradient);
            if let Some(x_gradient) = x_gradient {
                match &turned {
                    Some(weight) => tiles::input_gradient(plan, weight, gradient, x_gradient),
                    None => {
                        let weight = self.weight.values();
                        patches::input_gradient(plan, weight, gradient, x_gradient);
                    }
                }
            }
            Partial {
                weight: self.weight_gradient(&images, gradient),
                shift,
            }
        });
        if let Some(x_gradient) = x_gradient {
            self.x.put_gradient(grads, x_gradient);
        }
        if self.weight.requires_grad() {
            let sums: Vec<&[f32]> = partials.iter().map(|partial| &partial.weight[..]).collect();
            let total = self.weight.gradient_mut(grads);
            match tiles::suit_forward(plan) {
                true => tiles::add_weight_gradients(plan, total, &sums),
                false => parallel::add_partials(total, sums),
            }
        }
        if let Some(shift) = &self.shift {
            let sums = partials.iter().map(|partial| &partial.shift[..]);
            parallel::add_partials(shift.gradient_mut(grads), sums);
        }
    }

    /// Turns the gradient of y of some images into that of u; returns the sums for the shift.
    fn epilogue(&self, images: &Range<usize>, gradient: &mut [f32]) -> Vec<f32> {
        let first = images.start * self.plan.out_pixels() * self.plan.out;
        let mut sums = vec![0.0; self.shift.as_ref().map_or(0, Tensor2::len)];
        let output = self.relu.then(|| &self.y.values()[first..]);
        let scale = self.scale.as_ref().map(Tensor2::values);
        let shift = self.shift.is_some().then_some(&mut sums[..]);
        epilogue::backward(gradient, self.plan.out, output, scale, shift);
        sums
    }

    /// The gradient of the weight from some images, empty where none is asked for; transposed where it comes from tiles.
    fn weight_gradient(&self, images: &Range<usize>, gradient: &[f32]) -> Vec<f32> {
        if !self.weight.requires_grad() {
            return Vec::new();
        }
        let plan = &self.plan;
        let height = plan.geometry.out_height;
        let rows = images.start * height..images.end * height;
        let x = self.x.values();
        match tiles::suit_forward(plan) {
            true => tiles::weight_gradient(plan, x, gradient, rows),
            false => patches::weight_gradient(plan, x, gradient, rows),
        }
    }
}
