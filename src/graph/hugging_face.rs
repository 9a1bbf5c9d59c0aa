//! `config.json` of `transformers`' Mask2Former with a ResNet backbone, and our sizes: there and back.
//!
//! What `transformers` has as constants are keys here: group norms of 32 groups, 4 sampling points, the stem of the paper, batch
//! norm whose statistics stand still. Its `decoder_layers` counts the prediction before the first layer as well: one more than ours.
//! Source: `configuration_mask2former.py`, `modeling_mask2former.py` and `modeling_resnet.py` of transformers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind, STAGES, StemConfig};
use crate::graph::config::ModelConfig;

/// The file that makes a folder one of Hugging Face's.
pub const CONFIG: &str = "config.json";
/// `model_type` of Mask2Former and of its backbone.
const MASK2FORMER: &str = "mask2former";
const RESNET: &str = "resnet";
/// Constants of `modeling_mask2former.py`.
const NORM_GROUPS: usize = 32;
const ENCODER_POINTS: usize = 4;
/// Pixels of the image per pixel of res2 to res5.
const STRIDES: [usize; STAGES] = [4, 8, 16, 32];
/// The side of the first kernel and its stride, constants of `modeling_resnet.py`.
const STEM: (usize, usize) = (7, 2);
/// Output channels per inner channel of a bottleneck.
const EXPANSION: usize = 4;
/// Labels of a configuration that names none.
const DEFAULT_LABELS: usize = 2;
/// Mean and deviation of ImageNet's colours; a folder's own stand in its `preprocessor_config.json`.
const PIXEL_MEAN: [f64; 3] = [123.675, 116.28, 103.53];
const PIXEL_STD: [f64; 3] = [58.395, 57.12, 57.375];

/// What a folder's `config.json` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Folder {
    /// Our sizes.
    pub model: ModelConfig,
    /// Names of the classes.
    pub labels: Vec<String>,
}

/// The keys of `config.json` that say how the network is built, with transformers' defaults.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
struct Config {
    architectures: Vec<String>,
    model_type: String,
    feature_size: usize,
    mask_feature_size: usize,
    hidden_dim: usize,
    encoder_feedforward_dim: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    num_attention_heads: usize,
    dim_feedforward: usize,
    num_queries: usize,
    activation_function: String,
    pre_norm: bool,
    enforce_input_projection: bool,
    common_stride: usize,
    feature_strides: Vec<usize>,
    #[serde(skip_serializing)]
    backbone: Option<String>,
    #[serde(skip_serializing)]
    num_labels: Option<usize>,
    id2label: Option<BTreeMap<usize, String>>,
    #[serde(skip_deserializing)]
    label2id: BTreeMap<String, usize>,
    backbone_config: Option<Backbone>,
}

/// `backbone_config`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default)]
struct Backbone {
    model_type: String,
    num_channels: usize,
    embedding_size: usize,
    hidden_sizes: Vec<usize>,
    depths: Vec<usize>,
    layer_type: String,
    hidden_act: String,
    downsample_in_first_stage: bool,
    downsample_in_bottleneck: bool,
    out_features: Option<Vec<String>>,
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

impl Folder {
    /// Reads `config.json` of `folder`.
    ///
    /// # Errors
    /// A file that is missing or no JSON, another architecture, or values that this network cannot have, all in one message.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let shown = path.display();
        let text = std::fs::read(&path).with_context(|| format!("{shown}: cannot be read"))?;
        let json: Value =
            serde_json::from_slice(&text).with_context(|| format!("{shown}: no JSON"))?;
        Self::parse(json).with_context(|| format!("{shown}: cannot be used"))
    }

    fn parse(json: Value) -> Result<Self> {
        let kind = json.get("model_type").and_then(Value::as_str);
        if kind != Some(MASK2FORMER) {
            let found = kind.map_or("missing".to_string(), |kind| format!("`{kind}`"));
            bail!("`model_type` is {found}, must be `{MASK2FORMER}`");
        }
        let config: Config = serde_path_to_error::deserialize(json)
            .map_err(|error| anyhow::anyhow!("`{}`: {}", error.path(), error.inner()))?;
        let Some(backbone) = &config.backbone_config else {
            bail!("`backbone_config` is missing; needed: one of model_type `{RESNET}`");
        };
        let mut problems = config.problems();
        problems.extend(backbone.problems());
        let labels = config.labels().map_err(|problem| problems.push(problem));
        if problems.is_empty()
            && let Ok(labels) = labels
        {
            let model = config.model(backbone);
            model
                .check()
                .map_err(|error| anyhow::anyhow!("as `{}` here: {error}", error.key))?;
            return Ok(Self { model, labels });
        }
        bail!("{}", problems.join("\n  "))
    }

    /// `config.json` of the same network, with the class names.
    ///
    /// # Errors
    /// Every key of `[model]` whose value `transformers` has no key for.
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
            backbone: BackboneConfig {
                norm: NormKind::FrozenBatch,
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

impl Config {
    /// What is not supported: here because the network is another one, or in `transformers` because the values of an input
    /// projection are not saved.
    fn problems(&self) -> Vec<String> {
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

    fn labels(&self) -> Result<Vec<String>, String> {
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

    fn model(&self, backbone: &Backbone) -> ModelConfig {
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

impl Backbone {
    fn problems(&self) -> Vec<String> {
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

    fn config(&self) -> BackboneConfig {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config() -> Value {
        json!({
            "model_type": "mask2former",
            "feature_size": 64,
            "hidden_dim": 64,
            "mask_feature_size": 32,
            "encoder_feedforward_dim": 48,
            "decoder_layers": 4,
            "num_attention_heads": 4,
            "id2label": { "10": "k", "0": "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f", "6": "g", "7": "h", "8": "i", "9": "j" },
            "class_weight": 2.0,
            "backbone_config": {
                "model_type": "resnet",
                "embedding_size": 8,
                "hidden_sizes": [16, 32, 64, 128],
                "depths": [1, 2, 1, 1],
                "downsample_in_bottleneck": true,
                "out_features": ["stage1", "stage2", "stage3", "stage4"],
            },
        })
    }

    fn with(path: &str, value: Value) -> Value {
        let mut json = config();
        *json.pointer_mut(path).expect("a known key") = value;
        json
    }

    fn refused(json: Value) -> String {
        format!("{:#}", Folder::parse(json).expect_err("refused"))
    }

    #[test]
    fn sizes_are_read_and_defaults_are_transformers() {
        let Folder { model, labels } = Folder::parse(config()).unwrap();
        assert_eq!(
            (model.width, model.fpn_width, model.mask_width),
            (64, 64, 32)
        );
        assert_eq!((model.decoder_layers, model.decoder_ffn), (3, 2048));
        assert_eq!(
            (model.heads, model.queries, model.encoder_layers),
            (4, 100, 6)
        );
        assert_eq!(model.backbone.widths, [4, 8, 16, 32]);
        assert!(model.backbone.stride_in_1x1);
        assert_eq!(
            (labels.len(), labels[10].as_str()),
            (11, "k"),
            "in order of the numbers"
        );
        let basic = with("/backbone_config/depths", json!([2, 2, 2, 2]));
        assert_eq!(Folder::parse(basic).unwrap().model.backbone.depths, [2; 4]);
    }

    #[test]
    fn a_configuration_survives_the_way_there_and_back() {
        let folder = Folder::parse(config()).unwrap();
        let json = folder.to_json().unwrap();
        assert_eq!(json["decoder_layers"], 4);
        assert_eq!(Folder::parse(json).unwrap(), folder);
    }

    #[test]
    fn what_transformers_cannot_have_is_refused_by_key() {
        let mut folder = Folder::parse(config()).unwrap();
        folder.model.fpn_width = 32;
        folder.model.encoder_points = 2;
        folder.model.backbone.stem.pool = false;
        let error = folder.to_json().unwrap_err().to_string();
        for key in ["`fpn-width`", "`encoder-points`", "`backbone.stem.pool`"] {
            assert!(error.contains(key), "{key} in {error}");
        }
        assert!(!error.contains("norm-groups"), "{error}");
    }

    #[test]
    fn another_architecture_is_told() {
        let error = refused(json!({ "model_type": "detr" }));
        assert_eq!(error, "`model_type` is `detr`, must be `mask2former`");
        let swin = refused(with("/backbone_config/model_type", json!("swin")));
        assert!(
            swin.contains("`backbone_config.model_type` is `swin`"),
            "{swin}"
        );
        let typed = refused(with("/feature_size", json!("wide")));
        assert!(typed.starts_with("`feature_size`: "), "{typed}");
    }

    #[test]
    fn all_that_is_not_supported_is_listed() {
        let mut json = with("/hidden_dim", json!(128));
        json["pre_norm"] = json!(true);
        json["backbone_config"]["hidden_act"] = json!("gelu");
        json["backbone_config"]["out_features"] = json!(["stage4"]);
        json["id2label"] = json!({ "1": "a" });
        let error = refused(json);
        for key in [
            "hidden_dim",
            "pre_norm",
            "hidden_act",
            "out_features",
            "id2label",
        ] {
            assert!(error.contains(key), "{key} in {error}");
        }
        let mut narrow = with("/feature_size", json!(48));
        narrow["hidden_dim"] = json!(48);
        let narrow = refused(narrow);
        assert!(
            narrow.contains("`width`") && narrow.contains("32"),
            "{narrow}"
        );
    }
}
