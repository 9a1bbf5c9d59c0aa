//! The levels of CenterMask: a feature pyramid over res3 to res5, and two levels more.
//!
//! `$$ p_6 = \mathrm{conv}_3(p_5), \qquad p_7 = \mathrm{conv}_3(\max(p_6, 0)) $$`
//!
//! both with stride 2. Shapes: res2 to res5 with their channels -> p3 to p7 with C channels. Source: FCOS, section 3.2,
//! and youngwanLEE/centermask2 6adabd6, `fpn.py`.

use crate::graph::backbone::STAGES;
use crate::graph::regional::{Pyramid, PyramidStart};
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, init};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// p3 to p7.
pub const LEVELS: usize = 5;
/// Levels of the pyramid: p3 to p5.
pub(super) const OF_STAGES: usize = 3;
/// The side of the kernels of p6 and p7, and their stride.
const KERNEL: usize = 3;
const STRIDE: usize = 2;

/// The pyramid and the layers of p6 and p7.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    pyramid: Pyramid,
    p6: Conv2d,
    p7: Conv2d,
}

impl Levels {
    /// Levels of `width` channels over the stages of a backbone with these `channels`.
    pub(super) fn new(channels: [usize; STAGES], width: usize, rng: &mut Stream) -> Self {
        let stages = &channels[STAGES - OF_STAGES..];
        let pyramid = Pyramid::new(PyramidStart::Caffe2Xavier, stages, width, rng);
        let mut top = || {
            let inputs = KERNEL * KERNEL * width;
            let weight = init::kaiming_uniform(inputs, inputs * width, rng);
            let bias = Some(vec![0.0; width]);
            Conv2d::from_values(width, width, KERNEL, STRIDE, weight, bias)
        };
        Self {
            pyramid,
            p6: top(),
            p7: top(),
        }
    }

    /// res2 to res5 -> p3 to p7.
    pub(super) fn forward(&self, tape: &mut Tape, features: &[Map; STAGES]) -> [Map; LEVELS] {
        let mut levels = self.pyramid.forward(tape, features);
        let p5 = levels.last().expect("a level of every stage");
        let p6 = self.p6.forward(tape, p5);
        let nothing = vec![0.0; p6.data.len()];
        let nothing = Tensor2::constant(nothing, p6.data.rows(), p6.data.columns());
        let positive = ops::add_relu(tape, &p6.data, &nothing);
        let positive = Map::new(positive, p6.batch, p6.height, p6.width);
        let p7 = self.p7.forward(tape, &positive);
        levels.extend([p6, p7]);
        levels.try_into().expect("p3 to p7")
    }
}

impl Parameters for Levels {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.pyramid.parameters(prefix, visit);
        let top = join(prefix, "top_block");
        self.p6.parameters(&join(&top, "p6"), visit);
        self.p7.parameters(&join(&top, "p7"), visit);
    }
}
