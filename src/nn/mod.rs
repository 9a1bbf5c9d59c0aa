//! Layers: parameters together with the op that uses them.
//!
//! The constructor `new` of every layer draws the parameters from a random stream, and
//! `forward(&self, &mut Tape, ...)` applies the layer. A layer visits its parameters under the names of the
//! reference checkpoint ([`params::Parameters`]).

mod attention;
mod conv2d;
mod conv_transpose2d;
mod deform_attention;
pub mod init;
mod linear;
mod mlp;
mod norm;
pub mod params;
mod position;

pub use attention::MultiHeadAttention;
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::Conv2d;
pub use deform_attention::{DeformAttention, Levels};
pub use linear::Linear;
pub use mlp::Mlp;
pub use norm::{FrozenBatchNorm, GroupNorm, LayerNorm};
pub use position::sine_positions;
