//! `backbone_config`: the ResNet of a `config.json`.

use crate::graph::backbone::{BackboneConfig, BlockKind, Frozen, NormKind, STAGES, StemConfig};
use crate::graph::bounds::{LAYERS, WIDTHS};
use crate::registry::{Check, Checked};
use serde::{Deserialize, Serialize};

/// The `model_type` of the backbone.
pub(super) const RESNET: &str = "resnet";
/// The side of the first kernel and its stride, constants of `modeling_resnet.py`.
const STEM: (usize, usize) = (7, 2);
/// Output channels of a bottleneck per inner channel.
const EXPANSION: usize = 4;
/// Groups of the normalisations, a constant of `modeling_mask2former.py`.
pub(super) const NORM_GROUPS: usize = 32;
/// The epsilon of the backbone's batch norm, PyTorch's default.
const NORM_EPSILON: f64 = 1e-5;
/// The `layer_type` of blocks with it.
const BOTTLENECK: &str = "bottleneck";
/// Red, green, blue.
const CHANNELS: usize = 3;

/// The only activation.
pub(super) const RELU: &str = "relu";

/// `backbone_config`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Backbone {
    pub model_type: String,
    pub num_channels: usize,
    pub embedding_size: usize,
    pub hidden_sizes: Vec<usize>,
    pub depths: Vec<usize>,
    pub layer_type: String,
    pub hidden_act: String,
    pub downsample_in_first_stage: bool,
    pub downsample_in_bottleneck: bool,
    pub out_features: Option<Vec<String>>,
}

impl Default for Backbone {
    fn default() -> Self {
        Self {
            model_type: String::new(),
            num_channels: 3,
            embedding_size: 64,
            hidden_sizes: vec![256, 512, 1024, 2048],
            depths: vec![3, 4, 6, 3],
            layer_type: "bottleneck".into(),
            hidden_act: "relu".into(),
            downsample_in_first_stage: false,
            downsample_in_bottleneck: false,
            out_features: None,
        }
    }
}

impl Checked for Backbone {
    fn check(&self, check: &mut Check) {
        if self.model_type != RESNET {
            check.unknown("model_type", &self.model_type, [RESNET]);
            return;
        }
        check.range("num_channels", self.num_channels, CHANNELS..=CHANNELS);
        check.range("embedding_size", self.embedding_size, WIDTHS);
        let layers = ["basic", BOTTLENECK];
        if !layers.contains(&self.layer_type.as_str()) {
            check.unknown("layer_type", &self.layer_type, layers);
        }
        if self.hidden_act != RELU {
            check.unknown("hidden_act", &self.hidden_act, [RELU]);
        }
        let first = self.downsample_in_first_stage;
        check.require(!first, "downsample_in_first_stage", "true", "false");
        for (key, numbers) in [
            ("depths", &self.depths),
            ("hidden_sizes", &self.hidden_sizes),
        ] {
            let wanted = format!("{STAGES} numbers");
            check.require(numbers.len() == STAGES, key, format!("{numbers:?}"), wanted);
        }
        for depth in &self.depths {
            check.range("depths", *depth, LAYERS);
        }
        for size in &self.hidden_sizes {
            check.range("hidden_sizes", *size, 1..=EXPANSION * WIDTHS.end());
            check.divides("hidden_sizes", *size, self.expansion(), "of a bottleneck");
        }
        let stages = (1..=STAGES).map(|stage| format!("stage{stage}"));
        let all = self.out_features.iter().flatten().cloned().eq(stages);
        let found = self.out_features.as_ref();
        let found = found.map_or("null".into(), |names| format!("{names:?}"));
        check.require(all, "out_features", found, "stage1 to stage4");
    }
}

impl Backbone {
    /// Output channels of a block per inner channel.
    fn expansion(&self) -> usize {
        match self.layer_type == BOTTLENECK {
            true => EXPANSION,
            false => 1,
        }
    }

    pub fn config(&self) -> BackboneConfig {
        BackboneConfig {
            block: match self.layer_type == BOTTLENECK {
                true => BlockKind::Bottleneck,
                false => BlockKind::Basic,
            },
            stem: StemConfig {
                width: self.embedding_size,
                kernel: STEM.0,
                stride: STEM.1,
                pool: true,
            },
            widths: std::array::from_fn(|stage| self.hidden_sizes[stage] / self.expansion()),
            depths: std::array::from_fn(|stage| self.depths[stage]),
            norm: NormKind::FrozenBatch,
            norm_groups: NORM_GROUPS,
            norm_epsilon: NORM_EPSILON,
            stride_in_1x1: self.downsample_in_bottleneck,
            frozen: Frozen::NOTHING,
            weights: Default::default(),
        }
    }
}
