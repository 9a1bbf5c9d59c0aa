//! The number of parameters of a network, counted from its keys: before anything is allocated.
//!
//! The layers of the classes are left out, because their number is not known before the dataset is read.

use super::backbone::{BackboneConfig, BlockKind, NormKind};
use super::bounds::Part;
use super::config::{ModelConfig, QueryIouHead, QueryMaskHead};
use super::scales::SCALES;

/// Red, green, blue.
const COLOURS: usize = 3;
/// The side of the kernels in a residual block and in the feature pyramid.
const KERNEL: usize = 3;
/// Scale and shift of a norm that is trained.
const NORM: f64 = 2.0;

/// The weights between `inputs` and `outputs` values, without a bias.
pub(super) fn weights(inputs: usize, outputs: usize) -> f64 {
    inputs as f64 * outputs as f64
}

/// A layer from `inputs` to `outputs` values, with a bias.
pub(super) fn layer(inputs: usize, outputs: usize) -> f64 {
    weights(inputs, outputs) + outputs as f64
}

impl BackboneConfig {
    /// The backbone.
    pub(super) fn part(&self) -> Part {
        let norm = match self.norm {
            NormKind::Group => NORM,
            // A mean and a variance, too.
            NormKind::FrozenBatch | NormKind::FrozenStatistics => 2.0 * NORM,
        };
        let convolution = |kernel: usize, inputs: usize, outputs: usize| {
            weights(kernel * kernel * inputs, outputs) + norm * outputs as f64
        };
        let mut count = convolution(self.stem.kernel, COLOURS, self.stem.width);
        let mut channels = self.stem.width;
        for (stage, (&width, &depth)) in self.widths.iter().zip(&self.depths).enumerate() {
            let outputs = self.block.channels(width);
            for block in 0..depth {
                count += match self.block {
                    BlockKind::Basic => {
                        convolution(KERNEL, channels, width) + convolution(KERNEL, width, width)
                    }
                    BlockKind::Bottleneck => {
                        convolution(1, channels, width)
                            + convolution(KERNEL, width, width)
                            + convolution(1, width, outputs)
                    }
                };
                let halves = stage > 0 && block == 0;
                if channels != outputs || halves {
                    count += convolution(1, channels, outputs);
                }
                channels = outputs;
            }
        }
        Part {
            keys: &["backbone.widths", "backbone.depths"],
            parameters: count,
        }
    }
}

impl ModelConfig {
    /// The parts of the network.
    pub(super) fn parts(&self) -> [Part; 5] {
        let width = self.width;
        let norm = NORM * width as f64;
        let [finest, coarser @ ..] = self.backbone.channels();
        let projected: f64 = coarser
            .iter()
            .map(|&channels| layer(channels, width) + norm)
            .sum();
        let pyramid = weights(finest, width)
            + norm
            + weights(KERNEL * KERNEL * width, self.fpn_width)
            + NORM * self.fpn_width as f64
            + layer(self.fpn_width, self.mask_width);
        let hidden = |ffn: usize| layer(width, ffn) + layer(ffn, width);
        let points = self.heads * SCALES * self.encoder_points;
        // Two offsets and a weight of every point.
        let deformable = layer(width, 3 * points) + 2.0 * layer(width, width);
        let encoder = deformable + hidden(self.encoder_ffn) + 2.0 * norm;
        // Queries, keys, values and the output.
        let attention = 4.0 * layer(width, width);
        let decoder = 2.0 * attention + hidden(self.decoder_ffn) + 3.0 * norm;
        let iou = match self.iou_head {
            QueryIouHead::None => 0.0,
            QueryIouHead::Flat => layer(width, width) + layer(width, 1),
        };
        let embedding = 2.0 * layer(width, width) + layer(width, self.mask_width);
        let coarse = match self.mask_head {
            QueryMaskHead::Plain => 0.0,
            // Three numbers fuse the masks.
            QueryMaskHead::NoiseTolerant => embedding + 3.0,
        };
        let head = norm + embedding + coarse + iou;
        // Those of the levels are added to the maps in the encoder and in the decoder.
        let embeddings = weights(2 * self.queries + 2 * SCALES, width);
        [
            self.backbone.part(),
            Part {
                keys: &[
                    "encoder-layers",
                    "width",
                    "encoder-ffn",
                    "heads",
                    "encoder-points",
                ],
                parameters: self.encoder_layers as f64 * encoder,
            },
            Part {
                keys: &["decoder-layers", "width", "decoder-ffn"],
                parameters: self.decoder_layers as f64 * decoder,
            },
            Part {
                keys: &["width", "fpn-width", "mask-width", "backbone.widths"],
                parameters: projected + pyramid + head,
            },
            Part {
                keys: &["queries", "width"],
                parameters: embeddings,
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::backbone::StemConfig;
    use super::super::config::tests::{default, small};
    use super::*;
    use crate::graph::Mask2Former;
    use crate::nn::params::Parameters;
    use crate::registry::Checked;
    use crate::rng::Stream;

    fn total(config: &ModelConfig) -> f64 {
        config.parts().iter().map(|part| part.parameters).sum()
    }

    /// A ResNet of this depth with a `width` of its first stage.
    fn bottlenecks(config: &mut ModelConfig, width: usize, depths: [usize; 4]) {
        let backbone = &mut config.backbone;
        (backbone.block, backbone.norm) = (BlockKind::Bottleneck, NormKind::FrozenBatch);
        backbone.stem = StemConfig {
            width,
            kernel: 7,
            stride: 2,
            pool: true,
        };
        (backbone.widths, backbone.depths) = ([1, 2, 4, 8].map(|factor| factor * width), depths);
    }

    #[test]
    fn the_count_is_that_of_the_network() {
        let mut bottleneck = small();
        bottlenecks(&mut bottleneck, 8, [1, 2, 1, 1]);
        let with_heads = ModelConfig {
            iou_head: QueryIouHead::Flat,
            mask_head: QueryMaskHead::NoiseTolerant,
            ..small()
        };
        for config in [default(), small(), bottleneck, with_heads] {
            let mut network = Mask2Former::new(&config, 3, &mut Stream::new(0, "m")).unwrap();
            let mut count = 0;
            network.parameters("", &mut |name, param| {
                if !name.contains("class_embed") {
                    count += param.value.len();
                }
            });
            assert_eq!(total(&config), count as f64);
        }
    }

    #[test]
    fn a_network_of_a_billion_parameters_is_accepted() {
        let mut large = default();
        bottlenecks(&mut large, 64, [3, 8, 36, 3]);
        (large.width, large.fpn_width, large.mask_width) = (1536, 1536, 1536);
        (large.heads, large.encoder_layers, large.encoder_ffn) = (16, 12, 6144);
        (large.decoder_layers, large.decoder_ffn) = (18, 6144);
        let count = total(&large);
        assert!((0.9e9..1.5e9).contains(&count), "{count}");
        large.checked().unwrap();
    }

    #[test]
    fn absurd_sizes_in_combination_are_refused_once_with_their_keys() {
        let refused = |change: fn(&mut ModelConfig)| {
            let mut config = default();
            change(&mut config);
            let errors = config.checked().expect_err("refused");
            assert_eq!(errors.iter().count(), 1, "{errors}");
            errors[0].clone()
        };
        let decoder = refused(|config| {
            (config.width, config.decoder_layers, config.decoder_ffn) = (8192, 256, 65_536);
        });
        assert_eq!(decoder.key, "decoder-layers");
        assert!(
            decoder.message.contains("allowed: at most 4 billion. 412.4 billion of them are given by `decoder-layers`, `width`"),
            "{}", decoder.message
        );
        let encoder = refused(|config| {
            (config.width, config.heads) = (8192, 8192);
            (config.encoder_layers, config.encoder_points) = (256, 64);
            (config.norm_groups, config.fpn_width) = (8, 64);
        });
        assert_eq!(encoder.key, "encoder-layers");
        let backbone = refused(|config| {
            (config.backbone.widths, config.backbone.depths) = ([8192; 4], [256; 4]);
        });
        assert_eq!(backbone.key, "backbone.widths");
        // A key that is refused itself is told alone.
        assert_eq!(refused(|config| config.width = 1 << 40).key, "width");
    }
}
