//! Feature pyramid, <https://arxiv.org/abs/1612.03144>: every map of the backbone gets the context of the coarser ones.
//!
//! `$$ q_i = \mathrm{lateral}_i(\mathrm{res}_i) + \mathrm{up}(q_{i+1}), \qquad p_i = \mathrm{output}_i(q_i), \qquad
//!    p_6 = \text{every other pixel of } p_5 $$`
//!
//! Shapes: res2 to res5 with their channels -> p2 to p6 with C channels. The lateral layers are 1x1, the outputs 3x3
//! convolutions with bias, without norm or activation. `up` copies the nearest pixel.

use super::semantics::{Rules, Semantics};
use crate::graph::backbone::STAGES;
use crate::nn::Conv2d;
use crate::nn::params::{Param, Parameters, join};
use crate::ops::{self, Window};
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// p2 to p6.
pub const LEVELS: usize = STAGES + 1;

/// The coarsest level: a pool that keeps every other pixel.
const EVERY_OTHER: Window = Window {
    kernel: 1,
    stride: 2,
    padding: 0,
};

/// The layers of p2 to p5, from fine to coarse.
#[derive(Clone, Debug)]
pub(super) struct Fpn {
    lateral: Vec<Conv2d>,
    output: Vec<Conv2d>,
}

impl Fpn {
    /// A pyramid of `width` channels over maps of these `channels`.
    pub(super) fn new(
        rules: &Rules,
        channels: [usize; STAGES],
        width: usize,
        rng: &mut Stream,
    ) -> Self {
        let mut layer = |from: usize, kernel: usize| match rules.start {
            Semantics::Detectron2 | Semantics::Torchvision => {
                Conv2d::caffe2_xavier(from, width, kernel, true, rng)
            }
            Semantics::Mmdetection => Conv2d::xavier(from, width, kernel, rng),
        };
        let lateral = channels.map(|from| layer(from, 1));
        let output = channels.map(|_| layer(width, 3));
        Self {
            lateral: lateral.into(),
            output: output.into(),
        }
    }

    /// res2 to res5 -> p2 to p6.
    pub(super) fn forward(&self, tape: &mut Tape, features: &[Map; STAGES]) -> [Map; LEVELS] {
        let mut levels: Vec<Map> = Vec::with_capacity(LEVELS);
        let mut above: Option<Map> = None;
        let stages = features.iter().zip(self.lateral.iter().zip(&self.output));
        for (map, (lateral, output)) in stages.rev() {
            let own = lateral.forward(tape, map);
            let merged = match &above {
                Some(coarse) => {
                    ops::resize_nearest(tape, coarse, own.height, own.width, Some(&own))
                }
                None => own,
            };
            let level = output.forward(tape, &merged);
            if above.is_none() {
                levels.push(ops::max_pool(tape, &level, EVERY_OTHER));
            }
            levels.push(level);
            above = Some(merged);
        }
        levels.reverse();
        levels.try_into().expect("one level of every stage and p6")
    }
}

impl Parameters for Fpn {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        // The names count the stages from res2.
        let layers = self.lateral.iter_mut().zip(&mut self.output);
        for (stage, (lateral, output)) in (2..).zip(layers) {
            lateral.parameters(&join(prefix, &format!("fpn_lateral{stage}")), visit);
            output.parameters(&join(prefix, &format!("fpn_output{stage}")), visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::{move_to, reference_gradient};
    use crate::ops::check::{loss_of, on_every_place};
    use crate::ops::golden;
    use crate::tensor::Tensor2;

    on_every_place! {
        fn levels_and_gradients_parity_with_torchvision(place) {
            let tensors = golden::load("rcnn_losses");
            let rules = Semantics::Torchvision.rules();
            let mut fpn = Fpn::new(&rules, [8, 16, 32, 64], 8, &mut Stream::new(0, "fpn"));
            fpn.parameters("", &mut |name, param| {
                param.set_from_reference(&tensors[&format!("fpn.{name}")].1);
            });
            move_to(&mut fpn, place);
            // The coarsest map is not half as large as the one before it.
            let sizes = [(12, 16), (6, 8), (3, 4), (2, 2)];
            let features: [Map; STAGES] = std::array::from_fn(|stage| {
                let (shape, values) = &tensors[&format!("fpn.res{}", stage + 2)];
                let (height, width) = sizes[stage];
                let leaf = Tensor2::parameter(values.clone(), shape[0], shape[1]).to(place);
                Map::new(leaf, 2, height, width)
            });
            let mut tape = Tape::recording();
            let levels = fpn.forward(&mut tape, &features);
            let mut losses = Vec::new();
            for (number, level) in (2..).zip(&levels) {
                let name = format!("fpn.p{number}");
                golden::compare(&name, &level.data.host_values(), &tensors[&name].1, 1e-5);
                let seed = tensors[&format!("{name}.seed")].1.clone();
                losses.push(loss_of(&mut tape, &level.data, seed));
            }
            let terms: Vec<_> = losses.iter().map(|loss| (loss, 1.0)).collect();
            let total = ops::weighted_sum(&mut tape, &terms);
            let mut grads = tape.backward(&total);
            for (number, map) in (2..).zip(&features) {
                let name = format!("fpn.res{number}.grad");
                golden::compare(&name, &map.data.gradient(&mut grads), &tensors[&name].1, 1e-5);
            }
            fpn.parameters("", &mut |name, param| {
                let name = format!("fpn.{name}.grad");
                let found = reference_gradient(param, &mut grads);
                golden::compare(&name, &found, &tensors[&name].1, 1e-5);
            });
        }
    }
}
