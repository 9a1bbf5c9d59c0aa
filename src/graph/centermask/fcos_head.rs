//! The head of FCOS, shared by all levels: at every location it tells the class of the object there, the distances to
//! the sides of its box, and how near its centre is.
//!
//! `$$ (l, t, r, b) = \max(s_i \cdot \mathrm{conv}_3(x), 0) $$`
//!
//! in strides of the level i, with a learned scale s of each level. Shapes: B images, L locations of an image over all
//! levels in the order (level, row, column), K classes. Both towers are 3x3 convolutions with bias, group norm and
//! ReLU; distances and centreness share one. Source: FCOS (<https://arxiv.org/abs/1904.01355>), section 3, with the
//! improvements of its released code, and youngwanLEE/centermask2 6adabd6, `fcos.py`, with its initial values.

use super::config::HeadConfig;
use super::levels::LEVELS;
use crate::nn::params::{Param, ParamKind, Parameters, join};
use crate::nn::{Conv2d, GroupNorm, init};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// The side of the kernels.
const KERNEL: usize = 3;
/// The deviation of the initial weights.
const DEVIATION: f64 = 0.01;
/// The initial probability of a class: without it, the many locations of background would fill the first losses.
const PRIOR: f64 = 0.01;
/// The distances to the sides of a box.
const SIDES: usize = 4;
/// Numbers of a layer of a tower in the names of CenterMask2's files: convolution, norm, ReLU.
const NUMBERS: usize = 3;

/// Convolutions with group norm.
#[derive(Clone, Debug)]
struct Tower(Vec<(Conv2d, GroupNorm)>);

/// Two towers and three predictors.
#[derive(Clone, Debug)]
pub(super) struct FcosHead {
    class_tower: Tower,
    box_tower: Tower,
    classes: Conv2d,
    sides: Conv2d,
    centreness: Conv2d,
    /// One of each level.
    scales: Vec<Param>,
}

/// The predictions for the locations of a batch.
#[derive(Clone, Debug)]
pub struct LocationPredictions {
    /// Logits of the classes, `[B * L, K]`.
    pub classes: Tensor2,
    /// Distances to the left, top, right and bottom side in strides, at least 0: `[B * L, 4]`.
    pub sides: Tensor2,
    /// Logits of the centreness, `[B * L, 1]`.
    pub centreness: Tensor2,
}

impl Tower {
    fn new(config: &HeadConfig, width: usize, rng: &mut Stream) -> Self {
        let layer = |_| {
            let conv = Conv2d::normal(width, width, KERNEL, DEVIATION, rng);
            (conv, GroupNorm::new(width, config.norm_groups))
        };
        Self((0..config.tower_convs).map(layer).collect())
    }

    fn forward(&self, tape: &mut Tape, level: &Map) -> Map {
        let mut x = level.clone();
        for (conv, norm) in &self.0 {
            let features = conv.forward(tape, &x);
            x = norm.forward(tape, &features, None, true);
        }
        x
    }
}

impl FcosHead {
    /// A head for levels of `width` channels.
    pub(super) fn new(config: &HeadConfig, width: usize, classes: usize, rng: &mut Stream) -> Self {
        let class_tower = Tower::new(config, width, rng);
        let box_tower = Tower::new(config, width, rng);
        let weight = init::normal(DEVIATION, KERNEL * KERNEL * width * classes, rng);
        let bias = (PRIOR / (1.0 - PRIOR)).ln() as f32;
        let bias = Some(vec![bias; classes]);
        let one = || Param::new(ParamKind::Weight, vec![1.0], 1, 1, &[1]);
        Self {
            class_tower,
            box_tower,
            classes: Conv2d::from_values(width, classes, KERNEL, 1, weight, bias),
            sides: Conv2d::normal(width, SIDES, KERNEL, DEVIATION, rng),
            centreness: Conv2d::normal(width, 1, KERNEL, DEVIATION, rng),
            scales: (0..LEVELS).map(|_| one()).collect(),
        }
    }

    /// The predictions for all levels.
    pub(super) fn forward(&self, tape: &mut Tape, levels: &[Map; LEVELS]) -> LocationPredictions {
        let (mut classes, mut sides, mut centreness) = (vec![], vec![], vec![]);
        for (level, scale) in levels.iter().zip(&self.scales) {
            let x = self.class_tower.forward(tape, level);
            classes.push(self.classes.forward(tape, &x).data);
            let x = self.box_tower.forward(tape, level);
            centreness.push(self.centreness.forward(tape, &x).data);
            sides.push(self.scaled_sides(tape, &x, &scale.value).data);
        }
        let batch = levels[0].batch;
        let mut joined = |parts: Vec<Tensor2>| {
            ops::concat_tokens(tape, &parts.iter().collect::<Vec<_>>(), batch)
        };
        LocationPredictions {
            classes: joined(classes),
            sides: joined(sides),
            centreness: joined(centreness),
        }
    }

    /// The distances of a level. The scale is a factor on kernel and bias, which is less than all pixels.
    fn scaled_sides(&self, tape: &mut Tape, x: &Map, scale: &Tensor2) -> Map {
        let layer = &self.sides;
        let bias = layer.bias.as_ref().expect("a predictor with a bias");
        let kernel = ops::scale_by(tape, &layer.weight.value, scale);
        let bias = ops::scale_by(tape, &bias.value, scale);
        layer.forward_of(tape, x, &kernel, &bias, true)
    }
}

impl Parameters for Tower {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (number, (conv, norm)) in self.0.iter_mut().enumerate() {
            let first = NUMBERS * number;
            conv.parameters(&join(prefix, &first.to_string()), visit);
            norm.parameters(&join(prefix, &(first + 1).to_string()), visit);
        }
    }
}

impl Parameters for FcosHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.class_tower
            .parameters(&join(prefix, "cls_tower"), visit);
        self.box_tower
            .parameters(&join(prefix, "bbox_tower"), visit);
        self.classes.parameters(&join(prefix, "cls_logits"), visit);
        self.sides.parameters(&join(prefix, "bbox_pred"), visit);
        self.centreness.parameters(&join(prefix, "ctrness"), visit);
        for (level, scale) in self.scales.iter_mut().enumerate() {
            visit(&join(prefix, &format!("scales.{level}.scale")), scale);
        }
    }
}
