//! The keys of `config.json` besides its backbone: the sizes that they give and the values that are not
//! supported.

use super::backbone::{Backbone, NORM_GROUPS, RELU};
use crate::graph::backbone::STAGES;
use crate::graph::bounds::{HIDDEN_WIDTHS, LAYERS, QUERIES, WIDTHS, WORDS};
use crate::graph::config::{ModelConfig, QueryIouHead, QueryMaskHead};
use crate::graph::input::ChannelOrder;
use crate::registry::{Check, Checked};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The `model_type` of Mask2Former.
pub(super) const MASK2FORMER: &str = "mask2former";
/// Constants of `modeling_mask2former.py`.
const ENCODER_POINTS: usize = 4;
/// The number of image pixels per pixel of res2 to res5, along a side.
const STRIDES: [usize; STAGES] = [4, 8, 16, 32];
/// The number of labels of a configuration that names none.
const DEFAULT_LABELS: usize = 2;
/// Mean and standard deviation of ImageNet's colours. The values of a folder itself are in its
/// `preprocessor_config.json`.
const PIXEL_MEAN: [f64; 3] = [123.675, 116.28, 103.53];
const PIXEL_STD: [f64; 3] = [58.395, 57.12, 57.375];

/// The keys of `config.json` that describe the network, with the defaults of `transformers`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Config {
    pub architectures: Vec<String>,
    pub model_type: String,
    pub feature_size: usize,
    pub mask_feature_size: usize,
    pub hidden_dim: usize,
    pub encoder_feedforward_dim: usize,
    pub encoder_layers: usize,
    pub decoder_layers: usize,
    pub num_attention_heads: usize,
    pub dim_feedforward: usize,
    pub num_queries: usize,
    pub activation_function: String,
    pub pre_norm: bool,
    pub enforce_input_projection: bool,
    pub common_stride: usize,
    pub feature_strides: Vec<usize>,
    #[serde(skip_serializing)]
    pub backbone: Option<String>,
    #[serde(skip_serializing)]
    pub num_labels: Option<usize>,
    pub id2label: Option<BTreeMap<usize, String>>,
    #[serde(skip_deserializing)]
    pub label2id: BTreeMap<String, usize>,
    pub backbone_config: Option<Backbone>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            architectures: vec!["Mask2FormerForUniversalSegmentation".into()],
            model_type: MASK2FORMER.into(),
            feature_size: 256,
            mask_feature_size: 256,
            hidden_dim: 256,
            encoder_feedforward_dim: 1024,
            encoder_layers: 6,
            decoder_layers: 10,
            num_attention_heads: 8,
            dim_feedforward: 2048,
            num_queries: 100,
            activation_function: "relu".into(),
            pre_norm: false,
            enforce_input_projection: false,
            common_stride: STRIDES[0],
            feature_strides: STRIDES.into(),
            backbone: None,
            num_labels: None,
            id2label: None,
            label2id: BTreeMap::new(),
            backbone_config: None,
        }
    }
}

/// Refuses values that are not supported: here, because they describe another network, or in `transformers`,
/// because it does not save the values of an input projection.
impl Checked for Config {
    fn check(&self, check: &mut Check) {
        check.range("feature_size", self.feature_size, WIDTHS);
        let wanted = format!("`feature_size` = {}", self.feature_size);
        let same = self.hidden_dim == self.feature_size;
        check.require(same, "hidden_dim", self.hidden_dim, wanted);
        check.range("mask_feature_size", self.mask_feature_size, WIDTHS);
        check.range(
            "encoder_feedforward_dim",
            self.encoder_feedforward_dim,
            HIDDEN_WIDTHS,
        );
        check.range("encoder_layers", self.encoder_layers, LAYERS);
        // One more than there are layers.
        check.range("decoder_layers", self.decoder_layers, 2..=*LAYERS.end());
        check.range("num_attention_heads", self.num_attention_heads, WIDTHS);
        check.range("dim_feedforward", self.dim_feedforward, HIDDEN_WIDTHS);
        check.range("num_queries", self.num_queries, QUERIES);
        for (key, divisor) in [
            ("`num_attention_heads`", self.num_attention_heads),
            ("groups of every norm", NORM_GROUPS),
        ] {
            check.divides("feature_size", self.feature_size, divisor, key);
        }
        let input = self.enforce_input_projection;
        check.require(!input, "enforce_input_projection", "true", "false");
        check.require(!self.pre_norm, "pre_norm", "true", "false");
        let activation = &self.activation_function;
        if activation != RELU {
            check.unknown("activation_function", activation, [RELU]);
        }
        let stride = STRIDES[0];
        check.range("common_stride", self.common_stride, stride..=stride);
        let (strides, wanted) = (&self.feature_strides, format!("{STRIDES:?}"));
        let same = *strides == STRIDES;
        check.require(same, "feature_strides", format!("{strides:?}"), wanted);
        if let Some(timm) = &self.backbone {
            let message = format!(
                "`{timm}` does not fit; allowed: null, `backbone_config` describes the backbone"
            );
            check.refuse("backbone", message);
        }
        if self.id2label.is_none() {
            check.range("num_labels", self.num_labels(), WORDS);
        }
        if let Some(labels) = &self.id2label {
            let counted = !labels.is_empty() && labels.keys().copied().eq(0..labels.len());
            let last = labels.len().saturating_sub(1);
            let found = "other keys than these numbers";
            check.require(counted, "id2label", found, format!("the keys 0 to {last}"));
        }
    }
}

impl Config {
    fn num_labels(&self) -> usize {
        self.num_labels.unwrap_or(DEFAULT_LABELS)
    }

    /// The names of the classes.
    pub fn labels(&self) -> Vec<String> {
        match &self.id2label {
            Some(labels) => labels.values().cloned().collect(),
            None => (0..self.num_labels())
                .map(|id| format!("LABEL_{id}"))
                .collect(),
        }
    }

    pub fn model(&self, backbone: &Backbone) -> ModelConfig {
        ModelConfig {
            queries: self.num_queries,
            width: self.feature_size,
            fpn_width: self.feature_size,
            mask_width: self.mask_feature_size,
            heads: self.num_attention_heads,
            norm_groups: NORM_GROUPS,
            encoder_layers: self.encoder_layers,
            encoder_points: ENCODER_POINTS,
            encoder_ffn: self.encoder_feedforward_dim,
            decoder_layers: self.decoder_layers - 1,
            decoder_ffn: self.dim_feedforward,
            pixel_mean: PIXEL_MEAN,
            pixel_std: PIXEL_STD,
            channel_order: ChannelOrder::Rgb,
            weights: Default::default(),
            mask_head: QueryMaskHead::Plain,
            iou_head: QueryIouHead::None,
            backbone: backbone.config(),
        }
    }
}
