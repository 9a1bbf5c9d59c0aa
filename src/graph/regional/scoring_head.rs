//! The head of Mask Scoring R-CNN (<https://arxiv.org/abs/1903.00241>), which predicts the IoU of a region's mask with
//! its object: from the region's features, and the probabilities of its mask as one channel more.
//!
//! Shapes: R regions of P x P bins, masks of 2 P x 2 P, W channels of the convolutions, H hidden features, K classes ->
//! a number for each class. Source: youngwanLEE/centermask2 6adabd6, `maskiou_head.py`. The gradient of a prediction
//! reaches the mask that it is about, as it does there.

use super::channels::joined_channels;
use super::flat::{as_rows, over_pixels};
use super::iou_predictions::IouPredictions;
use super::region::DOUBLING;
use crate::graph::operations::{convolution, product};
use crate::graph::parameters::layer;
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, Linear, init};
use crate::ops::{self, Window};
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// The number of convolutions; the last one halves both sides.
const CONVS: usize = 4;
/// The side of their kernels.
const KERNEL: usize = 3;
/// The deviation of the initial weights of the predictor.
const DEVIATION: f64 = 0.01;
/// The pool that brings a mask to the bins of its region.
const HALVING: Window = Window {
    kernel: DOUBLING,
    stride: DOUBLING,
    padding: 0,
};

/// The sizes of the head.
#[derive(Clone, Copy, Debug)]
pub(in crate::graph) struct ScoringSizes {
    /// Channels of a region.
    pub channels: usize,
    /// Bins along a side of a region: P.
    pub side: usize,
    /// W.
    pub width: usize,
    /// H.
    pub hidden: usize,
}

impl ScoringSizes {
    /// Pixels along a side after the convolutions.
    fn halved(&self) -> usize {
        self.side.div_ceil(DOUBLING)
    }

    /// The floating-point operations for `masks` masks and `classes` classes.
    pub fn operations(&self, masks: usize, classes: usize) -> f64 {
        let Self {
            channels,
            side,
            width,
            hidden,
        } = *self;
        let (bins, halved) = (masks * side.pow(2), self.halved().pow(2));
        let inner = (CONVS - 2) as f64;
        convolution(bins, KERNEL, channels + 1, width)
            + inner * convolution(bins, KERNEL, width, width)
            + convolution(masks * halved, KERNEL, width, width)
            + product(masks, halved * width, hidden)
            + product(masks, hidden, hidden)
            + product(masks, hidden, classes)
    }

    /// The number of parameters without the layer of the classes.
    pub fn parameters(&self) -> f64 {
        let convolution = |inputs: usize| layer(KERNEL * KERNEL * inputs, self.width);
        convolution(self.channels + 1)
            + (CONVS - 1) as f64 * convolution(self.width)
            + layer(self.halved().pow(2) * self.width, self.hidden)
            + layer(self.hidden, self.hidden)
    }
}

/// Four convolutions, two linear layers, and a predictor.
#[derive(Clone, Debug)]
pub(in crate::graph) struct ScoringHead {
    convs: Vec<Conv2d>,
    hidden: [Linear; 2],
    predictor: Linear,
}

impl ScoringHead {
    /// The initial values are those of the source.
    pub fn new(sizes: ScoringSizes, classes: usize, rng: &mut Stream) -> Self {
        let (width, outputs) = (sizes.width, sizes.hidden);
        let convs = (1..=CONVS).map(|number| {
            let inputs = if number == 1 {
                sizes.channels + 1
            } else {
                width
            };
            let stride = if number == CONVS { DOUBLING } else { 1 };
            let area = KERNEL * KERNEL;
            let weight = init::kaiming_normal(area * width, area * inputs * width, rng);
            let bias = Some(vec![0.0; width]);
            Conv2d::from_values(inputs, width, KERNEL, stride, weight, bias)
        });
        let convs = convs.collect();
        let side = sizes.halved();
        let mut fully = |inputs: usize| {
            let weight = init::kaiming_normal(outputs, inputs * outputs, rng);
            Linear::from_values(inputs, outputs, weight, vec![0.0; outputs])
        };
        let mut hidden = [fully(side * side * width), fully(outputs)];
        hidden[0].weight = over_pixels(hidden[0].weight.clone(), side, width);
        Self {
            convs,
            hidden,
            predictor: Linear::normal(outputs, classes, DEVIATION, rng),
        }
    }

    /// The IoU of the masks `own` `[R * 2P * 2P, 1]` of the regions' own `classes`, in these `regions`.
    pub fn forward(
        &self,
        tape: &mut Tape,
        regions: &Map,
        own: &Tensor2,
        classes: &[usize],
    ) -> IouPredictions {
        let probabilities = ops::logistic(tape, own);
        let (height, width) = (DOUBLING * regions.height, DOUBLING * regions.width);
        let mask = Map::new(probabilities, regions.batch, height, width);
        let mask = ops::max_pool(tape, &mask, HALVING);
        let all = self.of_classes(tape, regions, &mask);
        let rows: Vec<usize> = (0..classes.len()).collect();
        IouPredictions::Values(ops::pick(tape, &all, &rows, classes, 1))
    }

    /// Regions and their masks of as many bins, with one channel -> a number for each class, `[R, K]`.
    fn of_classes(&self, tape: &mut Tape, regions: &Map, masks: &Map) -> Tensor2 {
        let mut x = joined_channels(tape, regions, masks);
        for conv in &self.convs {
            x = conv.forward_relu(tape, &x);
        }
        let mut rows = as_rows(tape, &x);
        for layer in &self.hidden {
            rows = layer.forward_relu(tape, &rows);
        }
        self.predictor.forward(tape, &rows)
    }
}

impl Parameters for ScoringHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (number, conv) in (1..).zip(&mut self.convs) {
            conv.parameters(&join(prefix, &format!("maskiou_fcn{number}")), visit);
        }
        for (number, layer) in (1..).zip(&mut self.hidden) {
            layer.parameters(&join(prefix, &format!("maskiou_fc{number}")), visit);
        }
        self.predictor.parameters(&join(prefix, "maskiou"), visit);
    }
}
