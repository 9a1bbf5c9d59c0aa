//! OpenCLIP's folders: `open_clip_config.json` and OpenCLIP's names, which are also ours.
//!
//! Image towers: timm's ConvNeXt (`timm_model_name = "convnext_*"`), with widths and depths taken from the
//! arrays, and OpenCLIP's own vision transformer without options. The projections are stored transposed,
//! `[D, E]`.

use super::{check_values, typed};
use crate::graph::bounds::{LAYERS, SIDES, WIDTHS, WORDS};
use crate::graph::clip::convnext::{ConvNextSizes, Head};
use crate::graph::clip::model::{ClipSizes, ImageSizes};
use crate::graph::clip::preprocess::Preprocess;
use crate::graph::clip::text::{EndToken, TextSizes};
use crate::graph::clip::transformer::TransformerSizes;
use crate::graph::clip::vit::VitSizes;
use crate::graph::weights::{ArraySource, Arrays, Names};
use crate::ops::Gelu;
use crate::registry::above;
use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The file of the sizes.
pub const CONFIG: &str = "open_clip_config.json";
/// The stem of the file of the weights.
pub const WEIGHTS: &str = "open_clip_model";
/// The causal mask that older files contain.
const MASK: &str = "attn_mask";
/// The epsilon of OpenCLIP's own norms (PyTorch's default) and of timm's; for `convnext_xxlarge` the former.
const EPSILON: f32 = 1e-5;
const TIMM_EPSILON: f32 = 1e-6;
/// The table of the image tower.
const VISION: &str = "model_cfg.vision_cfg";
/// Largest number of hidden features per feature.
const MOST_RATIO: f64 = 64.0;
/// Most stages of a ConvNeXt.
const STAGES: usize = 16;

#[derive(Deserialize)]
struct ModelConfig {
    embed_dim: usize,
    vision_cfg: VisionConfig,
    text_cfg: TextConfig,
    #[serde(default)]
    quick_gelu: bool,
    #[serde(default)]
    custom_text: bool,
}

#[derive(Deserialize)]
struct VisionConfig {
    image_size: usize,
    timm_model_name: Option<String>,
    #[serde(default)]
    timm_pool: Option<String>,
    #[serde(default)]
    timm_proj: Option<String>,
    layers: Option<usize>,
    width: Option<usize>,
    patch_size: Option<usize>,
    #[serde(default = "default_head_width")]
    head_width: usize,
    #[serde(default = "default_mlp_ratio")]
    mlp_ratio: f64,
}

#[derive(Deserialize)]
struct TextConfig {
    #[serde(default = "default_context")]
    context_length: usize,
    #[serde(default = "default_vocabulary")]
    vocab_size: usize,
    width: usize,
    heads: usize,
    layers: usize,
    #[serde(default = "default_mlp_ratio")]
    mlp_ratio: f64,
    hf_model_name: Option<String>,
    hf_tokenizer_name: Option<String>,
}

fn default_head_width() -> usize {
    64
}

fn default_mlp_ratio() -> f64 {
    4.0
}

fn default_context() -> usize {
    77
}

fn default_vocabulary() -> usize {
    49408
}

/// The sizes of the network that the configuration describes and `arrays` holds.
///
/// # Errors
/// The architecture is unknown, a value has a wrong type, or no network can have a value.
pub fn sizes(path: &Path, config: &Value, arrays: &Arrays) -> Result<ClipSizes> {
    let shown = path.display().to_string();
    ensure!(
        config["model_cfg"].is_object(),
        "{shown}: no model_cfg; needed: an OpenCLIP configuration"
    );
    let config: ModelConfig = typed(path, "model_cfg", config["model_cfg"].clone())?;
    let text = &config.text_cfg;
    ensure!(
        text.hf_model_name.is_none() && text.hf_tokenizer_name.is_none() && !config.custom_text,
        "{shown}: model_cfg.text_cfg: only OpenCLIP's own text tower with CLIP's tokens is known"
    );
    check_values(path, "model_cfg.text_cfg", |check| {
        check.range("context_length", text.context_length, WORDS);
        check.range("vocab_size", text.vocab_size, WORDS);
        check.range("width", text.width, WIDTHS);
        check.range("heads", text.heads, WIDTHS);
        check.range("layers", text.layers, LAYERS);
        check.range("mlp_ratio", text.mlp_ratio, above(0.0, MOST_RATIO));
        check.divides("width", text.width, text.heads, "`heads`");
    })?;
    check_values(path, "model_cfg", |check| {
        check.range("embed_dim", config.embed_dim, WIDTHS)
    })?;
    let activation = match config.quick_gelu {
        true => Gelu::Quick,
        false => Gelu::Exact,
    };
    let transformer = |width: usize, layers: usize, heads: usize, ratio: f64| TransformerSizes {
        width,
        layers,
        heads,
        hidden: (width as f64 * ratio) as usize,
        activation,
        epsilon: EPSILON,
    };
    let vision = &config.vision_cfg;
    check_values(path, VISION, |check| {
        check.range("image_size", vision.image_size, SIDES)
    })?;
    let image = match &vision.timm_model_name {
        Some(name) => ImageSizes::ConvNext(convnext(path, name, vision, arrays)?),
        None => {
            let (Some(layers), Some(width), Some(patch)) =
                (vision.layers, vision.width, vision.patch_size)
            else {
                bail!(
                    "{shown}: model_cfg.vision_cfg: neither timm_model_name nor layers, width and patch_size of a vision transformer"
                );
            };
            let heads = width / vision.head_width.max(1);
            check_values(path, VISION, |check| {
                check.range("layers", layers, LAYERS);
                check.range("width", width, WIDTHS);
                check.range("head_width", vision.head_width, 1..=width.max(1));
                check.range("patch_size", patch, 1..=vision.image_size.max(1));
                check.range("mlp_ratio", vision.mlp_ratio, above(0.0, MOST_RATIO));
                check.divides("width", width, heads, "`width` / `head_width`");
            })?;
            ImageSizes::Vit(VitSizes {
                image: vision.image_size,
                patch,
                transformer: transformer(width, layers, heads, vision.mlp_ratio),
            })
        }
    };
    let text = TextSizes {
        vocabulary: text.vocab_size,
        context: text.context_length,
        transformer: transformer(text.width, text.layers, text.heads, text.mlp_ratio),
        end: EndToken::LargestId,
    };
    Ok(ClipSizes {
        image,
        text,
        shared: config.embed_dim,
    })
}

/// The sizes of timm's ConvNeXt `name`.
fn convnext(
    path: &Path,
    name: &str,
    vision: &VisionConfig,
    arrays: &Arrays,
) -> Result<ConvNextSizes> {
    let shown = path.display();
    ensure!(
        name.starts_with("convnext_"),
        "{shown}: model_cfg.vision_cfg.timm_model_name: unknown `{name}`; known: `convnext_*`"
    );
    let pool = vision.timm_pool.as_deref().unwrap_or_default();
    ensure!(
        ["", "avg"].contains(&pool),
        "{shown}: model_cfg.vision_cfg.timm_pool: unknown `{pool}`; known: ``, `avg`"
    );
    let head = match vision.timm_proj.as_deref() {
        None | Some("linear") => Head::Linear,
        Some("mlp") => Head::Mlp,
        Some(other) => bail!(
            "{shown}: model_cfg.vision_cfg.timm_proj: unknown `{other}`; known: `linear`, `mlp`"
        ),
    };
    let stage = |i: usize| format!("visual.trunk.stages.{i}.");
    let width = |i: usize| {
        let bias = arrays.get(&format!("{}blocks.0.conv_dw.bias", stage(i)))?;
        let shape = &bias.shape;
        (shape.len() == 1 && shape[0] > 0).then(|| shape[0])
    };
    let stages = (0..STAGES).take_while(|i| arrays.holds(&stage(*i)));
    let widths: Option<Vec<usize>> = stages.map(width).collect();
    let widths = widths.filter(|widths| !widths.is_empty());
    let Some(widths) = widths else {
        bail!(
            "{}: no ConvNeXt with names like `visual.trunk.stages.0.blocks.0.conv_dw.bias`",
            arrays.path().display()
        );
    };
    let depth = |i: usize| {
        (0..)
            .take_while(|block| arrays.holds(&format!("{}blocks.{block}.", stage(i))))
            .count()
    };
    let epsilon = match name {
        "convnext_xxlarge" => EPSILON,
        _ => TIMM_EPSILON,
    };
    Ok(ConvNextSizes {
        depths: (0..widths.len()).map(depth).collect(),
        widths,
        epsilon,
        head,
    })
}

/// OpenCLIP's own names, which are also ours.
pub struct OpenClip;

impl Names for OpenClip {
    fn origin(&self, ours: &str) -> ArraySource {
        ArraySource {
            transposed: ["text_projection", "visual.proj"].contains(&ours),
            ..ArraySource::plain(ours)
        }
    }

    fn ignores(&self, name: &str) -> Option<&'static str> {
        (name == MASK).then_some("the causal mask")
    }
}

/// The image preprocessing.
///
/// # Errors
/// A value is not supported.
pub fn preprocess(path: &Path, config: &Value) -> Result<Preprocess> {
    let size = config["model_cfg"]["vision_cfg"]["image_size"].as_u64();
    Preprocess::open_clip(path, size, config["preprocess_cfg"].clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The sizes of a vision transformer's configuration, of which the arrays say nothing.
    fn read(config: &Value) -> Result<ClipSizes> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("open_clip_model.safetensors");
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &[0; 4])?;
        safetensors::serialize_to_file([("logit_scale", view)], None, &path)?;
        sizes(Path::new("x/config.json"), config, &Arrays::open(&path)?)
    }

    fn config() -> Value {
        json!({"model_cfg": {
            "embed_dim": 64,
            "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
            "text_cfg": {"context_length": 16, "vocab_size": 100, "width": 64, "heads": 2, "layers": 2},
        }})
    }

    #[test]
    fn absurd_numbers_are_refused_by_key_with_what_is_allowed() {
        read(&config()).expect("sizes");
        let mut tried = 0;
        for part in ["", "/vision_cfg", "/text_cfg"] {
            let pointer = format!("/model_cfg{part}");
            let keys = config()
                .pointer(&pointer)
                .unwrap()
                .as_object()
                .unwrap()
                .clone();
            for (key, _) in keys.iter().filter(|(_, value)| value.is_u64()) {
                for number in [i64::MAX as u64, 1 << 31, 0] {
                    let mut wrong = config();
                    wrong.pointer_mut(&pointer).unwrap()[key] = json!(number);
                    let text = format!("{:#}", read(&wrong).expect_err(key));
                    let place = format!("model_cfg{}.{key}", part.replace('/', "."));
                    let found =
                        format!("x/config.json: {place}: {number} is out of range; allowed: ");
                    assert!(text.contains(&found), "{text}");
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 3 * 11);
    }
}
