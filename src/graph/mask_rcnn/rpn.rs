//! The head of the region proposal network, <https://arxiv.org/abs/1506.01497>, shared by all levels: it tells for each
//! anchor if it is an object, and how to move it.
//!
//! Shapes: B images, A anchors of an image over all levels, in the order (level, row, column, ratio).

use crate::nn::Conv2d;
use crate::nn::params::{Param, Parameters, join};
use crate::ops;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};

/// The deviation of the initial weights.
const DEVIATION: f64 = 0.01;

/// A 3x3 convolution and two predictors.
#[derive(Clone, Debug)]
pub(super) struct RpnHead {
    conv: Conv2d,
    objectness: Conv2d,
    deltas: Conv2d,
}

/// The predictions for the anchors of a batch.
#[derive(Clone, Debug)]
pub struct AnchorPredictions {
    /// Logits of being an object, `[B * A, 1]`.
    pub objectness: Tensor2,
    /// dx, dy, dw, dh, `[B * A, 4]`.
    pub deltas: Tensor2,
}

impl RpnHead {
    /// A head for levels of `width` channels and `ratios` anchors for each cell.
    pub(super) fn new(width: usize, ratios: usize, rng: &mut Stream) -> Self {
        Self {
            conv: Conv2d::normal(width, width, 3, DEVIATION, rng),
            objectness: Conv2d::normal(width, ratios, 1, DEVIATION, rng),
            deltas: Conv2d::normal(width, 4 * ratios, 1, DEVIATION, rng),
        }
    }

    /// The predictions for all levels.
    pub(super) fn forward(&self, tape: &mut Tape, levels: &[Map]) -> AnchorPredictions {
        let (mut objectness, mut deltas) = (Vec::new(), Vec::new());
        for level in levels {
            let hidden = self.conv.forward_relu(tape, level);
            objectness.push(by_anchor(tape, &self.objectness, &hidden, 1));
            deltas.push(by_anchor(tape, &self.deltas, &hidden, 4));
        }
        let batch = levels.first().map_or(1, |level| level.batch);
        let mut joined = |parts: Vec<Tensor2>| {
            ops::concat_tokens(tape, &parts.iter().collect::<Vec<_>>(), batch)
        };
        AnchorPredictions {
            objectness: joined(objectness),
            deltas: joined(deltas),
        }
    }
}

/// The predictions of a level with one row for each anchor.
fn by_anchor(tape: &mut Tape, predictor: &Conv2d, hidden: &Map, columns: usize) -> Tensor2 {
    let map = predictor.forward(tape, hidden).data;
    ops::reshape(tape, &map, map.len() / columns, columns)
}

impl Parameters for RpnHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.conv.parameters(&join(prefix, "conv"), visit);
        self.objectness
            .parameters(&join(prefix, "objectness_logits"), visit);
        self.deltas
            .parameters(&join(prefix, "anchor_deltas"), visit);
    }
}
