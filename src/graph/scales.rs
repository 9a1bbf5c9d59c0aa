//! The three scales that the pixel decoder and the transformer decoder share: their sizes, the positions of
//! their tokens, and the sine encoding of these positions. They are made once per forward pass and hold no
//! parameter.

use crate::nn::{Levels, sine_positions};
use crate::tensor::{Map, Tensor2};

/// The number of scales: res5, res4, res3.
pub const SCALES: usize = 3;

/// The scales, coarse to fine.
#[derive(Clone, Debug)]
pub struct Scales {
    /// Sizes and token centres.
    pub levels: Levels,
    /// `[h * w, D]` of every scale.
    pub positions: [Tensor2; SCALES],
}

impl Scales {
    /// The scales of `features`, which are in the backbone's order from fine to coarse. Position encodings
    /// have `width` features.
    pub fn new(features: [&Map; SCALES], width: usize) -> Self {
        let sizes = features
            .map(|map| (map.height, map.width))
            .into_iter()
            .rev()
            .collect();
        let place = features[0].data.place();
        let levels = Levels::new(sizes);
        let positions = std::array::from_fn(|scale| {
            let (h, w) = levels.sizes[scale];
            let name = format!("sine positions of {h} x {w}");
            place.kept(name, h * w, width, || sine_positions(h, w, width))
        });
        Self { levels, positions }
    }
}
