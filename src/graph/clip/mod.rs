//! Vision-language models for the category correction (DICC), behind one small interface.
//!
//! A model returns dense features of an image and embedded descriptions of the classes. The code above this
//! module pools the features under a mask ([`coverage()`], `ops::mask_pool`) and compares them with the
//! descriptions (eq. 8 and 9 of PL-DC).
//!
//! A released CLIP is read from its [`folder`]. [`model`] is the network with an image tower ([`vit`],
//! [`convnext`]) and a [`text`] tower; [`tokenizer`] and [`preprocess`] prepare its inputs; [`regions`] turns
//! it into one of these models.

pub mod convnext;
mod coverage;
mod descriptions;
pub mod folder;
mod json;
pub mod model;
mod operations;
pub mod preprocess;
mod prototypes;
pub mod regions;
mod settings;
pub mod text;
mod tiny;
pub mod tokenizer;
pub mod transformer;
pub mod vit;
mod vocabulary;

pub use coverage::coverage;
pub use descriptions::Descriptions;
pub use prototypes::Prototypes;
pub use regions::ClipRegions;
pub use settings::{
    ClipConfig, ClipTinyConfig, Level, PrototypesConfig, VISION_LANGUAGE_MODELS,
    VisionLanguageConfig,
};
pub use tiny::{ClipTiny, TrainingRegion};

use crate::structures::Picture;
use crate::tensor::{Map, Tensor2};

/// A dual encoder: dense image features on one side, embedded class descriptions on the other.
pub trait VisionLanguage: Send + Sync {
    /// The dense features of one image: a map of batch 1.
    fn dense(&self, picture: &Picture) -> Map;
    /// Maps pooled features `[n, C]` to the shared space `[n, E]`, not normalised.
    fn embed(&self, pooled: &Tensor2) -> Tensor2;
    /// The embedded descriptions.
    fn text(&self) -> &TextEmbeddings;
    /// The factor of the cosine similarity, already exponentiated and limited to 100.
    fn logit_scale(&self) -> f32;
}

/// The embedded descriptions of every class.
#[derive(Clone, Debug)]
pub struct TextEmbeddings {
    /// The number of classes.
    pub classes: usize,
    /// The number of descriptions per class (k in the paper).
    pub descriptions: usize,
    /// `[classes * descriptions, E]`, class-major, rows L2-normalised.
    pub values: Tensor2,
}
