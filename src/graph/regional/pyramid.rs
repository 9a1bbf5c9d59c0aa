//! Feature pyramid, <https://arxiv.org/abs/1612.03144>: every map of the backbone gets the context of the coarser ones.
//!
//! `$$ q_i = \mathrm{lateral}_i(\mathrm{res}_i) + \mathrm{up}(q_{i+1}), \qquad p_i = \mathrm{output}_i(q_i) $$`
//!
//! Shapes: the coarsest stages of the backbone with their channels -> as many levels with C channels. The lateral
//! layers are 1x1, the outputs 3x3 convolutions with bias, without norm or activation. `up` copies the nearest pixel.
//! Levels beyond res5 are each network's own.

use crate::graph::backbone::STAGES;
use crate::nn::Conv2d;
use crate::nn::params::{Param, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// The initial values of the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graph) enum PyramidStart {
    /// Uniform with variance 1 / in: detectron2, torchvision.
    Caffe2Xavier,
    /// Xavier: MMDetection.
    Xavier,
}

/// The layers of the stages, from fine to coarse. The last is that of res5.
#[derive(Clone, Debug)]
pub(in crate::graph) struct Pyramid {
    lateral: Vec<Conv2d>,
    output: Vec<Conv2d>,
}

impl Pyramid {
    /// A pyramid of `width` channels over the maps of the coarsest stages, which have these `channels`.
    pub fn new(start: PyramidStart, channels: &[usize], width: usize, rng: &mut Stream) -> Self {
        let mut layer = |from: usize, kernel: usize| match start {
            PyramidStart::Caffe2Xavier => Conv2d::caffe2_xavier(from, width, kernel, true, rng),
            PyramidStart::Xavier => Conv2d::xavier(from, width, kernel, rng),
        };
        let lateral = channels.iter().map(|from| layer(*from, 1)).collect();
        let output = channels.iter().map(|_| layer(width, 3)).collect();
        Self { lateral, output }
    }

    /// The maps of all stages of the backbone -> the levels, from fine to coarse.
    pub fn forward(&self, tape: &mut Tape, features: &[Map; STAGES]) -> Vec<Map> {
        let mut levels: Vec<Map> = Vec::with_capacity(self.lateral.len());
        let mut above: Option<Map> = None;
        let own = &features[STAGES - self.lateral.len()..];
        let stages = own.iter().zip(self.lateral.iter().zip(&self.output));
        for (map, (lateral, output)) in stages.rev() {
            let own = lateral.forward(tape, map);
            let merged = match &above {
                Some(coarse) => {
                    ops::resize_nearest(tape, coarse, own.height, own.width, Some(&own))
                }
                None => own,
            };
            levels.push(output.forward(tape, &merged));
            above = Some(merged);
        }
        levels.reverse();
        levels
    }
}

impl Parameters for Pyramid {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        // The names count the stages of the backbone from res2.
        let first = 2 + STAGES - self.lateral.len();
        let layers = self.lateral.iter_mut().zip(&mut self.output);
        for (stage, (lateral, output)) in (first..).zip(layers) {
            lateral.parameters(&join(prefix, &format!("fpn_lateral{stage}")), visit);
            output.parameters(&join(prefix, &format!("fpn_output{stage}")), visit);
        }
    }
}
