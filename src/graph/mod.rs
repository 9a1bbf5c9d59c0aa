//! The networks: Mask2Former, Mask R-CNN, CenterMask and the vision-language models.

pub mod backbone;
mod bounds;
pub mod centermask;
pub mod clip;
mod config;
mod hugging_face;
mod input;
mod interpolation;
mod mask2former;
pub mod mask_rcnn;
mod network_weights;
mod operations;
mod parameters;
mod pixel_decoder;
pub mod regional;
mod scales;
mod transformer_decoder;
mod trunk;
pub mod weights;

pub use backbone::BackboneConfig;
pub use config::ModelConfig;
pub use hugging_face::HuggingFaceFolder;
pub use input::{ChannelOrder, Images, Normaliser, Resizing, pixels};
pub use mask2former::Mask2Former;
pub use operations::Operations;
pub use pixel_decoder::PixelFeatures;
pub use transformer_decoder::{LayerPredictions, Predictions};
pub use trunk::Trunk;
