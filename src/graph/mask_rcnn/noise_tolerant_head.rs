//! The noise-tolerant mask head of Noisy Boundaries (CVPR 2022): a coarse mask, of which a pseudo-mask's inexact
//! boundary leaves more right, a fine one, and a final one that is made of both.
//!
//! `$$ z_f = \mathrm{conv}_3(\mathrm{up}(\mathrm{fine}(x))), \qquad z_c = \mathrm{conv}_1(\mathrm{coarse}(x)), \qquad
//!    z = \mathrm{conv}_1([\mathrm{up}'(z_c);\ z_f]) $$`
//!
//! Shapes: R regions of P x P bins, K classes; x are the features after all but one of the convolutions; `$z_c$` has P
//! x P, `$z_f$` and z have 2 P x 2 P pixels for each class. `fine` is the last convolution, `coarse` are two; up and
//! up' are transposed convolutions, the first one followed by a ReLU. z is the mask; both z and `$z_c$` have a loss.
//! Source: zhenyuw16/noisyboundaries 0c83823, `fcn_mask_head_ntm.py`, with its initial values.

use super::config::HeadConfig;
use super::mask_predictions::MaskPredictions;
use crate::graph::regional::{DOUBLING, joined_channels};
use crate::nn::params::{Param, Parameters, join};
use crate::nn::{Conv2d, ConvTranspose2d};
use crate::rng::Stream;
use crate::tensor::{Map, Tape};

/// The number of convolutions before the coarse logits.
pub(super) const COARSE_CONVS: usize = 2;
/// The number of the first of them in the names of the source.
const FIRST_COARSE: usize = 4;

/// The layers of the three masks.
#[derive(Clone, Debug)]
pub(super) struct NoiseTolerantHead {
    /// The shared ones, then that of the fine masks.
    convs: Vec<Conv2d>,
    deconv: ConvTranspose2d,
    fine: Conv2d,
    coarse_convs: Vec<Conv2d>,
    coarse: Conv2d,
    upsample: ConvTranspose2d,
    fused: Conv2d,
}

impl NoiseTolerantHead {
    pub(super) fn new(
        config: &HeadConfig,
        channels: usize,
        classes: usize,
        rng: &mut Stream,
    ) -> Self {
        let width = config.mask_width;
        let first = |index: usize| if index == 0 { channels } else { width };
        let mut conv = |from: usize| Conv2d::with_bias(from, width, 3, rng);
        let convs = (0..config.mask_convs).map(|i| conv(first(i))).collect();
        // The coarse layers begin where the last convolution does.
        let shared = first(config.mask_convs - 1);
        let coarse_convs = (0..COARSE_CONVS).map(|i| conv(if i == 0 { shared } else { width }));
        let coarse_convs = coarse_convs.collect();
        Self {
            convs,
            deconv: ConvTranspose2d::new(width, width, DOUBLING, rng),
            fine: Conv2d::with_bias(width, classes, 3, rng),
            coarse_convs,
            coarse: Conv2d::with_bias(width, classes, 1, rng),
            upsample: ConvTranspose2d::by_default(classes, classes, DOUBLING, rng),
            fused: Conv2d::with_bias(2 * classes, classes, 1, rng),
        }
    }

    /// Regions of P x P bins -> their masks.
    pub(super) fn forward(&self, tape: &mut Tape, regions: Map) -> MaskPredictions {
        let through = |tape: &mut Tape, x: &Map, layers: &[Conv2d]| {
            let mut x = x.clone();
            for conv in layers {
                x = conv.forward_relu(tape, &x);
            }
            x
        };
        let (last, shared) = self.convs.split_last().expect("at least one convolution");
        let shared = through(tape, &regions, shared);
        let features = last.forward_relu(tape, &shared);
        let fine = self.deconv.forward_relu(tape, &features);
        let fine = self.fine.forward(tape, &fine);
        let coarse = through(tape, &shared, &self.coarse_convs);
        let coarse = self.coarse.forward(tape, &coarse);
        let doubled = self.upsample.forward(tape, &coarse);
        let both = joined_channels(tape, &doubled, &fine);
        MaskPredictions {
            logits: self.fused.forward(tape, &both),
            coarse: Some(coarse),
            regions,
            features,
        }
    }
}

impl Parameters for NoiseTolerantHead {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        for (number, conv) in (1..).zip(&mut self.convs) {
            conv.parameters(&join(prefix, &format!("mask_fcn{number}")), visit);
        }
        self.deconv.parameters(&join(prefix, "deconv"), visit);
        self.fine.parameters(&join(prefix, "predictor"), visit);
        for (number, conv) in (FIRST_COARSE..).zip(&mut self.coarse_convs) {
            conv.parameters(&join(prefix, &format!("conv{number}_fc")), visit);
        }
        self.coarse
            .parameters(&join(prefix, "conv_logits_coarse"), visit);
        self.upsample.parameters(&join(prefix, "upsample2"), visit);
        self.fused
            .parameters(&join(prefix, "conv_logits_final"), visit);
    }
}

#[cfg(test)]
mod tests {
    use super::super::head_kinds::MaskHeadKind;
    use super::super::region_heads::tests::{compared, heads, own, regions};
    use crate::ops::check::on_every_place;

    on_every_place! {
        fn all_masks_and_gradients_parity_with_pytorch(place) {
            let heads = heads("ntm", |config| config.mask_head = MaskHeadKind::NoiseTolerant, place);
            compared("ntm", heads, &regions("ntm", place), |_, tape, _, masks| {
                let coarse = masks.coarse.as_ref().expect("the coarse masks");
                ("coarse", own(tape, coarse))
            });
        }
    }
}
