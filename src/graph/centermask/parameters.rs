//! The number of parameters of the network, as for [`crate::graph::ModelConfig`].

use super::config::CenterMaskConfig;
use super::levels::{LEVELS, OF_STAGES};
use crate::graph::backbone::STAGES;
use crate::graph::bounds::Part;
use crate::graph::parameters::{layer, weights};
use crate::graph::regional::DOUBLING;

/// The side of the kernels.
const KERNEL: usize = 3;
/// Scale and shift of a norm.
const NORM: f64 = 2.0;

impl CenterMaskConfig {
    /// The parts of the network.
    pub(super) fn parts(&self) -> [Part; 5] {
        let convolution = |inputs: usize, outputs: usize| layer(KERNEL * KERNEL * inputs, outputs);
        let (fpn, heads) = (self.fpn_width, &self.heads);
        let channels = &self.backbone.channels()[STAGES - OF_STAGES..];
        let pyramid: f64 = channels
            .iter()
            .map(|&channels| layer(channels, fpn) + convolution(fpn, fpn))
            .sum();
        let top = (LEVELS - OF_STAGES) as f64 * convolution(fpn, fpn);
        let tower = heads.tower_convs as f64 * (convolution(fpn, fpn) + NORM * fpn as f64);
        // Four distances and the centreness; a scale of every level.
        let predictors = convolution(fpn, 5) + LEVELS as f64;
        let width = heads.mask_width;
        let inner = heads.mask_convs.saturating_sub(1) as f64;
        let masks = convolution(fpn, width)
            + inner * convolution(width, width)
            + weights(KERNEL * KERNEL * 2, 1)
            + weights(DOUBLING.pow(2) * width, width)
            + width as f64;
        [
            self.backbone.part(),
            Part {
                keys: &["fpn-width", "backbone.widths"],
                parameters: pyramid + top + predictors,
            },
            Part {
                keys: &["heads.tower-convs", "fpn-width"],
                parameters: 2.0 * tower,
            },
            Part {
                keys: &["heads.mask-convs", "heads.mask-width", "fpn-width"],
                parameters: masks,
            },
            Part {
                keys: &["heads.width", "heads.mask-side", "heads.mask-width"],
                parameters: heads.scoring(fpn).parameters(),
            },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CenterMask, published};
    use super::*;
    use crate::nn::params::Parameters;
    use crate::registry::Checked;
    use crate::rng::Stream;

    #[test]
    fn the_count_is_that_of_the_network() {
        let mut config = published();
        (config.backbone.stem.width, config.backbone.widths) = (8, [8, 8, 16, 16]);
        (config.fpn_width, config.heads.width) = (32, 64);
        (config.heads.mask_width, config.heads.tower_convs) = (16, 2);
        let same = |config: &CenterMaskConfig| {
            let mut network = CenterMask::new(config, 3, &mut Stream::new(0, "m")).unwrap();
            let mut count = 0;
            network.parameters("", &mut |name, param| {
                let of_classes = ["cls_logits", "mask_head.predictor", "maskiou_head.maskiou."];
                if !of_classes.iter().any(|part| name.contains(part)) {
                    count += param.value.len();
                }
            });
            let counted: f64 = config.parts().iter().map(|part| part.parameters).sum();
            assert_eq!(counted, count as f64);
        };
        same(&config);
        config.heads.mask_convs = 1;
        // An odd side is halved to the larger half.
        config.heads.mask_side = 7;
        same(&config);
    }

    #[test]
    fn absurd_sizes_in_combination_are_refused_with_their_keys() {
        let refused = |change: fn(&mut CenterMaskConfig)| {
            let mut config = published();
            change(&mut config);
            let errors = config.checked().expect_err("refused");
            assert_eq!(errors.iter().count(), 1, "{errors}");
            errors[0].key.clone()
        };
        let towers = refused(|config| (config.fpn_width, config.heads.tower_convs) = (8192, 256));
        assert_eq!(towers, "heads.tower-convs");
        let scores = refused(|config| (config.heads.width, config.heads.mask_side) = (65_536, 64));
        assert_eq!(scores, "heads.width");
        let masks = refused(|config| {
            (config.heads.mask_width, config.heads.mask_convs) = (8192, 256);
        });
        assert_eq!(masks, "heads.mask-convs");
    }
}
