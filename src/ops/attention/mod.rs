//! Attention: over all keys, over a few sampled places, and the mask of masked attention.

mod deformable;
mod multi_head;
mod outside_masks;

pub use deformable::{DeformInputs, deform_attention};
pub use multi_head::attention;
pub use outside_masks::{Blocked, outside_masks};
