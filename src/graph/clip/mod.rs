//! Vision-language models for the category correction (DICC), behind one small interface.
//!
//! A model gives dense features of an image and embedded descriptions of the classes. Pooling the features under a mask
//! ([`coverage`], `ops::mask_pool`) and comparing the result with the descriptions (eq. 8 and 9 of PL-DC) happens above it.

mod coverage;
mod prototypes;
mod tiny;
mod vocabulary;

pub use coverage::coverage;
pub use prototypes::{Level, Prototypes, PrototypesConfig};
pub use tiny::{ClipTiny, ClipTinyConfig, Region};

use crate::registry::{ComponentError, Entry, options};
use crate::structures::Picture;
use crate::tensor::{Map, Tensor2};

/// A dual encoder: dense image features on one side, embedded class descriptions on the other.
pub trait VisionLanguage: Send {
    /// Dense features of one image: a map of batch 1.
    fn dense(&self, picture: &Picture) -> Map;
    /// Pooled features `[n, C]` to the shared space `[n, E]`; not yet normalised.
    fn embed(&self, pooled: &Tensor2) -> Tensor2;
    /// The embedded descriptions.
    fn text(&self) -> &TextEmbeddings;
    /// The factor on the cosine similarity, already exponentiated and clamped to 100.
    fn logit_scale(&self) -> f32;
}

/// Embedded descriptions of every class.
#[derive(Clone, Debug)]
pub struct TextEmbeddings {
    /// Number of classes.
    pub classes: usize,
    /// Descriptions per class (k of the paper).
    pub descriptions: usize,
    /// `[classes * descriptions, E]`, class-major, rows L2-normalised.
    pub values: Tensor2,
}

/// The settings of a vision-language model: what `[method.correction.vlm]` says.
#[derive(Clone, Debug, PartialEq)]
pub enum VisionLanguageConfig {
    /// Trained by the harness on drawn pictures.
    ClipTiny(ClipTinyConfig),
    /// Pooled from the labelled instances on the frozen backbone.
    Prototypes(PrototypesConfig),
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
];

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

    fn vlm(text: &str) -> Result<VisionLanguageConfig, ComponentError> {
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
            (error.key.as_str(), error.message.as_str()),
            ("images", "0 is not at least 1")
        );
        let error = vlm("name = 'prototypes'\nscale = 20.0\nimages = 9\nlevel = 'res6'")
            .expect_err("no such level");
        assert!(error.message.contains("res4"), "{error}");
        let error = vlm("name = 'clip'").expect_err("no such model");
        assert!(
            error.message.contains("`clip-tiny`, `prototypes`"),
            "{error}"
        );
    }
}
