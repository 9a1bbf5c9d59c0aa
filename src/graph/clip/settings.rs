//! The table `[method.correction.vlm]`: which vision-language model, and its settings.

use super::descriptions::Descriptions;
use crate::registry::{ComponentError, Entry, options};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The settings of a vision-language model: what `[method.correction.vlm]` says.
#[derive(Clone, Debug, PartialEq)]
pub enum VisionLanguageConfig {
    /// Trained by the harness on drawn pictures.
    ClipTiny(ClipTinyConfig),
    /// Pooled from the labelled instances on the frozen backbone.
    Prototypes(PrototypesConfig),
    /// A released CLIP.
    Clip(ClipConfig),
}

/// The vision-language models that a recipe can name under `method.correction.vlm.name`.
pub const VISION_LANGUAGE_MODELS: &[Entry<VisionLanguageConfig>] = &[
    Entry {
        name: "clip-tiny",
        about: "a small dual encoder, trained contrastively on class-balanced drawn pictures",
        build: |table| {
            let config: ClipTinyConfig = options(table)?;
            config.check()?;
            Ok(VisionLanguageConfig::ClipTiny(config))
        },
    },
    Entry {
        name: "prototypes",
        about: "class prototypes of the labelled instances on the frozen backbone; needs no text",
        build: |table| {
            let config: PrototypesConfig = options(table)?;
            config.check()?;
            Ok(VisionLanguageConfig::Prototypes(config))
        },
    },
    Entry {
        name: "clip",
        about: "a released CLIP from its folder: Hugging Face's (ViT) or OpenCLIP's (ConvNeXt, ViT)",
        build: |table| {
            let config: ClipConfig = options(table)?;
            config.check()?;
            Ok(VisionLanguageConfig::Clip(config))
        },
    },
];

/// `[method.correction.vlm]` with `name = "clip-tiny"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClipTinyConfig {
    /// Training steps.
    pub steps: usize,
    /// Class-balanced drawn pictures to train on.
    pub images: usize,
    /// Seed of the pictures, the first weights and every draw of the training.
    pub seed: u64,
    /// Pictures a step.
    pub batch: usize,
    /// Highest learning rate.
    pub rate: f64,
    /// Width E of the shared space.
    pub width: usize,
}

impl ClipTinyConfig {
    /// # Errors
    /// A value out of range, by key.
    pub fn check(&self) -> Result<(), ComponentError> {
        require(self.steps > 0, "steps", self.steps, "at least 1")?;
        require(self.images > 0, "images", self.images, "at least 1")?;
        require(
            (1..=self.images).contains(&self.batch),
            "batch",
            self.batch,
            "between 1 and `images`",
        )?;
        require(
            self.rate > 0.0 && self.rate.is_finite(),
            "rate",
            self.rate,
            "above 0",
        )?;
        require(self.width > 0, "width", self.width, "at least 1")
    }
}

/// `[method.correction.vlm]` with `name = "prototypes"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrototypesConfig {
    /// The factor on the cosine.
    pub scale: f64,
    /// At most this many labelled images are read.
    pub images: usize,
    /// The backbone's features that are pooled.
    pub level: Level,
}

impl PrototypesConfig {
    /// # Errors
    /// A value out of range, by key.
    pub fn check(&self) -> Result<(), ComponentError> {
        require(
            self.scale > 0.0 && self.scale <= 100.0,
            "scale",
            self.scale,
            "in (0, 100]",
        )?;
        require(self.images > 0, "images", self.images, "at least 1")
    }
}

/// `[method.correction.vlm]` with `name = "clip"`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClipConfig {
    /// The folder of the released model.
    pub weights: PathBuf,
    /// What is said about every class.
    pub descriptions: Descriptions,
    /// Longer side, in pixels, of the picture that the image tower sees; 0: as it is. Sides are rounded to whole cells.
    pub size: usize,
    /// Whether the pixels are scaled and normalised as the folder says; the released PL-DC code passes 0 to 255.
    pub normalise: bool,
}

impl ClipConfig {
    /// # Errors
    /// A value out of range, by key.
    pub fn check(&self) -> Result<(), ComponentError> {
        const LARGEST: usize = 1 << 13;
        self.descriptions.check()?;
        require(self.size <= LARGEST, "size", self.size, "at most 8192")
    }
}

/// A stage of the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The third stage (a sixteenth of the image for ResNet).
    Res4,
    /// The last stage (a thirty-second).
    Res5,
}

/// An error about `key` unless `holds`.
fn require(
    holds: bool,
    key: &str,
    found: impl std::fmt::Display,
    allowed: &str,
) -> Result<(), ComponentError> {
    if holds {
        Ok(())
    } else {
        Err(ComponentError::new(
            key,
            format!("{found} is not {allowed}"),
        ))
    }
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
            ("images", "0 is not at least 1")
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
            error[0].message.contains("\"b\" is not a text with `{}`"),
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
