//! Writes our sizes as a `config.json`.

use super::HuggingFaceFolder;
use super::backbone::{Backbone, RESNET};
use super::config::Config;
use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind, STAGES, StemConfig};
use crate::graph::config::ModelConfig;
use anyhow::{Context, Result, bail};
use serde_json::Value;

impl HuggingFaceFolder {
    /// The `config.json` of the same network, with the class names.
    ///
    /// # Errors
    /// Keys of `[model]` have values that `transformers` cannot express. The error lists all of them.
    pub fn to_json(&self) -> Result<Value> {
        let ModelConfig {
            queries,
            width,
            mask_width,
            heads,
            encoder_layers,
            encoder_ffn,
            decoder_layers,
            decoder_ffn,
            ref backbone,
            ..
        } = self.model;
        let constants = Config::default().model(&Backbone::default());
        let wanted = ModelConfig {
            fpn_width: width,
            norm_groups: constants.norm_groups,
            encoder_points: constants.encoder_points,
            channel_order: constants.channel_order,
            mask_head: constants.mask_head,
            backbone: BackboneConfig {
                norm: NormKind::FrozenBatch,
                norm_epsilon: constants.backbone.norm_epsilon,
                stem: StemConfig {
                    width: backbone.stem.width,
                    ..constants.backbone.stem
                },
                ..backbone.clone()
            },
            ..self.model.clone()
        };
        let differences = self.model.differences(&wanted);
        if !differences.is_empty() {
            bail!(
                "transformers' Mask2Former cannot have these values of [model]:\n  {}",
                differences.join("\n  ")
            );
        }
        let stages = (1..=STAGES).map(|stage| format!("stage{stage}"));
        let labels = || self.labels.iter().enumerate();
        let config = Config {
            feature_size: width,
            hidden_dim: width,
            mask_feature_size: mask_width,
            encoder_feedforward_dim: encoder_ffn,
            encoder_layers,
            decoder_layers: decoder_layers + 1,
            num_attention_heads: heads,
            dim_feedforward: decoder_ffn,
            num_queries: queries,
            id2label: Some(labels().map(|(id, label)| (id, label.clone())).collect()),
            label2id: labels().map(|(id, label)| (label.clone(), id)).collect(),
            backbone_config: Some(Backbone {
                model_type: RESNET.into(),
                embedding_size: backbone.stem.width,
                hidden_sizes: backbone.channels().into(),
                depths: backbone.depths.into(),
                layer_type: match backbone.block {
                    BlockKind::Basic => "basic".into(),
                    BlockKind::Bottleneck => "bottleneck".into(),
                },
                downsample_in_bottleneck: backbone.stride_in_1x1,
                out_features: Some(stages.collect()),
                ..Backbone::default()
            }),
            ..Config::default()
        };
        serde_json::to_value(config).context("config.json")
    }
}
