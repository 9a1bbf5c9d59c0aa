//! Hugging Face's `CLIPModel`: its `config.json`, its names, its `preprocessor_config.json`.
//!
//! A key that the file leaves out has the value of `CLIPTextConfig` and `CLIPVisionConfig`. Names, ours to theirs:
//! `transformer.resblocks.0.mlp.c_fc.weight` is `text_model.encoder.layers.0.mlp.fc1.weight`; query, key and value projection are three
//! arrays there and one here.

use super::super::json::json;
use super::{check_heads, check_sizes, typed};
use crate::graph::clip::model::{ClipSizes, ImageSizes};
use crate::graph::clip::preprocess::Preprocess;
use crate::graph::clip::text::{EndToken, TextSizes};
use crate::graph::clip::transformer::TransformerSizes;
use crate::graph::clip::vit::VitSizes;
use crate::graph::weights::{Names, Origin};
use crate::ops::Gelu;
use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The file of the sizes.
pub const CONFIG: &str = "config.json";
/// Its `model_type` there.
pub const MODEL: &str = "clip";
/// The stem of the file of the weights.
pub const WEIGHTS: &str = "model";
/// The files that tell what is done with pictures, the older one first.
const PREPROCESS: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];
/// A buffer of older files that holds 0, 1, 2, ...
const COUNTER: &str = "position_ids";
/// `eos_token_id` of configurations from before it was used: the end is the largest id then.
const HISTORIC_END: u32 = 2;

#[derive(Deserialize)]
#[serde(default)]
struct TextConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f32,
    eos_token_id: u32,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49407,
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
struct VisionConfig {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_channels: usize,
    image_size: usize,
    patch_size: usize,
    hidden_act: String,
    layer_norm_eps: f32,
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
        }
    }
}

/// The sizes that `config.json` tells.
///
/// # Errors
/// Another architecture, a value of another type, or one that no network has.
pub fn sizes(path: &Path, mut config: Value) -> Result<ClipSizes> {
    let shown = path.display();
    match config["model_type"].as_str() {
        Some(MODEL) => {}
        Some(other) => bail!("{shown}: model_type is `{other}`; needed: `{MODEL}`"),
        None => bail!("{shown}: no model_type; needed: `{MODEL}`"),
    }
    let mut part = |name: &str| {
        let mut part = config[name].take();
        // Older files repeat what differs from the defaults under a second name, which then counts.
        if let Value::Object(second) = config[format!("{name}_dict")].take() {
            match &mut part {
                Value::Object(first) => first.extend(second),
                other => *other = Value::Object(second),
            }
        }
        if part.is_null() {
            part = Value::Object(serde_json::Map::new());
        }
        part
    };
    let text: TextConfig = typed(path, "text_config", part("text_config"))?;
    let vision: VisionConfig = typed(path, "vision_config", part("vision_config"))?;
    let shared = match config["projection_dim"].take() {
        Value::Null => 512,
        value => typed(path, "projection_dim", value)?,
    };
    check_sizes(
        path,
        "text_config",
        &[
            ("vocab_size", text.vocab_size),
            ("hidden_size", text.hidden_size),
            ("intermediate_size", text.intermediate_size),
            ("num_hidden_layers", text.num_hidden_layers),
            ("num_attention_heads", text.num_attention_heads),
            ("max_position_embeddings", text.max_position_embeddings),
        ],
    )?;
    check_sizes(
        path,
        "vision_config",
        &[
            ("hidden_size", vision.hidden_size),
            ("intermediate_size", vision.intermediate_size),
            ("num_hidden_layers", vision.num_hidden_layers),
            ("num_attention_heads", vision.num_attention_heads),
            ("patch_size", vision.patch_size),
            (
                "image_size / patch_size",
                vision.image_size / vision.patch_size.max(1),
            ),
        ],
    )?;
    check_sizes(path, "", &[("projection_dim", shared)])?;
    check_heads(
        path,
        "text_config",
        text.hidden_size,
        text.num_attention_heads,
    )?;
    check_heads(
        path,
        "vision_config",
        vision.hidden_size,
        vision.num_attention_heads,
    )?;
    ensure!(
        vision.num_channels == 3,
        "{shown}: vision_config.num_channels: {} is not 3",
        vision.num_channels
    );
    let end = match text.eos_token_id {
        HISTORIC_END => EndToken::LargestId,
        id => EndToken::Id(id),
    };
    Ok(ClipSizes {
        image: ImageSizes::Vit(VitSizes {
            image: vision.image_size,
            patch: vision.patch_size,
            transformer: TransformerSizes {
                width: vision.hidden_size,
                layers: vision.num_hidden_layers,
                heads: vision.num_attention_heads,
                hidden: vision.intermediate_size,
                activation: activation(path, "vision_config", &vision.hidden_act)?,
                epsilon: vision.layer_norm_eps,
            },
        }),
        text: TextSizes {
            vocabulary: text.vocab_size,
            context: text.max_position_embeddings,
            transformer: TransformerSizes {
                width: text.hidden_size,
                layers: text.num_hidden_layers,
                heads: text.num_attention_heads,
                hidden: text.intermediate_size,
                activation: activation(path, "text_config", &text.hidden_act)?,
                epsilon: text.layer_norm_eps,
            },
            end,
        },
        shared,
    })
}

fn activation(path: &Path, part: &str, name: &str) -> Result<Gelu> {
    match name {
        "quick_gelu" => Ok(Gelu::Quick),
        "gelu" => Ok(Gelu::Exact),
        other => bail!(
            "{}: {part}.hidden_act: unknown `{other}`; known: `quick_gelu`, `gelu`",
            path.display()
        ),
    }
}

/// The names of `CLIPModel`.
pub struct HuggingFace;

impl Names for HuggingFace {
    fn origin(&self, ours: &str) -> Origin {
        origin(ours)
    }

    fn ignores(&self, name: &str) -> Option<&'static str> {
        name.ends_with(COUNTER).then_some("0, 1, 2, ...")
    }
}

/// Their arrays of our parameter `ours`.
fn origin(ours: &str) -> Origin {
    let parts: Vec<&str> = ours.split('.').collect();
    let name = match parts[..] {
        ["logit_scale"] => "logit_scale".into(),
        ["text_projection"] => "text_projection.weight".into(),
        ["token_embedding", field] => format!("text_model.embeddings.token_embedding.{field}"),
        ["positional_embedding"] => "text_model.embeddings.position_embedding.weight".into(),
        ["ln_final", field] => format!("text_model.final_layer_norm.{field}"),
        ["visual", "proj"] => "visual_projection.weight".into(),
        ["visual", "class_embedding"] => "vision_model.embeddings.class_embedding".into(),
        ["visual", "conv1", field] => format!("vision_model.embeddings.patch_embedding.{field}"),
        ["visual", "positional_embedding"] => {
            "vision_model.embeddings.position_embedding.weight".into()
        }
        // Their spelling.
        ["visual", "ln_pre", field] => format!("vision_model.pre_layrnorm.{field}"),
        ["visual", "ln_post", field] => format!("vision_model.post_layernorm.{field}"),
        ["transformer", "resblocks", layer, ref rest @ ..] => {
            return block("text_model", layer, rest);
        }
        ["visual", "transformer", "resblocks", layer, ref rest @ ..] => {
            return block("vision_model", layer, rest);
        }
        _ => unreachable!("`{ours}` is no parameter of a CLIP"),
    };
    Origin::plain(name)
}

/// Their arrays of the parameter `rest` of a block.
fn block(tower: &str, layer: &str, rest: &[&str]) -> Origin {
    let prefix = format!("{tower}.encoder.layers.{layer}");
    let name = match *rest {
        ["attn", "out_proj", field] => format!("{prefix}.self_attn.out_proj.{field}"),
        ["attn", fused] => {
            let field = fused.trim_start_matches("in_proj_");
            let one = |which: &str| format!("{prefix}.self_attn.{which}_proj.{field}");
            return Origin::stacked(["q", "k", "v"].map(one).into());
        }
        ["ln_1", field] => format!("{prefix}.layer_norm1.{field}"),
        ["ln_2", field] => format!("{prefix}.layer_norm2.{field}"),
        ["mlp", "c_fc", field] => format!("{prefix}.mlp.fc1.{field}"),
        ["mlp", "c_proj", field] => format!("{prefix}.mlp.fc2.{field}"),
        _ => unreachable!("{rest:?} is no parameter of a block"),
    };
    Origin::plain(name)
}

/// What is done with pictures.
///
/// # Errors
/// No file that tells, or a value that is not supported.
pub fn preprocess(folder: &Path) -> Result<Preprocess> {
    let [older, newer] = PREPROCESS.map(|name| folder.join(name));
    if older.exists() {
        return Preprocess::hugging_face(&older, json(&older)?);
    }
    ensure!(
        newer.exists(),
        "{}: no such file, nor {}",
        older.display(),
        PREPROCESS[1]
    );
    let part = json(&newer)?["image_processor"].take();
    ensure!(
        part.is_object(),
        "{}: no image_processor in it",
        newer.display()
    );
    Preprocess::hugging_face(&newer, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(config: Value) -> Result<ClipSizes> {
        sizes(Path::new("x/config.json"), config)
    }

    #[test]
    fn absent_keys_have_the_defaults_and_a_second_table_counts() {
        let sizes = read(json!({
            "model_type": "clip",
            "projection_dim": 64,
            "text_config": { "hidden_size": 256, "eos_token_id": 2 },
            "text_config_dict": { "hidden_size": 128 },
            "vision_config": { "patch_size": 14, "hidden_act": "gelu" },
        }))
        .expect("sizes");
        assert_eq!(sizes.shared, 64);
        assert_eq!(sizes.text.transformer.width, 128);
        assert_eq!(sizes.text.end, EndToken::LargestId);
        let ImageSizes::Vit(image) = sizes.image else {
            panic!("{:?}", sizes.image)
        };
        assert_eq!((image.image, image.patch), (224, 14));
        assert_eq!(image.transformer.activation, Gelu::Exact);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, part) in [
            (
                json!({"model_type": "bert"}),
                "model_type is `bert`; needed: `clip`",
            ),
            (json!({}), "no model_type"),
            (
                json!({"model_type": "clip", "text_config": {"hidden_size": "big"}}),
                "text_config.hidden_size",
            ),
            (
                json!({"model_type": "clip", "vision_config": {"num_attention_heads": 7}}),
                "7 attention heads do not divide a width of 768",
            ),
            (
                json!({"model_type": "clip", "vision_config": {"patch_size": 0}}),
                "vision_config.patch_size: 0",
            ),
            (
                json!({"model_type": "clip", "text_config": {"hidden_act": "relu"}}),
                "unknown `relu`; known: `quick_gelu`, `gelu`",
            ),
        ] {
            let text = format!("{:#}", read(config).expect_err(part));
            assert!(
                text.contains(part) && text.contains("x/config.json"),
                "{text}"
            );
        }
    }

    #[test]
    fn three_projections_become_one() {
        let names = origin("visual.transformer.resblocks.3.attn.in_proj_bias").names;
        assert_eq!(
            names,
            ["q", "k", "v"].map(|which| {
                format!("vision_model.encoder.layers.3.self_attn.{which}_proj.bias")
            })
        );
    }
}
