//! The table `[method.correction.vlm]`: the choice of a vision-language model and its settings.

use super::descriptions::Descriptions;
use crate::graph::bounds::{SIDES, WIDTHS};
use crate::registry::{Check, Checked, Entry, MOST_STEPS, MOST_WEIGHT, above, read};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The settings of a vision-language model, from `[method.correction.vlm]`.
#[derive(Clone, Debug, PartialEq)]
pub enum VisionLanguageConfig {
    /// A model trained by the harness on drawn pictures.
    ClipTiny(ClipTinyConfig),
    /// Prototypes pooled from the labelled instances on the frozen backbone.
    Prototypes(PrototypesConfig),
    /// A released CLIP.
    Clip(ClipConfig),
}

/// The vision-language models that a recipe can name under `method.correction.vlm.name`.
pub const VISION_LANGUAGE_MODELS: &[Entry<VisionLanguageConfig>] = &[
    Entry {
        name: "clip-tiny",
        about: "a small dual encoder, trained contrastively on class-balanced drawn pictures",
        build: |table| read(table).map(VisionLanguageConfig::ClipTiny),
    },
    Entry {
        name: "prototypes",
        about: "class prototypes of the labelled instances on the frozen backbone; needs no text",
        build: |table| read(table).map(VisionLanguageConfig::Prototypes),
    },
    Entry {
        name: "clip",
        about: "a released CLIP from its folder: Hugging Face's (ViT) or OpenCLIP's (ConvNeXt, ViT)",
        build: |table| read(table).map(VisionLanguageConfig::Clip),
    },
];

/// `[method.correction.vlm]` with `name = "clip-tiny"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClipTinyConfig {
    /// The number of training steps.
    pub steps: usize,
    /// The number of class-balanced drawn pictures to train on.
    pub images: usize,
    /// The seed of the pictures, the initial weights and all draws of the training.
    pub seed: u64,
    /// The number of pictures per step.
    pub batch: usize,
    /// The highest learning rate.
    pub rate: f64,
    /// The width E of the shared space.
    pub width: usize,
}

/// Drawn pictures that a training may hold in memory.
const MOST_IMAGES: usize = 100_000;

impl Checked for ClipTinyConfig {
    fn check(&self, check: &mut Check) {
        check.range("steps", self.steps, 1..=MOST_STEPS);
        check.range("images", self.images, 1..=MOST_IMAGES);
        let fits = (1..=self.images).contains(&self.batch);
        check.require(
            fits,
            "batch",
            self.batch,
            format!("1 to `images` = {}", self.images),
        );
        check.range("rate", self.rate, above(0.0, MOST_WEIGHT));
        check.range("width", self.width, WIDTHS);
    }
}

/// `[method.correction.vlm]` with `name = "prototypes"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrototypesConfig {
    /// The factor of the cosine.
    pub scale: f64,
    /// The maximum number of labelled images to read.
    pub images: usize,
    /// The backbone level whose features are pooled.
    pub level: Level,
}

impl Checked for PrototypesConfig {
    fn check(&self, check: &mut Check) {
        check.range("scale", self.scale, above(0.0, 100.0));
        check.range("images", self.images, 1..);
    }
}

/// `[method.correction.vlm]` with `name = "clip"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClipConfig {
    /// The folder of the released model.
    pub weights: PathBuf,
    /// The descriptions of the classes.
    pub descriptions: Descriptions,
    /// The longer side, in pixels, of the picture for the image tower; 0 keeps its size. Sides are rounded to
    /// whole cells.
    pub size: usize,
    /// True if the pixels are scaled and normalised as the folder says. The released PL-DC code passes 0 to
    /// 255.
    pub normalise: bool,
}

impl Checked for ClipConfig {
    fn check(&self, check: &mut Check) {
        check.within("descriptions", |check| self.descriptions.check(check));
        check.range("size", self.size, 0..=*SIDES.end());
    }
}

/// A stage of the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The third stage (1/16 of the image's size for a ResNet).
    Res4,
    /// The last stage (1/32).
    Res5,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::build;

    fn vlm(text: &str) -> Result<VisionLanguageConfig, crate::registry::ComponentErrors> {
        build(VISION_LANGUAGE_MODELS, text.parse().expect("TOML"))
    }

    #[test]
    fn the_recipe_s_model_is_known() {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml")
            .parse()
            .expect("a recipe");
        let table = recipe["method"]["correction"]["vlm"]
            .as_table()
            .expect("a table")
            .clone();
        assert!(matches!(
            build(VISION_LANGUAGE_MODELS, table),
            Ok(VisionLanguageConfig::ClipTiny(_))
        ));
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let error = vlm("name = 'prototypes'\nscale = 20.0\nimages = 0\nlevel = 'res5'")
            .expect_err("no images");
        assert_eq!(
            (error[0].key.as_str(), error[0].message.as_str()),
            ("images", "0 is out of range; allowed: 1 or more")
        );
        let error = vlm("name = 'prototypes'\nscale = 20.0\nimages = 9\nlevel = 'res6'")
            .expect_err("no such level");
        assert!(error[0].message.contains("res4"), "{error}");
        let error = vlm("name = 'clap'").expect_err("no such model");
        assert!(
            error[0]
                .message
                .contains("`clip-tiny`, `prototypes`, `clip`"),
            "{error}"
        );
        let error = vlm(
            "name = 'clip'\nweights = 'x'\nsize = 224\nnormalise = true\ndescriptions = ['a {}', 'b']",
        )
        .expect_err("no place for the class");
        assert_eq!(error[0].key, "descriptions");
        assert!(
            error[0]
                .message
                .contains("\"b\" does not fit; allowed: at least one text, each with `{}`"),
            "{error}"
        );
        let clip = |descriptions: &str| {
            vlm(&format!(
                "name = 'clip'\nweights = 'x'\nsize = 224\nnormalise = true\ndescriptions = {descriptions}"
            ))
        };
        assert!(clip("'texts.json'").is_ok());
        let error = clip("5").expect_err("neither list nor path");
        let expected = "a list of templates, or the path of a JSON file";
        assert!(error[0].message.contains(expected), "{error}");
    }
}
