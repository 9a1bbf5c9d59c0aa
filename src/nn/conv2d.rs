//! Convolution with "same" padding: `$$ y = w * x + b $$`.
//!
//! Shapes: Ci and Co channels, k the side of the (odd) kernel. A side of `n` pixels becomes
//! `$$ \lceil n / stride \rceil $$` pixels, or `$$ \lfloor n / k \rfloor $$` with [`Conv2d::patches`].

use crate::nn::init;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::ops::{self, Epilogue, Window};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// No layer of this project splits its channels into groups.
const GROUPS: usize = 1;

/// `weight` `[Co, k * k * Ci]` (reference order `[Co, Ci, k, k]`) and, if no norm follows, `bias` `[1, Co]`.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// `[Co, k * k * Ci]`.
    pub weight: Param,
    /// `[1, Co]`.
    pub bias: Option<Param>,
    window: Window,
}

impl Conv2d {
    /// A kernel for a convolution followed by norm and ReLU: normal with variance `2 / (k * k * Co)`, no
    /// bias. Source: detectron2's `c2_msra_fill` and torchvision's ResNet.
    pub fn new(
        channels: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        rng: &mut Stream,
    ) -> Self {
        let area = kernel * kernel;
        let weight = init::kaiming_normal(area * outputs, area * channels * outputs, rng);
        Self::from_values(channels, outputs, kernel, stride, weight, None)
    }

    /// A kernel uniform with variance `1 / (k * k * Ci)`; the bias, if any, is 0. Source: detectron2's
    /// `c2_xavier_fill`.
    pub fn caffe2_xavier(
        channels: usize,
        outputs: usize,
        kernel: usize,
        bias: bool,
        rng: &mut Stream,
    ) -> Self {
        let area = kernel * kernel;
        let weight = init::kaiming_uniform(area * channels, area * channels * outputs, rng);
        Self::from_values(
            channels,
            outputs,
            kernel,
            1,
            weight,
            bias.then(|| vec![0.0; outputs]),
        )
    }

    /// A kernel for a convolution followed by a ReLU: normal with variance `2 / (k * k * Co)`; the bias is 0. Source:
    /// detectron2's `c2_msra_fill`.
    pub fn with_bias(channels: usize, outputs: usize, kernel: usize, rng: &mut Stream) -> Self {
        let area = kernel * kernel;
        let weight = init::kaiming_normal(area * outputs, area * channels * outputs, rng);
        let bias = Some(vec![0.0; outputs]);
        Self::from_values(channels, outputs, kernel, 1, weight, bias)
    }

    /// A kernel of `$$ N(0, d^2) $$` with the `deviation` d; the bias is 0. Source: the heads of Faster R-CNN.
    pub fn normal(
        channels: usize,
        outputs: usize,
        kernel: usize,
        deviation: f64,
        rng: &mut Stream,
    ) -> Self {
        let weight = init::normal(deviation, kernel * kernel * channels * outputs, rng);
        let bias = Some(vec![0.0; outputs]);
        Self::from_values(channels, outputs, kernel, 1, weight, bias)
    }

    /// A 1x1 convolution, Xavier-uniform with bias 0: the input projections of the pixel decoder.
    pub fn projection(channels: usize, outputs: usize, rng: &mut Stream) -> Self {
        Self::xavier(channels, outputs, 1, rng)
    }

    /// A kernel that is Xavier-uniform; the bias is 0. Source: the feature pyramid of MMDetection.
    pub fn xavier(channels: usize, outputs: usize, kernel: usize, rng: &mut Stream) -> Self {
        let area = kernel * kernel;
        let count = area * channels * outputs;
        let weight = init::xavier_uniform(area * channels, area * outputs, count, rng);
        let bias = Some(vec![0.0; outputs]);
        Self::from_values(channels, outputs, kernel, 1, weight, bias)
    }

    /// A kernel that cuts the image into squares of `side` pixels and maps each to `outputs` values. There is
    /// no padding, and pixels beyond the last whole square are not read. Weights and biases are 0, for a
    /// layer that is filled from a file.
    pub fn patches(channels: usize, outputs: usize, side: usize, bias: bool) -> Self {
        let columns = side * side * channels;
        let shape = [outputs, channels, side, side];
        let weight = vec![0.0; outputs * columns];
        let zero = || Param::new(ParamKind::Bias, vec![0.0; outputs], 1, outputs, &[outputs]);
        Self {
            weight: Param::new(ParamKind::Weight, weight, outputs, columns, &shape),
            bias: bias.then(zero),
            window: Window {
                kernel: side,
                stride: side,
                padding: 0,
            },
        }
    }

    /// Uses the given values: `weight` in the order (out, y, x, in), `bias` `[Co]`. Panics if their number is
    /// wrong or the kernel is even.
    pub fn from_values(
        channels: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        weight: Vec<f32>,
        bias: Option<Vec<f32>>,
    ) -> Self {
        assert_eq!(kernel % 2, 1, "a kernel of {kernel} has no centre");
        let shape = [outputs, channels, kernel, kernel];
        let columns = kernel * kernel * channels;
        Self {
            weight: Param::new(ParamKind::Weight, weight, outputs, columns, &shape),
            bias: bias.map(|bias| Param::new(ParamKind::Bias, bias, 1, outputs, &[outputs])),
            window: Window {
                kernel,
                stride,
                padding: kernel / 2,
            },
        }
    }

    /// x: Ci channels -> Co channels, each side divided by the stride (rounded up).
    pub fn forward(&self, tape: &mut Tape, x: &Map) -> Map {
        let shift = self.bias.as_ref().map(|bias| &bias.value);
        self.forward_with(
            tape,
            x,
            Epilogue {
                shift,
                ..Epilogue::default()
            },
        )
    }

    /// As [`Self::forward`], with negative values set to 0.
    pub fn forward_relu(&self, tape: &mut Tape, x: &Map) -> Map {
        let epilogue = Epilogue {
            shift: self.bias.as_ref().map(|bias| &bias.value),
            relu: true,
            ..Epilogue::default()
        };
        self.forward_with(tape, x, epilogue)
    }

    /// Does the same as [`Self::forward`] with `epilogue` instead of the bias: a folded batch norm, a ReLU.
    pub fn forward_with(&self, tape: &mut Tape, x: &Map, epilogue: Epilogue) -> Map {
        ops::conv2d(tape, x, &self.weight.value, self.window, GROUPS, epilogue)
    }

    /// The same convolution with another `kernel` of the same shape and a `bias`, both with gradients; with negative
    /// values set to 0 if `relu`.
    pub fn forward_of(
        &self,
        tape: &mut Tape,
        x: &Map,
        kernel: &Tensor2,
        bias: &Tensor2,
        relu: bool,
    ) -> Map {
        let epilogue = Epilogue {
            shift: Some(bias),
            relu,
            ..Epilogue::default()
        };
        ops::conv2d(tape, x, kernel, self.window, GROUPS, epilogue)
    }
}

impl Parameters for Conv2d {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit(&join(prefix, "weight"), &mut self.weight);
        if let Some(bias) = &mut self.bias {
            visit(&join(prefix, "bias"), bias);
        }
    }
}
