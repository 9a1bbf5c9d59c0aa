//! A chain of linear layers with a ReLU after each but the last. Source: the `MLP` of DETR and Mask2Former.

use crate::nn::Linear;
use crate::nn::params::{Param, Parameters, join};
use crate::rng::Stream;
use crate::tensor::{Tape, Tensor2};

/// The layers `layers[0]` to `layers[n - 1]`.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Makes the layers between consecutive `widths`: `[I, hidden, ..., O]`. Panics if there are fewer than
    /// two widths.
    pub fn new(widths: &[usize], rng: &mut Stream) -> Self {
        assert!(widths.len() >= 2, "an MLP from {widths:?}");
        Self {
            layers: widths
                .windows(2)
                .map(|pair| Linear::new(pair[0], pair[1], rng))
                .collect(),
        }
    }

    /// x `[N, I]` -> `[N, O]`.
    pub fn forward(&self, tape: &mut Tape, x: &Tensor2) -> Tensor2 {
        let (last, hidden) = self.layers.split_last().expect("at least one layer");
        let mut y = x.clone();
        for layer in hidden {
            y = layer.forward_relu(tape, &y);
        }
        last.forward(tape, &y)
    }
}

impl Parameters for Mlp {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.parameters(&join(prefix, &format!("layers.{i}")), visit);
        }
    }
}
