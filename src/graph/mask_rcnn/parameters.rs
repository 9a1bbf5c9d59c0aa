//! The number of parameters of the network, as for [`crate::graph::ModelConfig`].

use super::config::MaskRcnnConfig;
use super::head_kinds::{Branches, IouHeadKind, MaskHeadKind};
use super::noise_tolerant_head::COARSE_CONVS;
use crate::graph::bounds::Part;
use crate::graph::parameters::{layer, weights};
use crate::graph::regional::DOUBLING;

/// The side of the kernels.
const KERNEL: usize = 3;
/// The numbers of a box.
const BOX: usize = 4;

impl MaskRcnnConfig {
    /// The parts of the network.
    pub(super) fn parts(&self) -> [Part; 6] {
        let convolution = |inputs: usize, outputs: usize| layer(KERNEL * KERNEL * inputs, outputs);
        let (fpn, heads) = (self.fpn_width, &self.heads);
        let channels = self.backbone.channels();
        let pyramid: f64 = channels
            .iter()
            .map(|&channels| layer(channels, fpn) + convolution(fpn, fpn))
            .sum();
        // A logit and a box of every anchor.
        let proposals = convolution(fpn, fpn) + layer(fpn, (1 + BOX) * self.anchor_ratios.len());
        let boxes =
            layer(heads.box_side.pow(2) * fpn, heads.width) + layer(heads.width, heads.width);
        let branches = match self.branches {
            Branches::Shared => 1.0,
            Branches::StrongWeak => 2.0,
        };
        let inner = heads.mask_convs.saturating_sub(1) as f64;
        let plain = convolution(fpn, heads.mask_width)
            + inner * convolution(heads.mask_width, heads.mask_width)
            + weights(DOUBLING.pow(2) * heads.mask_width, heads.mask_width)
            + heads.mask_width as f64;
        let coarse = match self.mask_head {
            MaskHeadKind::Plain => 0.0,
            MaskHeadKind::NoiseTolerant => {
                convolution(self.coarse_inputs(), heads.mask_width)
                    + (COARSE_CONVS - 1) as f64 * convolution(heads.mask_width, heads.mask_width)
            }
        };
        [
            self.backbone.part(),
            Part {
                keys: &["fpn-width", "backbone.widths"],
                parameters: pyramid + proposals,
            },
            Part {
                keys: &["heads.width", "heads.box-side", "fpn-width"],
                parameters: branches * boxes,
            },
            Part {
                keys: &["heads.mask-convs", "heads.mask-width", "fpn-width"],
                parameters: branches * (plain + coarse),
            },
            Part {
                keys: &["heads.width", "heads.mask-side", "heads.mask-width"],
                parameters: branches * self.iou_parameters(),
            },
            Part {
                keys: &["auxiliary-heads", "heads.width", "heads.mask-width"],
                parameters: self.auxiliary_heads as f64 * (boxes + plain),
            },
        ]
    }

    /// The channels that the coarse layers of a noise-tolerant mask head read.
    pub(super) fn coarse_inputs(&self) -> usize {
        match self.heads.mask_convs {
            0 | 1 => self.fpn_width,
            _ => self.heads.mask_width,
        }
    }

    /// Those of the IoU head.
    fn iou_parameters(&self) -> f64 {
        let (heads, width) = (&self.heads, self.heads.mask_width);
        match self.iou_head {
            IouHeadKind::None => 0.0,
            IouHeadKind::Flat => {
                layer(heads.mask_side.pow(2) * width, heads.width) + layer(heads.width, 1)
            }
            IouHeadKind::Scoring => heads.scoring(self.fpn_width).parameters(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MaskRcnn, published};
    use super::*;
    use crate::nn::params::Parameters;
    use crate::registry::Checked;
    use crate::rng::Stream;

    #[test]
    fn the_count_is_that_of_the_network() {
        let mut config = published();
        (config.backbone.stem.width, config.backbone.widths) = (8, [8, 8, 16, 16]);
        (config.fpn_width, config.heads.width) = (32, 64);
        config.heads.mask_width = 16;
        let same = |config: &MaskRcnnConfig| {
            let mut network = MaskRcnn::new(config, 3, &mut Stream::new(0, "m")).unwrap();
            let mut count = 0;
            network.parameters("", &mut |name, param| {
                let of_classes = [
                    "cls_score",
                    "bbox_pred",
                    "mask_head.predictor",
                    "mask_head.conv_logits",
                    "mask_head.upsample2",
                    "maskiou_head.maskiou.",
                ];
                if !of_classes.iter().any(|part| name.contains(part)) {
                    count += param.value.len();
                }
            });
            let counted: f64 = config.parts().iter().map(|part| part.parameters).sum();
            assert_eq!(counted, count as f64);
        };
        same(&config);
        config.auxiliary_heads = 2;
        same(&config);
        config.mask_head = MaskHeadKind::NoiseTolerant;
        same(&config);
        config.heads.mask_convs = 1;
        same(&config);
        // An odd side is halved to the larger half.
        config.heads.mask_side = 7;
        for kind in [IouHeadKind::Flat, IouHeadKind::Scoring] {
            config.iou_head = kind;
            same(&config);
        }
        config.branches = Branches::StrongWeak;
        same(&config);
    }

    #[test]
    fn absurd_sizes_in_combination_are_refused_with_their_keys() {
        let refused = |change: fn(&mut MaskRcnnConfig)| {
            let mut config = published();
            change(&mut config);
            let errors = config.checked().expect_err("refused");
            assert_eq!(errors.iter().count(), 1, "{errors}");
            errors[0].key.clone()
        };
        let boxes = |config: &mut MaskRcnnConfig| {
            (config.heads.width, config.heads.box_side) = (65_536, 64);
        };
        assert_eq!(refused(boxes), "heads.width");
        let masks = |config: &mut MaskRcnnConfig| {
            (config.heads.mask_width, config.heads.mask_convs) = (8192, 256);
        };
        assert_eq!(refused(masks), "heads.mask-convs");
        let backbone = |config: &mut MaskRcnnConfig| config.backbone.widths = [8192; 4];
        assert_eq!(refused(backbone), "backbone.widths");
        let mut wide = published();
        wide.fpn_width = 8192;
        let count: f64 = wide.parts().iter().map(|part| part.parameters).sum();
        assert!(count > 3e9, "{count}");
        wide.checked().expect("3 billion are accepted");
    }
}
