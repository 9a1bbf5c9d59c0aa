//! The mask head of the recipe.

use super::config::MaskRcnnConfig;
use super::head_kinds::MaskHeadKind;
use super::mask_predictions::MaskPredictions;
use super::noise_tolerant_head::NoiseTolerantHead;
use super::plain_mask_head::PlainMaskHead;
use super::semantics::Rules;
use crate::nn::params::{Param, Parameters};
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// A head of one of the kinds.
#[derive(Clone, Debug)]
pub(super) enum MaskHead {
    Plain(Box<PlainMaskHead>),
    NoiseTolerant(Box<NoiseTolerantHead>),
}

impl MaskHead {
    pub(super) fn new(
        config: &MaskRcnnConfig,
        rules: &Rules,
        classes: usize,
        rng: &mut Stream,
    ) -> Self {
        let (heads, channels) = (&config.heads, config.fpn_width);
        match config.mask_head {
            MaskHeadKind::Plain => {
                let head = PlainMaskHead::new(heads, rules, channels, classes, rng);
                Self::Plain(Box::new(head))
            }
            MaskHeadKind::NoiseTolerant => {
                let head = NoiseTolerantHead::new(heads, channels, classes, rng);
                Self::NoiseTolerant(Box::new(head))
            }
        }
    }

    /// Regions of P x P bins -> their masks.
    pub(super) fn forward(&self, tape: &mut Tape, regions: Map) -> MaskPredictions {
        match self {
            Self::Plain(head) => head.forward(tape, regions),
            Self::NoiseTolerant(head) => head.forward(tape, regions),
        }
    }
}

impl Parameters for MaskHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        match self {
            Self::Plain(head) => head.parameters(prefix, visit),
            Self::NoiseTolerant(head) => head.parameters(prefix, visit),
        }
    }
}
