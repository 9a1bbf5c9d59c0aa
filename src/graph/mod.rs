//! The networks: Mask2Former and the vision-language models.

pub mod clip;
mod mask2former;

pub use mask2former::{LayerPredictions, Mask2Former, ModelConfig, Predictions};
