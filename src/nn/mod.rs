//! Layers: parameters plus the op that uses them.
//!
//! Every layer is made from a random stream by `new`, used by an inherent `forward(&self, &mut Tape, ...)`, and walks its
//! parameters under the names of the reference checkpoint ([`params::Parameters`]).

mod attention;
mod conv2d;
mod deform_attention;
pub mod init;
mod linear;
mod mlp;
mod norm;
pub mod params;
mod position;

pub use attention::MultiHeadAttention;
pub use conv2d::Conv2d;
pub use deform_attention::{DeformAttention, Levels};
pub use linear::Linear;
pub use mlp::Mlp;
pub use norm::{FrozenBatchNorm, GroupNorm, LayerNorm};
pub use position::sine_positions;
