//! Hugging Face's `CLIPModel`: its `config.json`, its names, its `preprocessor_config.json`.
//!
//! Keys that the file leaves out have the defaults of `CLIPTextConfig` and `CLIPVisionConfig`. An example of
//! the names: `transformer.resblocks.0.mlp.c_fc.weight` here is `text_model.encoder.layers.0.mlp.fc1.weight`
//! there. The query, key and value projections are three arrays there and one here.

use super::super::json::json;
use super::{check_values, typed};
use crate::graph::bounds::{HIDDEN_WIDTHS, LAYERS, SIDES, WIDTHS, WORDS};
use crate::graph::clip::model::{ClipSizes, ImageSizes};
use crate::graph::clip::preprocess::Preprocess;
use crate::graph::clip::text::{EndToken, TextSizes};
use crate::graph::clip::transformer::TransformerSizes;
use crate::graph::clip::vit::VitSizes;
use crate::graph::weights::{ArraySource, Names};
use crate::ops::Gelu;
use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The file of the sizes.
pub const CONFIG: &str = "config.json";
/// The `model_type` of a CLIP in that file.
pub const MODEL: &str = "clip";
/// The stem of the file of the weights.
pub const WEIGHTS: &str = "model";
/// The files with the image preprocessing, the older one first.
const PREPROCESS: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];
/// A buffer of older files that holds 0, 1, 2, ...
const COUNTER: &str = "position_ids";
/// The `eos_token_id` of configurations that were written before the key was used. The end token is then the
/// largest id.
const HISTORIC_END: u32 = 2;
/// Red, green, blue.
const CHANNELS: usize = 3;

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

/// The sizes in `config.json`.
///
/// # Errors
/// Another architecture, a value of a wrong type, or a value that no network can have.
pub fn sizes(path: &Path, mut config: Value) -> Result<ClipSizes> {
    let shown = path.display();
    match config["model_type"].as_str() {
        Some(MODEL) => {}
        Some(other) => bail!("{shown}: model_type is `{other}`; needed: `{MODEL}`"),
        None => bail!("{shown}: no model_type; needed: `{MODEL}`"),
    }
    let mut part = |name: &str| {
        let mut part = config[name].take();
        // Older files repeat the values that differ from the defaults under a second name, which takes
        // precedence.
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
    check_values(path, "text_config", |check| {
        check.range("vocab_size", text.vocab_size, WORDS);
        check.range("hidden_size", text.hidden_size, WIDTHS);
        check.range("intermediate_size", text.intermediate_size, HIDDEN_WIDTHS);
        check.range("num_hidden_layers", text.num_hidden_layers, LAYERS);
        check.range("num_attention_heads", text.num_attention_heads, WIDTHS);
        check.range(
            "max_position_embeddings",
            text.max_position_embeddings,
            WORDS,
        );
        check.divides(
            "hidden_size",
            text.hidden_size,
            text.num_attention_heads,
            "`num_attention_heads`",
        );
    })?;
    check_values(path, "vision_config", |check| {
        check.range("hidden_size", vision.hidden_size, WIDTHS);
        check.range("intermediate_size", vision.intermediate_size, HIDDEN_WIDTHS);
        check.range("num_hidden_layers", vision.num_hidden_layers, LAYERS);
        check.range("num_attention_heads", vision.num_attention_heads, WIDTHS);
        check.range("num_channels", vision.num_channels, CHANNELS..=CHANNELS);
        check.range("image_size", vision.image_size, SIDES);
        check.range(
            "patch_size",
            vision.patch_size,
            1..=vision.image_size.max(1),
        );
        check.divides(
            "hidden_size",
            vision.hidden_size,
            vision.num_attention_heads,
            "`num_attention_heads`",
        );
    })?;
    check_values(path, "", |check| {
        check.range("projection_dim", shared, WIDTHS)
    })?;
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
    fn origin(&self, ours: &str) -> ArraySource {
        origin(ours)
    }

    fn ignores(&self, name: &str) -> Option<&'static str> {
        name.ends_with(COUNTER).then_some("0, 1, 2, ...")
    }
}

/// Hugging Face's arrays for our parameter `ours`.
fn origin(ours: &str) -> ArraySource {
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
        // The spelling is Hugging Face's.
        ["visual", "ln_pre", field] => format!("vision_model.pre_layrnorm.{field}"),
        ["visual", "ln_post", field] => format!("vision_model.post_layernorm.{field}"),
        ["transformer", "resblocks", layer, ref rest @ ..] => {
            return block("text_model", layer, rest);
        }
        ["visual", "transformer", "resblocks", layer, ref rest @ ..] => {
            return block("vision_model", layer, rest);
        }
        _ => unreachable!("`{ours}` is not a parameter of a CLIP"),
    };
    ArraySource::plain(name)
}

/// Hugging Face's arrays for the parameter `rest` of a block.
fn block(tower: &str, layer: &str, rest: &[&str]) -> ArraySource {
    let prefix = format!("{tower}.encoder.layers.{layer}");
    let name = match *rest {
        ["attn", "out_proj", field] => format!("{prefix}.self_attn.out_proj.{field}"),
        ["attn", fused] => {
            let field = fused.trim_start_matches("in_proj_");
            let one = |which: &str| format!("{prefix}.self_attn.{which}_proj.{field}");
            return ArraySource::stacked(["q", "k", "v"].map(one).into());
        }
        ["ln_1", field] => format!("{prefix}.layer_norm1.{field}"),
        ["ln_2", field] => format!("{prefix}.layer_norm2.{field}"),
        ["mlp", "c_fc", field] => format!("{prefix}.mlp.fc1.{field}"),
        ["mlp", "c_proj", field] => format!("{prefix}.mlp.fc2.{field}"),
        _ => unreachable!("{rest:?} is not a parameter of a block"),
    };
    ArraySource::plain(name)
}

/// The image preprocessing.
///
/// # Errors
/// There is no file with it, or a value is not supported.
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
                "vision_config.hidden_size: 768 does not fit; allowed: multiples of 7 (`num_attention_heads`)",
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
    fn absurd_numbers_are_refused_by_key_with_what_is_allowed() {
        let tower = [
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
        ];
        let text = ["vocab_size", "max_position_embeddings"];
        let vision = ["num_channels", "image_size", "patch_size"];
        for (part, own) in [("text_config", &text[..]), ("vision_config", &vision[..])] {
            for key in tower.iter().chain(own) {
                for number in [i64::MAX as u64, 1 << 31, 0] {
                    let config = json!({"model_type": "clip", part: {*key: number}});
                    let text = format!("{:#}", read(config).expect_err(key));
                    let found =
                        format!("x/config.json: {part}.{key}: {number} is out of range; allowed: ");
                    assert!(text.contains(&found), "{text}");
                }
            }
        }
        let config = json!({"model_type": "clip", "projection_dim": 1u64 << 31});
        let text = format!("{:#}", read(config).expect_err("too wide"));
        assert!(
            text.contains("projection_dim: 2147483648 is out of range; allowed: "),
            "{text}"
        );
        let config = json!({"model_type": "clip", "text_config": {"eos_token_id": i64::MAX}});
        let text = format!("{:#}", read(config).expect_err("no id"));
        assert!(
            text.contains("text_config.eos_token_id: expected a whole number from 0 to 4294967295"),
            "{text}"
        );
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
