//! The keys of `config.json` beside its backbone, what of them is not supported, and the sizes that they say.

use super::backbone::{Backbone, NORM_GROUPS};
use crate::graph::backbone::STAGES;
use crate::graph::config::ModelConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `model_type` of Mask2Former.
pub(super) const MASK2FORMER: &str = "mask2former";
/// Constants of `modeling_mask2former.py`.
const ENCODER_POINTS: usize = 4;
/// Pixels of the image per pixel of res2 to res5.
const STRIDES: [usize; STAGES] = [4, 8, 16, 32];
/// Labels of a configuration that names none.
const DEFAULT_LABELS: usize = 2;
/// Mean and deviation of ImageNet's colours; a folder's own stand in its `preprocessor_config.json`.
const PIXEL_MEAN: [f64; 3] = [123.675, 116.28, 103.53];
const PIXEL_STD: [f64; 3] = [58.395, 57.12, 57.375];

/// The keys of `config.json` that say how the network is built, with transformers' defaults.
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

impl Config {
    /// What is not supported: here because the network is another one, or in `transformers` because the values of an input
    /// projection are not saved.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, text: String| {
            if wrong {
                problems.push(text);
            }
        };
        let &Self {
            feature_size,
            hidden_dim,
            decoder_layers,
            common_stride,
            ..
        } = self;
        refuse(
            hidden_dim != feature_size,
            format!("`hidden_dim` is {hidden_dim}, must be `feature_size` = {feature_size}"),
        );
        refuse(
            self.enforce_input_projection,
            "`enforce_input_projection` is true, must be false".into(),
        );
        refuse(self.pre_norm, "`pre_norm` is true, must be false".into());
        refuse(
            decoder_layers < 2,
            format!("`decoder_layers` is {decoder_layers}, must be at least 2"),
        );
        refuse(
            self.activation_function != "relu",
            format!(
                "`activation_function` is `{}`, must be `relu`",
                self.activation_function
            ),
        );
        refuse(
            common_stride != STRIDES[0],
            format!("`common_stride` is {common_stride}, must be {}", STRIDES[0]),
        );
        refuse(
            self.feature_strides != STRIDES,
            format!(
                "`feature_strides` is {:?}, must be {STRIDES:?}",
                self.feature_strides
            ),
        );
        let timm = self.backbone.as_deref().unwrap_or_default();
        refuse(
            self.backbone.is_some(),
            format!(
                "`backbone` is `{timm}`, must be null: `backbone_config` describes the backbone"
            ),
        );
        problems
    }

    pub fn labels(&self) -> Result<Vec<String>, String> {
        let Some(labels) = &self.id2label else {
            let count = self.num_labels.unwrap_or(DEFAULT_LABELS);
            return Ok((0..count).map(|id| format!("LABEL_{id}")).collect());
        };
        if labels.is_empty() || !labels.keys().copied().eq(0..labels.len()) {
            let last = labels.len().saturating_sub(1);
            return Err(format!("the keys of `id2label` must be 0 to {last}"));
        }
        Ok(labels.values().cloned().collect())
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
            weights: Default::default(),
            backbone: backbone.config(),
        }
    }
}
