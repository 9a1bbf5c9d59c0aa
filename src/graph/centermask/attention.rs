//! Spatial attention (CenterMask, section 3.3): the pixels of a map are weighted by what their channels have in common.
//!
//! `$$ y = x \cdot \sigma\bigl(\mathrm{conv}_3([\mathrm{mean}_c\, x;\ \max_c\, x])\bigr) $$`
//!
//! Shapes: maps of C channels -> the same; every channel of a pixel has the same weight. Source:
//! youngwanLEE/centermask2 6adabd6, `sam.py`, with its initial values.

use crate::nn::Conv2d;
use crate::nn::params::{Param, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// Mean and largest value of a pixel's channels.
const NUMBERS: usize = 2;
/// The side of the kernel.
const KERNEL: usize = 3;

/// The convolution, which has no bias.
#[derive(Clone, Debug)]
pub(super) struct SpatialAttention {
    conv: Conv2d,
}

impl SpatialAttention {
    pub(super) fn new(rng: &mut Stream) -> Self {
        Self {
            conv: Conv2d::new(NUMBERS, 1, KERNEL, 1, rng),
        }
    }

    /// Maps of C channels -> the same, weighted.
    pub(super) fn forward(&self, tape: &mut Tape, x: &Map) -> Map {
        let size = |data| Map::new(data, x.batch, x.height, x.width);
        let numbers = size(ops::mean_and_largest(tape, &x.data));
        let logits = self.conv.forward(tape, &numbers).data;
        let weights = ops::logistic(tape, &logits);
        let weights = ops::reshape(tape, &weights, 1, x.data.rows());
        size(ops::scale_rows(tape, &x.data, &weights))
    }
}

impl Parameters for SpatialAttention {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.conv.parameters(&join(prefix, "conv"), visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::move_to;
    use crate::ops::check::{gradients, on_every_place, parameter};

    on_every_place! {
        fn every_channel_of_a_pixel_has_the_same_weight(place) {
            let mut attention = SpatialAttention::new(&mut Stream::new(3, "a"));
            move_to(&mut attention, place);
            let x = parameter(1, 2 * 3 * 4, 5, 1.0);
            let map = Map::new(x.to(place), 2, 3, 4);
            let found = attention.forward(&mut Tape::off(), &map);
            let mut weights = Vec::new();
            for (y, x) in found.data.host_values().chunks(5).zip(x.values().chunks(5)) {
                let weight = y[0] / x[0];
                assert!(weight > 0.0 && weight < 1.0, "{weight}");
                assert!(y.iter().zip(x).all(|(y, x)| (y - weight * x).abs() < 1e-5));
                weights.push(weight);
            }
            assert!(weights.iter().any(|weight| (weight - weights[0]).abs() > 0.01));
            gradients(place, &[x], 1e-3, 1e-2, |tape, i| {
                attention.forward(tape, &Map::new(i[0].clone(), 2, 3, 4)).data
            });
        }
    }
}
