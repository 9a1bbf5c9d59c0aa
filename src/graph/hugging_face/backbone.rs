//! `backbone_config`: the ResNet of a `config.json`.

use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind, STAGES, StemConfig};
use serde::{Deserialize, Serialize};

/// `model_type` of the backbone.
pub(super) const RESNET: &str = "resnet";
/// The side of the first kernel and its stride, constants of `modeling_resnet.py`.
const STEM: (usize, usize) = (7, 2);
/// Output channels per inner channel of a bottleneck.
const EXPANSION: usize = 4;
/// Groups of the normalisations, a constant of `modeling_mask2former.py`.
pub(super) const NORM_GROUPS: usize = 32;

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

impl Backbone {
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, key: &str, found: String, allowed: &str| {
            if wrong {
                problems.push(format!(
                    "`backbone_config.{key}` is {found}, must be {allowed}"
                ));
            }
        };
        if self.model_type != RESNET {
            refuse(
                true,
                "model_type",
                format!("`{}`", self.model_type),
                "`resnet`",
            );
            return problems;
        }
        let channels = self.num_channels;
        refuse(channels != 3, "num_channels", channels.to_string(), "3");
        let known = matches!(self.layer_type.as_str(), "basic" | "bottleneck");
        let layer = format!("`{}`", self.layer_type);
        refuse(!known, "layer_type", layer, "`basic` or `bottleneck`");
        let act = format!("`{}`", self.hidden_act);
        refuse(self.hidden_act != "relu", "hidden_act", act, "`relu`");
        let first = self.downsample_in_first_stage;
        refuse(first, "downsample_in_first_stage", "true".into(), "false");
        let depths = format!("{:?}", self.depths);
        refuse(self.depths.len() != STAGES, "depths", depths, "4 numbers");
        let sizes = format!("{:?}", self.hidden_sizes);
        let odd = |size: &usize| self.layer_type == "bottleneck" && !size.is_multiple_of(EXPANSION);
        let wrong = self.hidden_sizes.len() != STAGES || self.hidden_sizes.iter().any(odd);
        let allowed = "4 numbers, of a bottleneck multiples of 4";
        refuse(wrong, "hidden_sizes", sizes, allowed);
        let stages = (1..=STAGES).map(|stage| format!("stage{stage}"));
        let all = self.out_features.iter().flatten().cloned().eq(stages);
        let found = self.out_features.as_ref();
        let found = found.map_or("missing".into(), |names| format!("{names:?}"));
        refuse(!all, "out_features", found, "stage1 to stage4");
        problems
    }

    pub fn config(&self) -> BackboneConfig {
        let bottleneck = self.layer_type == "bottleneck";
        let inner = if bottleneck { EXPANSION } else { 1 };
        BackboneConfig {
            block: match bottleneck {
                true => BlockKind::Bottleneck,
                false => BlockKind::Basic,
            },
            stem: StemConfig {
                width: self.embedding_size,
                kernel: STEM.0,
                stride: STEM.1,
                pool: true,
            },
            widths: std::array::from_fn(|stage| self.hidden_sizes[stage] / inner),
            depths: std::array::from_fn(|stage| self.depths[stage]),
            norm: NormKind::FrozenBatch,
            norm_groups: NORM_GROUPS,
            stride_in_1x1: self.downsample_in_bottleneck,
            frozen: false,
            weights: Default::default(),
        }
    }
}
