//! Linear layers over all pixels of a region.
//!
//! Shapes: R regions of P x P pixels with C channels. The weight is `[H, C * P * P]` in files, whose regions have the
//! channels first; its columns are reordered when a file is read.

use crate::nn::params::{Param, ParamKind};
use crate::ops;
use crate::tensor::{Map, Tape, Tensor2};

/// The weight of a linear layer as one over all pixels of a map of `channels` channels and `side` pixels a side.
pub(in crate::graph) fn over_pixels(weight: Param, side: usize, channels: usize) -> Param {
    let values = weight.value.values().to_vec();
    let (outputs, inputs) = (weight.value.rows(), weight.value.columns());
    let shape = [outputs, channels, side, side];
    Param::new(ParamKind::Weight, values, outputs, inputs, &shape)
}

/// One row for each image of a map: `[R, P * P * C]`.
pub(in crate::graph) fn as_rows(tape: &mut Tape, map: &Map) -> Tensor2 {
    ops::reshape(tape, &map.data, map.batch, map.pixels() * map.channels())
}
