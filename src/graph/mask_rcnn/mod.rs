//! Mask R-CNN, <https://arxiv.org/abs/1703.06870>, with a feature pyramid: backbone, pyramid, region proposal network,
//! box head, mask head.
//!
//! Shapes: B images of H x W, A anchors of an image, R regions, K classes. Which regions there are is not decided here:
//! training samples them by the objects, a test by their scores (`detector::mask_rcnn`). Parameters have detectron2's
//! names. With two branches those of the strong one have them, so that a file of a single branch fits it.

mod anchors;
mod auxiliary;
mod box_head;
mod config;
mod fpn;
mod head_kinds;
mod iou_head;
mod mask_head;
mod mask_predictions;
mod noise_tolerant_head;
mod operations;
mod parameters;
mod plain_mask_head;
mod points;
mod region_heads;
mod rpn;
mod semantics;

use crate::graph::input::Normaliser;
use crate::graph::regional::{DOUBLING, IouPredictions, Region};
use crate::graph::trunk::Trunk;
use crate::graph::weights::{self, AUXILIARY};
use crate::nn::params::{Param, Parameters, join};
use crate::ops::{self, Bounds, Roi};
use crate::registry::Checked;
use crate::rng::Stream;
use crate::tensor::{Map, Tape, Tensor2};
use auxiliary::AuxiliaryHead;
use fpn::Fpn;
use region_heads::RegionHeads;
use rpn::RpnHead;

pub use box_head::RegionPredictions;
#[cfg(test)]
pub(crate) use config::tests::published;
pub use config::{DetectionConfig, HeadConfig, MaskRcnnConfig, ProposalConfig};
pub use fpn::LEVELS;
pub use head_kinds::{Branches, IouHeadKind, MaskHeadKind};
pub use mask_predictions::MaskPredictions;
pub use points::RulesConfig;
pub use rpn::AnchorPredictions;
pub use semantics::{LowQuality, Rules, Semantics};

/// Levels that regions are read from: all but the coarsest.
const REGION_LEVELS: usize = LEVELS - 1;

/// The network. A clone shares the values of its parameters until either is written.
#[derive(Clone, Debug)]
pub struct MaskRcnn {
    trunk: Trunk,
    fpn: Fpn,
    rpn: RpnHead,
    heads: RegionHeads,
    /// The heads for pseudo-labels; none if they share those of labels.
    weak_heads: Option<RegionHeads>,
    auxiliary: Vec<AuxiliaryHead>,
    config: MaskRcnnConfig,
    rules: Rules,
}

/// The heads that look at a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// Those that learn from labels and find the objects.
    Strong,
    /// Those that learn from pseudo-labels, if they have heads of their own.
    Weak,
}

/// A head for regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// That of classes and boxes.
    Box,
    /// That of masks.
    Mask,
}

impl MaskRcnn {
    /// A network for `classes` object classes. Its values are drawn from `rng` or read from `config.weights` or
    /// `config.backbone.weights`.
    ///
    /// # Errors
    /// The sizes do not fit together, or weights are missing or do not fit.
    pub fn new(config: &MaskRcnnConfig, classes: usize, rng: &mut Stream) -> anyhow::Result<Self> {
        config.checked()?;
        let (backbone, rules) = (&config.backbone, config.rules());
        let width = config.fpn_width;
        let mut model = Self {
            trunk: Trunk::new(
                backbone,
                Normaliser::new(
                    (config.pixel_mean, config.pixel_std),
                    config.channel_order,
                    backbone.coarsest_stride(),
                )
                .resizing_by(rules.resizing),
                classes,
                rng,
            )?,
            fpn: Fpn::new(&rules, backbone.channels(), width, rng),
            rpn: RpnHead::new(width, config.anchor_ratios.len(), rng),
            heads: RegionHeads::new(config, &rules, classes, rng),
            weak_heads: match config.branches {
                Branches::Shared => None,
                Branches::StrongWeak => Some(RegionHeads::new(config, &rules, classes, rng)),
            },
            // They are drawn last, so that the rest of the network is the same without them.
            auxiliary: (0..config.auxiliary_heads)
                .map(|_| AuxiliaryHead::new(&config.heads, &rules, width, classes, rng))
                .collect(),
            config: config.clone(),
            rules,
        };
        if !config.weights.as_os_str().is_empty() {
            weights::load_mask_rcnn(&mut model, &config.weights)?;
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

    /// The number of object classes K.
    pub fn classes(&self) -> usize {
        self.trunk.classes
    }

    /// Its sizes.
    pub fn config(&self) -> &MaskRcnnConfig {
        &self.config
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Normalised images of 3 channels -> p2 to p6.
    pub fn levels(&self, tape: &mut Tape, images: &Map) -> [Map; LEVELS] {
        let features = self.trunk.backbone.forward(tape, images);
        self.fpn.forward(tape, &features)
    }

    /// p2 to p6 -> the predictions for all anchors.
    pub fn anchor_predictions(&self, tape: &mut Tape, levels: &[Map; LEVELS]) -> AnchorPredictions {
        self.rpn.forward(tape, levels)
    }

    /// The anchors of an image, in the order of the predictions. `padded`: rows and columns of the input. Also the
    /// number of anchors of each level.
    pub fn anchors(
        &self,
        levels: &[Map; LEVELS],
        padded: (usize, usize),
    ) -> (Vec<Bounds>, [usize; LEVELS]) {
        let (config, sizes) = (&self.config, levels.each_ref().map(|l| (l.height, l.width)));
        let ratios = &config.anchor_ratios;
        let strides = config.strides();
        let all = anchors::anchors(
            &self.rules,
            &config.anchor_sizes,
            ratios,
            padded,
            &sizes,
            &strides,
        );
        (
            all,
            sizes.map(|(height, width)| height * width * ratios.len()),
        )
    }

    fn heads(&self, branch: Branch) -> &RegionHeads {
        let weak = self.weak_heads.as_ref();
        weak.filter(|_| branch == Branch::Weak)
            .unwrap_or(&self.heads)
    }

    /// The classes and boxes of `regions`.
    pub fn region_predictions(
        &self,
        tape: &mut Tape,
        levels: &[Map; LEVELS],
        regions: &[Region],
        branch: Branch,
    ) -> RegionPredictions {
        let pooled = self.pooled(tape, levels, regions, HeadKind::Box);
        self.heads(branch).box_head.forward(tape, &pooled)
    }

    /// The masks of `regions`, with [`Self::mask_side`] pixels along a side.
    pub fn mask_predictions(
        &self,
        tape: &mut Tape,
        levels: &[Map; LEVELS],
        regions: &[Region],
        branch: Branch,
    ) -> MaskPredictions {
        let pooled = self.pooled(tape, levels, regions, HeadKind::Mask);
        self.heads(branch).mask_head.forward(tape, pooled)
    }

    /// The IoU of `masks` with their objects; none if the network does not predict it. `own` `[R * side * side, 1]`:
    /// the mask logits of each region's own class, which is in `classes`.
    pub fn iou_predictions(
        &self,
        tape: &mut Tape,
        masks: &MaskPredictions,
        own: &Tensor2,
        classes: &[usize],
        branch: Branch,
    ) -> Option<IouPredictions> {
        let head = self.heads(branch).iou_head.as_ref()?;
        Some(head.forward(tape, masks, own, classes))
    }

    /// The logits of the classes, `[R, K + 1]`, that the auxiliary head `number` gives the bins of
    /// [`HeadKind::Box`].
    ///
    /// Panics if there is no such head.
    pub fn auxiliary_classes(&self, tape: &mut Tape, number: usize, bins: &Map) -> Tensor2 {
        self.auxiliary[number].classes(tape, bins)
    }

    /// The mask logits that the auxiliary head `number` gives the bins of [`HeadKind::Mask`], as those of
    /// [`Self::mask_predictions`].
    ///
    /// Panics if there is no such head.
    pub fn auxiliary_masks(&self, tape: &mut Tape, number: usize, bins: &Map) -> Map {
        self.auxiliary[number].masks(tape, bins)
    }

    /// Pixels along a side of a region's mask.
    pub fn mask_side(&self) -> usize {
        DOUBLING * self.config.heads.mask_side
    }

    /// Pixels along a side of the coarse mask of a region.
    pub fn coarse_side(&self) -> usize {
        self.config.heads.mask_side
    }

    /// `regions` of the levels that suit their sizes, resampled to the bins of a head: a map of R images.
    pub fn pooled(
        &self,
        tape: &mut Tape,
        levels: &[Map; LEVELS],
        regions: &[Region],
        head: HeadKind,
    ) -> Map {
        let side = match head {
            HeadKind::Box => self.config.heads.box_side,
            HeadKind::Mask => self.config.heads.mask_side,
        };
        let strides = self.config.strides();
        let maps: Vec<&Map> = levels.iter().take(REGION_LEVELS).collect();
        let scales: Vec<f32> = strides[..REGION_LEVELS]
            .iter()
            .map(|stride| 1.0 / *stride as f32)
            .collect();
        let canonical = self.config.canonical_side;
        let roi = |region: &Region| {
            let area = region.bounds.area();
            Roi {
                map: anchors::level_of(self.rules.level, area, canonical, REGION_LEVELS),
                image: region.image,
                bounds: region.bounds,
            }
        };
        let rois: Vec<Roi> = regions.iter().map(roi).collect();
        ops::roi_align(tape, &maps, &scales, &rois, self.rules.pool(side))
    }
}

impl Parameters for MaskRcnn {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        let backbone = join(prefix, "backbone");
        let bottom_up = &mut self.trunk.backbone;
        bottom_up.parameters(&join(&backbone, "bottom_up"), visit);
        self.fpn.parameters(&backbone, visit);
        self.rpn
            .parameters(&join(prefix, "proposal_generator.rpn_head"), visit);
        let heads = join(prefix, "roi_heads");
        self.heads.parameters(&heads, visit);
        if let Some(weak) = &mut self.weak_heads {
            weak.parameters(&join(&heads, "weak"), visit);
        }
        for (number, head) in self.auxiliary.iter_mut().enumerate() {
            head.parameters(&join(prefix, &format!("{AUXILIARY}{number}")), visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_network_has_the_published_number_of_parameters() {
        const CLASSES: usize = 90;
        let mut model = MaskRcnn::new(&published(), CLASSES, &mut Stream::new(0, "m")).unwrap();
        let (mut trained, mut names) = (0, Vec::new());
        model.parameters("", &mut |name, param| {
            names.push(name.to_string());
            if !name.contains("norm.") {
                trained += param.value.len();
            }
        });
        // torchvision has deltas and a mask of the background, too, which nothing reads.
        let background = 4 * (1024 + 1) + (256 + 1);
        assert_eq!(trained + background, 44_401_393);
        for name in [
            "backbone.bottom_up.stem.conv1.norm.bias",
            "backbone.fpn_lateral2.weight",
            "backbone.fpn_output5.bias",
            "proposal_generator.rpn_head.anchor_deltas.weight",
            "roi_heads.box_head.fc1.weight",
            "roi_heads.box_predictor.bbox_pred.bias",
            "roi_heads.mask_head.mask_fcn4.weight",
            "roi_heads.mask_head.deconv.bias",
            "roi_heads.mask_head.predictor.weight",
        ] {
            assert!(names.iter().any(|known| known == name), "no `{name}`");
        }
    }

    #[test]
    fn auxiliary_heads_leave_the_rest_of_the_network_as_it_is() {
        let values = |heads: usize| {
            let mut config = published();
            (config.fpn_width, config.heads.width) = (8, 16);
            (config.heads.mask_width, config.auxiliary_heads) = (8, heads);
            config.backbone.depths = [1; 4];
            let mut model = MaskRcnn::new(&config, 3, &mut Stream::new(4, "m")).unwrap();
            let mut all = Vec::new();
            model.parameters("", &mut |name, param| {
                all.push((name.to_string(), param.value.values().to_vec()));
            });
            all
        };
        let (without, with) = (values(0), values(2));
        assert!(
            with[..without.len()] == without,
            "the main heads come first"
        );
        let more = &with[without.len()..];
        assert!(more.iter().all(|(name, _)| name.contains(AUXILIARY)));
        // fc1, fc2, classes; four convolutions, deconvolution, predictor: each a weight and a bias.
        assert_eq!(more.len(), 2 * 9 * 2);
        let weight = |head: usize| {
            let name = format!("{AUXILIARY}{head}.box_head.fc1.weight");
            &more
                .iter()
                .find(|(known, _)| *known == name)
                .expect("a head")
                .1
        };
        assert_ne!(weight(0), weight(1), "each starts elsewhere");
    }

    /// The mean square of a parameter is the variance of the distribution that the implementation draws from.
    #[test]
    fn initial_values_have_the_variances_of_the_implementation() {
        const CLASSES: usize = 19;
        let uniform = |bound: f64| bound * bound / 3.0;
        let xavier = |inputs: f64, outputs: f64| 2.0 / (inputs + outputs);
        let (flat, wide): (f64, f64) = (7.0 * 7.0 * 64.0, 256.0);
        // Lateral layer of 256 channels, output layer, fc1, classes, deltas, masks, bias of fc1, of masks, of deconv.
        let expected = [
            (
                Semantics::Detectron2,
                [
                    1.0 / 256.0,
                    1.0 / 576.0,
                    1.0 / flat,
                    1e-4,
                    1e-6,
                    1e-6,
                    0.0,
                    0.0,
                    0.0,
                ],
            ),
            (
                Semantics::Torchvision,
                [
                    1.0 / 256.0,
                    1.0 / 576.0,
                    uniform(1.0 / flat.sqrt()),
                    uniform(1.0 / 16.0),
                    uniform(1.0 / 16.0),
                    2.0 / (CLASSES + 1) as f64,
                    uniform(1.0 / flat.sqrt()),
                    uniform(1.0 / 16.0),
                    uniform(1.0 / 32.0),
                ],
            ),
            (
                Semantics::Mmdetection,
                [
                    xavier(256.0, 64.0),
                    xavier(576.0, 576.0),
                    xavier(flat, wide),
                    1e-4,
                    1e-6,
                    2.0 / CLASSES as f64,
                    0.0,
                    0.0,
                    0.0,
                ],
            ),
        ];
        const NAMES: [&str; 9] = [
            "backbone.fpn_lateral2.weight",
            "backbone.fpn_output5.weight",
            "roi_heads.box_head.fc1.weight",
            "roi_heads.box_predictor.cls_score.weight",
            "roi_heads.box_predictor.bbox_pred.weight",
            "roi_heads.mask_head.predictor.weight",
            "roi_heads.box_head.fc1.bias",
            "roi_heads.mask_head.predictor.bias",
            "roi_heads.mask_head.deconv.bias",
        ];
        for (semantics, variances) in expected {
            let mut config = published();
            (config.semantics, config.fpn_width, config.heads.width) = (semantics, 64, 256);
            config.backbone.depths = [1; 4];
            let mut model = MaskRcnn::new(&config, CLASSES, &mut Stream::new(4, "m")).unwrap();
            let mut seen = 0;
            model.parameters("", &mut |name, param| {
                let Some(at) = NAMES.iter().position(|known| *known == name) else {
                    return;
                };
                seen += 1;
                let values = param.value.values();
                let sum: f64 = values.iter().map(|v| f64::from(*v).powi(2)).sum();
                let (found, expected) = (sum / values.len() as f64, variances[at]);
                // A bias has few values.
                let fair = 5.0 * expected / (values.len() as f64).sqrt();
                assert!(
                    (found - expected).abs() <= fair,
                    "{semantics:?} {name}: {found:e}, {expected:e}"
                );
            });
            assert_eq!(seen, NAMES.len());
        }
    }
}
