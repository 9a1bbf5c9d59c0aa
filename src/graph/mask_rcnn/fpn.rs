//! The levels of Mask R-CNN: a feature pyramid ([`Pyramid`]) over all stages, and one level more.
//!
//! `$$ p_6 = \text{every other pixel of } p_5 $$`
//!
//! Shapes: res2 to res5 with their channels -> p2 to p6 with C channels.

use super::semantics::{Rules, Semantics};
use crate::graph::backbone::STAGES;
use crate::graph::regional::{Pyramid, PyramidStart};
use crate::nn::params::{Param, Parameters};
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

/// The layers of p2 to p5.
#[derive(Clone, Debug)]
pub(super) struct Fpn(Pyramid);

impl Fpn {
    /// A pyramid of `width` channels over maps of these `channels`.
    pub(super) fn new(
        rules: &Rules,
        channels: [usize; STAGES],
        width: usize,
        rng: &mut Stream,
    ) -> Self {
        let start = match rules.start {
            Semantics::Detectron2 | Semantics::Torchvision => PyramidStart::Caffe2Xavier,
            Semantics::Mmdetection => PyramidStart::Xavier,
        };
        Self(Pyramid::new(start, &channels, width, rng))
    }

    /// res2 to res5 -> p2 to p6.
    pub(super) fn forward(&self, tape: &mut Tape, features: &[Map; STAGES]) -> [Map; LEVELS] {
        let mut levels = self.0.forward(tape, features);
        let coarsest = levels.last().expect("a level of every stage");
        levels.push(ops::max_pool(tape, coarsest, EVERY_OTHER));
        levels.try_into().expect("one level of every stage and p6")
    }
}

impl Parameters for Fpn {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.0.parameters(prefix, visit);
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
