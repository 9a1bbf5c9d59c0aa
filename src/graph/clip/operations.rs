//! The floating-point operations of a vision-language model, to tell how long a training takes before it runs.

use super::tiny::{KERNEL, TOWER};
use super::{ClipConfig, ClipTinyConfig, VisionLanguageConfig};
use crate::graph::operations::convolution;

/// A forward pass through the image tower of the released CLIP that PL-DC names, ConvNeXt-L at a side of 320 pixels:
/// <https://arxiv.org/abs/2201.03545>, table 1, has 34.4 G multiplications at 224.
const RELEASED: f64 = 2.0 * 34.4e9 * (RELEASED_SIDE * RELEASED_SIDE) as f64 / (224.0 * 224.0);
/// Its side, in pixels.
const RELEASED_SIDE: usize = 320;
/// The operations of a training pass, in forward passes.
const TRAINING: f64 = 3.0;
const COLOURS: usize = 3;

impl VisionLanguageConfig {
    /// The operations that turn one picture of `height` x `width` into features. `backbone`: those of a forward pass
    /// through the detector's backbone.
    pub fn operations(&self, backbone: f64, height: usize, width: usize) -> f64 {
        match self {
            Self::ClipTiny(_) => tower(height, width),
            Self::Prototypes(_) => backbone,
            Self::Clip(config) => config.operations(),
        }
    }
}

impl ClipTinyConfig {
    /// The operations of its training on pictures of `side` x `side`.
    pub fn training_operations(&self, side: usize) -> f64 {
        TRAINING * (self.steps * self.batch) as f64 * tower(side, side)
    }
}

impl ClipConfig {
    /// Those of the released model that PL-DC names: the folder may not be there yet.
    fn operations(&self) -> f64 {
        let side = match self.size {
            0 => RELEASED_SIDE,
            side => side,
        };
        RELEASED * (side * side) as f64 / (RELEASED_SIDE * RELEASED_SIDE) as f64
    }
}

/// The convolutions of `clip-tiny` for one picture.
fn tower(mut height: usize, mut width: usize) -> f64 {
    let mut channels = COLOURS;
    let mut count = 0.0;
    for (outputs, stride) in TOWER {
        (height, width) = (height.div_ceil(stride), width.div_ceil(stride));
        count += convolution(height * width, KERNEL, channels, outputs);
        channels = outputs;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tower_is_counted_layer_by_layer() {
        // 64 x 64 in: 32 x 32 twice, then 16 x 16.
        let fine = 1024 * (27 * 24 + 216 * 48);
        let coarse = 256 * (432 * 64 + 576 * 96 + 864 * 96 + 864 * 128);
        assert_eq!(tower(64, 64), 2.0 * f64::from(fine + coarse));
    }

    #[test]
    fn the_released_model_grows_with_the_picture() {
        let clip = |size| {
            let descriptions = vec!["a {}".to_string()];
            let config = ClipConfig {
                weights: "x".into(),
                descriptions: super::super::Descriptions::Templates(descriptions),
                size,
                normalise: true,
            };
            VisionLanguageConfig::Clip(config).operations(0.0, 64, 64)
        };
        assert_eq!(clip(0), clip(320));
        assert_eq!(clip(640), 4.0 * clip(320));
        assert!((clip(224) - 68.8e9).abs() < 1e6);
    }
}
