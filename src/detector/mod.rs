//! Detectors: a network that finds objects, the loss that trains it, and the reading of what it says.

mod choice;
pub mod mask2former;
mod part;
pub mod quality;
mod targets;

pub use choice::{Choice, Score, Selection};
pub use mask2former::{Candidate, Proposals};
pub use part::{EmptyImage, MaskLoss, Part};
pub use targets::Targets;
