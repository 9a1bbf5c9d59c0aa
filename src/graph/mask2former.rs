//! Mask2Former for instance segmentation, <https://arxiv.org/abs/2112.01527>: backbone, pixel decoder,
//! transformer decoder.
//!
//! Shapes: B images of H x W, Q queries, K classes; masks have the size of res2: H/4 x W/4 with the stem of
//! the paper. Parameters have the names of the reference checkpoint.

use crate::graph::ModelConfig;
use crate::graph::backbone::STAGES;
use crate::graph::input::Normaliser;
use crate::graph::network_weights::NetworkWeights;
use crate::graph::pixel_decoder::{PixelDecoder, PixelFeatures};
use crate::graph::scales::Scales;
use crate::graph::transformer_decoder::{Predictions, TransformerDecoder};
use crate::graph::trunk::Trunk;
use crate::nn::params::{Param, Parameters, join};
use crate::registry::Checked;
use crate::rng::Stream;
use crate::structures::Picture;
use crate::tensor::{Map, Place, Tape};

/// The network. A clone shares the values of its parameters until either is written.
#[derive(Clone, Debug)]
pub struct Mask2Former {
    trunk: Trunk,
    pixel_decoder: PixelDecoder,
    predictor: TransformerDecoder,
    width: usize,
}

impl Mask2Former {
    /// A network for `classes` object classes. Its values are drawn from `rng` or read from `config.weights`
    /// or `config.backbone.weights`.
    ///
    /// # Errors
    /// The sizes do not fit together, or weights are missing or do not fit.
    pub fn new(config: &ModelConfig, classes: usize, rng: &mut Stream) -> anyhow::Result<Self> {
        config.checked()?;
        let backbone = &config.backbone;
        let mut model = Self {
            trunk: Trunk::new(
                backbone,
                Normaliser::new(
                    (config.pixel_mean, config.pixel_std),
                    config.channel_order,
                    backbone.coarsest_stride(),
                ),
                classes,
                rng,
            )?,
            pixel_decoder: PixelDecoder::new(config, backbone.channels(), rng),
            predictor: TransformerDecoder::new(config, classes, rng),
            width: config.width,
        };
        if !config.weights.as_os_str().is_empty() {
            NetworkWeights::open(&config.weights)?.load(config, &mut model)?;
        }
        Ok(model)
    }

    /// The preparation of its input, its backbone and the number of its classes.
    pub fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    /// The same, to set the values of the backbone.
    pub fn trunk_mut(&mut self) -> &mut Trunk {
        &mut self.trunk
    }

    /// The place of the network.
    pub fn place(&self) -> Place {
        self.predictor.place()
    }

    /// Pictures on the host -> one normalised map of 3 channels. It is padded with 0 at the right and at the
    /// bottom to a common size, which is a multiple of the coarsest stride. Panics if there is no picture.
    pub fn normalise(&self, pictures: &[&Picture]) -> Map {
        let normaliser = &self.trunk.normaliser;
        normaliser.pictures(pictures, &self.place()).map
    }

    /// images of [`Self::normalise`] -> res2, res3, res4, res5.
    pub fn backbone_features(&self, tape: &mut Tape, images: &Map) -> [Map; STAGES] {
        self.trunk.backbone.forward(tape, images)
    }

    /// images of [`Self::normalise`] -> the predictions of every layer.
    pub fn forward(&self, tape: &mut Tape, images: &Map) -> Predictions {
        let features = self.backbone_features(tape, images);
        let pixels = self.pixel_features(tape, &features);
        self.predictions(tape, &features, &pixels)
    }

    /// res2 to res5 -> the output of the pixel decoder. This is the middle part of [`Self::forward`].
    pub fn pixel_features(&self, tape: &mut Tape, features: &[Map; STAGES]) -> PixelFeatures {
        self.pixel_decoder
            .forward(tape, features, &self.scales(features))
    }

    /// res2 to res5 and the output of the pixel decoder -> the predictions of every layer. This is the last
    /// part of [`Self::forward`].
    pub fn predictions(
        &self,
        tape: &mut Tape,
        features: &[Map; STAGES],
        pixels: &PixelFeatures,
    ) -> Predictions {
        self.predictor.forward(tape, pixels, &self.scales(features))
    }

    fn scales(&self, [_, res3, res4, res5]: &[Map; STAGES]) -> Scales {
        Scales::new([res3, res4, res5], self.width)
    }
}

impl Parameters for Mask2Former {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        let backbone = &mut self.trunk.backbone;
        backbone.parameters(&join(prefix, "backbone"), visit);
        self.pixel_decoder
            .parameters(&join(prefix, "sem_seg_head.pixel_decoder"), visit);
        self.predictor
            .parameters(&join(prefix, "sem_seg_head.predictor"), visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::backbone::{BlockKind, Frozen, NormKind, ResNet};
    use crate::graph::config;
    use crate::nn::params::bits_of;
    use crate::ops;
    use crate::ops::check::with_threads;
    use crate::tensor::{Grads, Tensor2};

    const CLASSES: usize = 3;

    fn small() -> Mask2Former {
        with(&config::tests::small())
    }

    /// A network with every trained value moved at random. A new network has zero weights, and no gradient
    /// flows through them.
    fn with(config: &ModelConfig) -> Mask2Former {
        let mut rng = Stream::new(4, "model");
        let mut model = Mask2Former::new(config, CLASSES, &mut rng).unwrap();
        model.parameters("", &mut |_, param| {
            let values = param.value.values_mut().iter_mut();
            values.for_each(|value| *value += 0.1 * rng.normal() as f32);
        });
        model
    }

    /// Two pictures of noise, 32 x 48.
    fn images(model: &Mask2Former) -> Map {
        let mut rng = Stream::new(5, "picture");
        let mut picture = || {
            Picture::new(
                32,
                48,
                (0..32 * 48 * 3).map(|_| rng.below(256) as u8).collect(),
            )
        };
        model.normalise(&[&picture(), &picture()])
    }

    /// A loss of all layers: every query should be of class 1 and cover a fixed part of the image.
    fn loss(model: &Mask2Former, tape: &mut Tape, images: &Map) -> Tensor2 {
        let predictions = model.forward(tape, images);
        let rows = predictions.batch * predictions.queries;
        let pixels = predictions.height * predictions.width;
        let target = (0..rows * pixels).map(|i| f32::from(i % 24 < 9));
        let target = Tensor2::constant(target.collect(), rows, pixels);
        let mut terms = Vec::new();
        for layer in &predictions.layers {
            terms.push(ops::cross_entropy(
                tape,
                &layer.classes,
                &vec![1; rows],
                &vec![1.0; rows],
                rows as f32,
            ));
            terms.push(ops::bce_points(
                tape,
                &layer.masks,
                &target,
                None,
                rows as f32,
            ));
        }
        ops::weighted_sum(
            tape,
            &terms.iter().map(|term| (term, 1.0)).collect::<Vec<_>>(),
        )
    }

    /// The loss and the gradients.
    fn differentiate(model: &Mask2Former) -> (f32, Grads) {
        let mut tape = Tape::recording();
        let loss = loss(model, &mut tape, &images(model));
        (loss.scalar(), tape.backward(&loss))
    }

    #[test]
    fn the_defaults_have_the_parameters_of_the_measured_design() {
        let mut model =
            Mask2Former::new(&config::tests::default(), 10, &mut Stream::new(0, "m")).unwrap();
        let mut count = 0;
        model.parameters("", &mut |_, param| count += param.value.len());
        assert_eq!(count, 450_147);
    }

    #[test]
    fn resnet_50_has_the_published_number_of_weights() {
        let mut backbone = config::tests::default().backbone;
        (backbone.block, backbone.norm) = (BlockKind::Bottleneck, NormKind::FrozenBatch);
        backbone.stem = crate::graph::backbone::StemConfig {
            width: 64,
            kernel: 7,
            stride: 2,
            pool: true,
        };
        (backbone.widths, backbone.depths) = ([64, 128, 256, 512], [3, 4, 6, 3]);
        let mut resnet = ResNet::new(&backbone, &mut Stream::new(0, "m")).unwrap();
        let (mut kernels, mut norms) = (0, 0);
        resnet.parameters("", &mut |name, param| {
            *(if name.contains("norm") {
                &mut norms
            } else {
                &mut kernels
            }) += param.value.len();
        });
        // torchvision's resnet50: 25 557 032 parameters, of which 2 049 000 are in the classifier and 53 120
        // in norms; there are as many running statistics as norm parameters.
        assert_eq!(
            (kernels, norms),
            (25_557_032 - 2_049_000 - 53_120, 2 * 53_120)
        );
    }

    #[test]
    fn names_are_the_reference_checkpoints() {
        let mut names = Vec::new();
        small().parameters("", &mut |name, _| names.push(name.to_string()));
        for name in [
            "backbone.stem.conv1.weight",
            "backbone.res2.0.conv1.norm.weight",
            "backbone.res3.0.shortcut.weight",
            "sem_seg_head.pixel_decoder.input_proj.0.0.weight",
            "sem_seg_head.pixel_decoder.transformer.level_embed",
            "sem_seg_head.pixel_decoder.transformer.encoder.layers.0.self_attn.sampling_offsets.weight",
            "sem_seg_head.pixel_decoder.adapter_1.norm.bias",
            "sem_seg_head.pixel_decoder.layer_1.weight",
            "sem_seg_head.predictor.transformer_cross_attention_layers.0.multihead_attn.in_proj_weight",
            "sem_seg_head.predictor.transformer_self_attention_layers.2.self_attn.out_proj.bias",
            "sem_seg_head.predictor.transformer_ffn_layers.1.linear2.weight",
            "sem_seg_head.predictor.decoder_norm.weight",
            "sem_seg_head.predictor.query_feat.weight",
            "sem_seg_head.predictor.mask_embed.layers.2.bias",
        ] {
            assert!(names.iter().any(|known| known == name), "no `{name}`");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "names are unique");
    }

    #[test]
    fn every_trained_parameter_gets_a_gradient() {
        let mut model = small();
        let (_, mut grads) = differentiate(&model);
        model.parameters("", &mut |name, param| {
            let gradient = param.value.gradient(&mut grads);
            assert!(gradient.iter().all(|g| g.is_finite()), "{name}");
            assert!(
                gradient.iter().any(|g| *g != 0.0),
                "{name} gets no gradient"
            );
        });
    }

    #[test]
    fn the_loss_falls_along_the_gradient_as_fast_as_the_gradient_says() {
        let mut model = small();
        let mut names = Vec::new();
        // All mask logits are far above 0: a flip in an attention mask between two probes would be a jump,
        // not a slope.
        model.parameters("", &mut |name, param| {
            if name.ends_with("mask_embed.layers.2.bias") || name.ends_with("mask_features.bias") {
                param.value.values_mut().fill(2.0);
            }
            names.push(name.to_string());
        });
        let (_, mut grads) = differentiate(&model);
        for name in names.iter().step_by(9) {
            let mut length = 0.0;
            // The loss with `name` moved by `step` along its normalised gradient.
            let mut at = |step: f32| {
                let mut moved = model.clone();
                moved.parameters("", &mut |other, param| {
                    if other == name {
                        let gradient = param.value.gradient(&mut grads);
                        length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
                        let values = param.value.values_mut().iter_mut().zip(&gradient);
                        values.for_each(|(value, g)| *value += step * g / length);
                    }
                });
                f64::from(loss(&moved, &mut Tape::off(), &images(&moved)).scalar())
            };
            let step = 2e-3;
            let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
            // Small gradients are lost in the rounding of the loss.
            let allowed = 0.02 * f64::from(length) + 5e-3;
            assert!(
                (slope - f64::from(length)).abs() < allowed,
                "{name}: slope {slope}, gradient {length}"
            );
        }
    }

    #[test]
    fn results_are_the_same_bits_at_any_number_of_threads() {
        let run = |threads| {
            with_threads(threads, || {
                let mut model = small();
                let (loss, mut grads) = differentiate(&model);
                bits_of(&mut model, loss, &mut grads)
            })
        };
        assert!(run(1) == run(3));
    }

    #[test]
    fn gradient_steps_reduce_the_loss() {
        let mut model = small();
        let (first, _) = differentiate(&model);
        for _ in 0..12 {
            let (_, mut grads) = differentiate(&model);
            model.parameters("", &mut |_, param| {
                let gradient = param.value.gradient(&mut grads);
                let values = param.value.values_mut().iter_mut().zip(&gradient);
                values.for_each(|(value, g)| *value -= 3e-3 * g.signum());
            });
        }
        let (last, _) = differentiate(&model);
        assert!(last < 0.6 * first, "{first} -> {last}");
    }

    #[test]
    fn a_frozen_backbone_keeps_its_values_and_has_no_gradient() {
        let mut config = config::tests::small();
        for (stages, names) in [
            (Frozen::ALL, vec!["backbone."]),
            (
                Frozen::up_to(2).unwrap(),
                vec!["backbone.stem.", "backbone.res2."],
            ),
        ] {
            config.backbone.frozen = stages;
            let mut model = with(&config);
            let (_, mut grads) = differentiate(&model);
            let mut frozen = 0;
            model.parameters("", &mut |name, param| {
                let trained = !names.iter().any(|stage| name.starts_with(stage));
                assert_eq!(param.value.requires_grad(), trained, "{name}");
                assert_eq!(
                    param.value.gradient(&mut grads).iter().any(|g| *g != 0.0),
                    trained,
                    "{name}"
                );
                frozen += usize::from(!trained);
            });
            assert!(
                frozen > 0,
                "the EMA and the checkpoint still see the backbone"
            );
        }
    }

    #[test]
    fn a_clone_is_a_network_of_its_own() {
        let mut student = small();
        let mut teacher = student.clone();
        let before = loss(&student, &mut Tape::off(), &images(&student)).scalar();
        teacher.parameters("", &mut |_, param| param.value.values_mut().fill(0.1));
        let after = loss(&student, &mut Tape::off(), &images(&student)).scalar();
        assert_eq!(before, after);
        student.parameters("", &mut |name, param| {
            assert!(param.value.values().iter().any(|v| *v != 0.1), "{name}");
        });
    }
}
