//! Normalisations.

mod fold_norm;
mod group_norm;
mod layer_norm;

pub use fold_norm::fold_norm;
pub use group_norm::{GroupNorm, group_norm};
pub use layer_norm::layer_norm;
