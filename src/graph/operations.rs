//! The number of floating-point operations of a network. It tells how long a training takes, before anything runs.
//!
//! A multiplication and the addition of its product are two operations. Products of matrices and convolutions are
//! counted; norms, activations and resizing are not, because they are a few percent of the whole.

use super::backbone::{BackboneConfig, BlockKind, STAGES};
use super::config::{ModelConfig, QueryIouHead, QueryMaskHead};
use super::scales::SCALES;

/// Operations for each multiplication that is added to a sum.
const FUSED: f64 = 2.0;
/// The operations of a training pass, in forward passes: the gradient of the inputs and that of the weights
/// take one more each.
const TRAINING: f64 = 3.0;
/// Operations to read one point of a map between its pixels and add it to a sum: four pixels with their weights.
const SAMPLE: f64 = 10.0;
/// Red, green, blue.
const COLOURS: usize = 3;
/// The side of the kernels in a residual block and in the feature pyramid.
const KERNEL: usize = 3;

/// The operations of a network for one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operations {
    /// Those of a forward pass through the backbone.
    pub backbone: f64,
    /// Those of a forward pass through everything after it that a test uses.
    pub rest: f64,
    /// Those of a forward pass through parts that learn from unlabelled pictures alone.
    pub auxiliary: f64,
    /// True if the backbone is trained.
    pub trains_backbone: bool,
}

impl Operations {
    /// A forward pass.
    pub fn forward(self) -> f64 {
        self.backbone + self.rest
    }

    /// A forward and a backward pass.
    pub fn training(self) -> f64 {
        let backbone = if self.trains_backbone { TRAINING } else { 1.0 };
        backbone * self.backbone + TRAINING * self.rest
    }

    /// What a training pass for an unlabelled picture has beyond [`Self::training`].
    pub fn auxiliary_training(self) -> f64 {
        TRAINING * self.auxiliary
    }
}

/// `rows` times `inputs` values, each row -> `outputs` values.
pub(super) fn product(rows: usize, inputs: usize, outputs: usize) -> f64 {
    FUSED * rows as f64 * inputs as f64 * outputs as f64
}

/// A convolution with a square kernel whose result has `pixels` pixels.
pub(super) fn convolution(pixels: usize, kernel: usize, inputs: usize, outputs: usize) -> f64 {
    product(pixels, kernel * kernel * inputs, outputs)
}

/// Rows and columns of a map.
#[derive(Clone, Copy)]
struct Size(usize, usize);

impl Size {
    fn reduced(self, stride: usize) -> Self {
        Self(self.0.div_ceil(stride), self.1.div_ceil(stride))
    }

    fn pixels(self) -> usize {
        self.0 * self.1
    }
}

impl BackboneConfig {
    /// A forward pass for a picture of `height` x `width`, and the numbers of pixels of res2 to res5.
    pub(super) fn operations(&self, height: usize, width: usize) -> (f64, [usize; STAGES]) {
        let stem = &self.stem;
        let mut size = Size(height, width).reduced(stem.stride);
        let mut count = convolution(size.pixels(), stem.kernel, COLOURS, stem.width);
        if stem.pool {
            size = size.reduced(2);
        }
        let mut channels = stem.width;
        let mut pixels = [0; STAGES];
        for (stage, (&width, &depth)) in self.widths.iter().zip(&self.depths).enumerate() {
            for block in 0..depth {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let before = size.pixels();
                size = size.reduced(stride);
                let after = size.pixels();
                let outputs = self.block.channels(width);
                count += match self.block {
                    BlockKind::Basic => {
                        convolution(after, KERNEL, channels, width)
                            + convolution(after, KERNEL, width, width)
                    }
                    BlockKind::Bottleneck => {
                        let first = if self.stride_in_1x1 { after } else { before };
                        convolution(first, 1, channels, width)
                            + convolution(after, KERNEL, width, width)
                            + convolution(after, 1, width, outputs)
                    }
                };
                if channels != outputs || stride != 1 {
                    count += convolution(after, 1, channels, outputs);
                }
                channels = outputs;
            }
            pixels[stage] = size.pixels();
        }
        (count, pixels)
    }
}

impl ModelConfig {
    /// The operations for one picture whose input has `height` x `width` pixels.
    pub fn operations(&self, height: usize, width: usize) -> Operations {
        let stride = self.backbone.coarsest_stride();
        let padded = |side: usize| side.next_multiple_of(stride);
        let (backbone, pixels) = self.backbone.operations(padded(height), padded(width));
        let rest = self.pixel_decoder(pixels) + self.transformer_decoder(pixels);
        Operations {
            backbone,
            rest,
            auxiliary: 0.0,
            trains_backbone: !self.backbone.frozen.is_all(),
        }
    }

    /// The encoder of the three coarser maps, and the feature pyramid that ends in the mask features.
    fn pixel_decoder(&self, [finest, coarser @ ..]: [usize; STAGES]) -> f64 {
        let [fine_channels, coarse_channels @ ..] = self.backbone.channels();
        let maps = coarser.iter().zip(coarse_channels);
        let projected: f64 = maps
            .map(|(&pixels, channels)| convolution(pixels, 1, channels, self.width))
            .sum();
        let tokens: usize = coarser.iter().sum();
        let points = self.heads * SCALES * self.encoder_points;
        let sampled = SAMPLE * (tokens * points * (self.width / self.heads)) as f64;
        let layer = 2.0 * product(tokens, self.width, self.width)
            // Two offsets and a weight of every point.
            + product(tokens, self.width, 3 * points)
            + sampled
            + 2.0 * product(tokens, self.width, self.encoder_ffn);
        let pyramid = convolution(finest, 1, fine_channels, self.width)
            + convolution(finest, KERNEL, self.width, self.fpn_width)
            + convolution(finest, 1, self.fpn_width, self.mask_width);
        projected + self.encoder_layers as f64 * layer + pyramid
    }

    /// The layers of queries, and the predictions before the first and after each.
    fn transformer_decoder(&self, [finest, res3, res4, res5]: [usize; STAGES]) -> f64 {
        let (queries, width) = (self.queries, self.width);
        let memory = [res5, res4, res3];
        let layer = |index: usize| {
            let tokens = memory[index % SCALES];
            let attention = |keys: usize| {
                2.0 * product(queries, width, width)
                    + 2.0 * product(keys, width, width)
                    + 2.0 * product(queries, width, keys)
            };
            attention(tokens) + attention(queries) + 2.0 * product(queries, width, self.decoder_ffn)
        };
        let layers: f64 = (0..self.decoder_layers).map(layer).sum();
        let embedding =
            2.0 * product(queries, width, width) + product(queries, width, self.mask_width);
        let coarse = match self.mask_head {
            QueryMaskHead::Plain => 0.0,
            QueryMaskHead::NoiseTolerant => {
                embedding + product(queries, self.mask_width, finest / 4)
            }
        };
        let prediction = embedding
            + product(queries, self.mask_width, finest)
            + coarse
            + match self.iou_head {
                QueryIouHead::None => 0.0,
                QueryIouHead::Flat => product(queries, width, width) + product(queries, width, 1),
            };
        layers + (self.decoder_layers + 1) as f64 * prediction
    }
}

#[cfg(test)]
mod tests {
    use super::super::backbone::{Frozen, NormKind, StemConfig};
    use super::super::config;
    use super::*;

    /// ResNet-50, with the larger network of the paper behind it.
    fn published() -> ModelConfig {
        let mut model = ModelConfig {
            queries: 100,
            width: 256,
            fpn_width: 256,
            mask_width: 256,
            heads: 8,
            encoder_layers: 6,
            encoder_points: 4,
            encoder_ffn: 1024,
            decoder_layers: 9,
            decoder_ffn: 2048,
            ..config::tests::default()
        };
        let backbone = &mut model.backbone;
        (backbone.block, backbone.norm) = (BlockKind::Bottleneck, NormKind::FrozenBatch);
        backbone.stem = StemConfig {
            width: 64,
            kernel: 7,
            stride: 2,
            pool: true,
        };
        (backbone.widths, backbone.depths) = ([64, 128, 256, 512], [3, 4, 6, 3]);
        model
    }

    #[test]
    fn resnet_50_has_the_published_number_of_operations() {
        // torchvision: 4.089 G multiplications for 224 x 224, 2.048 M of them in the classifier.
        let (count, pixels) = published().backbone.operations(224, 224);
        let expected = FUSED * (4.089e9 - 2.048e6);
        assert!((count / expected - 1.0).abs() < 0.01, "{count}");
        assert_eq!(pixels, [56, 28, 14, 7].map(|side| side * side));
    }

    #[test]
    fn mask2former_has_about_the_published_number_of_operations() {
        // <https://arxiv.org/abs/2112.01527>, table 1: 226 G multiplications, the mean over COCO's pictures at
        // a shorter side of 800.
        let count = published().operations(800, 1100).forward();
        let expected = FUSED * 226e9;
        assert!((count / expected - 1.0).abs() < 0.1, "{count}");
    }

    #[test]
    fn a_frozen_backbone_is_passed_once_and_a_larger_picture_costs_more() {
        let mut model = config::tests::default();
        let trained = model.operations(64, 64);
        assert_eq!(trained.training(), 3.0 * trained.forward());
        model.backbone.frozen = Frozen::ALL;
        let frozen = model.operations(64, 64);
        assert_eq!(frozen.forward(), trained.forward());
        assert_eq!(
            trained.training() - frozen.training(),
            2.0 * trained.backbone
        );
        let larger = model.operations(128, 128).forward() / frozen.forward();
        assert!((3.5..4.5).contains(&larger), "{larger}");
        assert_eq!(model.operations(49, 64), frozen, "padded to the stride");
    }
}
