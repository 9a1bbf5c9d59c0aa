//! The backbone: turns an image into four feature maps, each half the size of the one before.

mod block;
mod frozen;
mod resnet;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::graph::bounds::{LAYERS, WIDTHS};
use crate::registry::{Check, Checked};

pub use frozen::Frozen;
pub use resnet::ResNet;

/// The number of stages, res2 to res5.
pub const STAGES: usize = 4;

/// The table `[model.backbone]`: the sizes of a [`ResNet`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackboneConfig {
    /// The kind of the residual blocks.
    pub block: BlockKind,
    /// The layers before res2.
    pub stem: StemConfig,
    /// Output channels of res2 to res5, before a bottleneck's factor of 4.
    pub widths: [usize; STAGES],
    /// The number of blocks in res2 to res5.
    pub depths: [usize; STAGES],
    /// The norm after every convolution.
    pub norm: NormKind,
    /// The number of groups of `norm = "group"`.
    pub norm_groups: usize,
    /// The number that a batch norm adds to a variance.
    pub norm_epsilon: f64,
    /// The place of a bottleneck's stride: true for the first 1x1 convolution, false for the 3x3.
    pub stride_in_1x1: bool,
    /// True if no parameter is trained; 1 to 4: the stem is not (1), nor are the stages up to res2, res3, res4.
    pub frozen: Frozen,
    /// The path of a safetensors file with torchvision's names. If empty, the initial values are random.
    pub weights: PathBuf,
}

/// The first convolution and the pooling after it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StemConfig {
    /// Output channels.
    pub width: usize,
    /// The side of the kernel, odd.
    pub kernel: usize,
    /// The stride of the convolution.
    pub stride: usize,
    /// True if a 3x3 max-pool of stride 2 follows.
    pub pool: bool,
}

/// The kinds of residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Two 3x3 convolutions (ResNet-18, ResNet-34).
    Basic,
    /// 1x1, 3x3, 1x1, with four times the channels at the end (ResNet-50 and larger).
    Bottleneck,
}

impl BlockKind {
    /// The output channels of a block of `width`.
    pub fn channels(self, width: usize) -> usize {
        match self {
            Self::Basic => width,
            Self::Bottleneck => 4 * width,
        }
    }
}

/// The kinds of norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NormKind {
    /// Group norm, trained.
    Group,
    /// Batch norm with the fixed statistics, scale and shift of the checkpoint.
    FrozenBatch,
    /// Batch norm with the fixed statistics of the checkpoint. Its scale and its shift are trained: MMDetection's.
    FrozenStatistics,
}

impl NormKind {
    /// True if its scale and its shift are trained.
    pub fn is_trained(self) -> bool {
        self != Self::FrozenBatch
    }
}

impl BackboneConfig {
    /// The channels of res2 to res5.
    pub fn channels(&self) -> [usize; STAGES] {
        self.widths.map(|width| self.block.channels(width))
    }

    /// The number of image pixels per pixel of res5, along a side.
    pub fn coarsest_stride(&self) -> usize {
        let pool = if self.stem.pool { 2 } else { 1 };
        (self.stem.stride * pool) << (STAGES - 1)
    }
}

/// Strides that the stem may have: a larger one leaves nothing of an image.
const STRIDES: RangeInclusive<usize> = 1..=16;
/// A variance is not much larger.
const LARGEST_EPSILON: f64 = 1.0;
/// Largest side of the stem's kernel.
const LARGEST_KERNEL: usize = 63;

impl Checked for BackboneConfig {
    fn check(&self, check: &mut Check) {
        let StemConfig {
            width,
            kernel,
            stride,
            ..
        } = self.stem;
        check.range("stem.width", width, WIDTHS);
        check.range("stem.stride", stride, STRIDES);
        let fits = kernel % 2 == 1 && kernel <= LARGEST_KERNEL;
        let allowed = format!("odd numbers up to {LARGEST_KERNEL}");
        check.require(fits, "stem.kernel", kernel, allowed);
        for width in self.widths {
            check.range("widths", width, WIDTHS);
        }
        for depth in self.depths {
            check.range("depths", depth, LAYERS);
        }
        check.range("norm-groups", self.norm_groups, WIDTHS);
        check.range("norm-epsilon", self.norm_epsilon, 0.0..=LARGEST_EPSILON);
        if self.norm == NormKind::Group {
            check.divides("stem.width", width, self.norm_groups, "`norm-groups`");
            for width in self.widths {
                check.divides("widths", width, self.norm_groups, "`norm-groups`");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::config;
    use crate::nn::params::Parameters;
    use crate::rng::Stream;
    use crate::tensor::{Map, Tape, Tensor2};

    #[test]
    fn the_stride_counts_stem_and_pool() {
        let mut backbone = config::tests::default().backbone;
        assert_eq!(backbone.coarsest_stride(), 16);
        backbone.stem.pool = true;
        assert_eq!(backbone.coarsest_stride(), 32);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_by_key() {
        let mut backbone = config::tests::default().backbone;
        backbone.stem.kernel = 4;
        assert_eq!(backbone.checked().unwrap_err()[0].key, "stem.kernel");
        let mut backbone = config::tests::default().backbone;
        backbone.widths[3] = 20;
        assert_eq!(backbone.checked().unwrap_err()[0].key, "widths");
        backbone.norm_epsilon = -1e-5;
        assert_eq!(backbone.checked().unwrap_err()[0].key, "norm-epsilon");
        backbone.norm_epsilon = 0.0;
        backbone.norm = NormKind::FrozenBatch;
        backbone
            .checked()
            .expect("groups do not matter to a batch norm");
    }

    /// Both frozen norms compute the same; one is trained, but not in the frozen stages.
    #[test]
    fn frozen_statistics_are_a_frozen_norm_whose_scale_and_shift_are_trained() {
        let run = |norm| {
            let mut config = config::tests::default().backbone;
            (config.norm, config.frozen) = (norm, Frozen::up_to(2).expect("a stage"));
            config.block = BlockKind::Bottleneck;
            let mut net = ResNet::new(&config, &mut Stream::new(1, "net")).expect("a backbone");
            let mut rng = Stream::new(2, "norms");
            net.parameters("", &mut |name, param| {
                if name.contains("norm.") {
                    let values = param.value.values_mut();
                    values.fill_with(|| 0.75 + rng.range(0.0, 0.5) as f32);
                }
            });
            let pixels: Vec<f32> = (0..32 * 32 * 3)
                .map(|i| (i % 17) as f32 / 8.0 - 1.0)
                .collect();
            let image = Map::new(Tensor2::constant(pixels, 32 * 32, 3), 1, 32, 32);
            let mut tape = Tape::recording();
            let last = net.forward(&mut tape, &image)[3].data.clone();
            let loss = crate::ops::check::loss_of(&mut tape, &last, vec![1.0; last.len()]);
            let mut grads = tape.backward(&loss);
            let mut trained = Vec::new();
            net.parameters("", &mut |name, param| {
                let gradient = param.value.gradient(&mut grads);
                if name.contains("norm.") && gradient.iter().any(|value| *value != 0.0) {
                    trained.push(name.to_string());
                }
            });
            (last.values().to_vec(), trained)
        };
        let (fixed, none) = run(NormKind::FrozenBatch);
        let (free, trained) = run(NormKind::FrozenStatistics);
        assert!(
            fixed.iter().any(|value| *value > 0.1),
            "the map is not empty"
        );
        for (a, b) in fixed.iter().zip(&free) {
            assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{a}, {b}");
        }
        assert_eq!(none, [""; 0]);
        // Three stages of one bottleneck: three convolutions and a shortcut, each with a scale and a shift.
        assert_eq!(trained.len(), 3 * 4 * 2, "{trained:?}");
        let known = |name: &String| name.ends_with("norm.weight") || name.ends_with("norm.bias");
        assert!(trained.iter().all(known), "{trained:?}");
        assert!(
            !trained
                .iter()
                .any(|name| name.contains("res2") || name.contains("stem"))
        );
    }
}
