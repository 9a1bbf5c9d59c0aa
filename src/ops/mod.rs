//! Fused operations on the tape, one file per op: formula, shapes, source, forward, backward.

#[cfg(test)]
pub(crate) mod check;
#[cfg(test)]
pub(crate) mod golden;

mod above_zero;
mod add_relu;
mod attention;
mod conv2d;
mod cross_entropy;
mod deform_attention;
mod deform_geometry;
mod deform_samples;
mod depthwise;
mod fold_norm;
mod foreground;
mod gelu;
mod glue;
mod group_norm;
#[allow(unsafe_code)]
mod kernels;
mod layer_norm;
mod linear;
mod mask_costs;
mod mask_pool;
mod mask_product;
mod mask_stack;
mod match_costs;
mod math;
mod max_pool;
mod outside_masks;
mod pictures;
mod point_losses;
mod point_sample;
mod random_points;
mod resize;
mod resize_rows;
mod rows_on_host;
mod scalars;
mod tokens;
mod uncertainty;
mod undecided_points;
mod weights_at;

pub use above_zero::above_zero;
pub use add_relu::add_relu;
pub use attention::attention;
pub use conv2d::{Epilogue, Window, conv2d};
pub use cross_entropy::cross_entropy;
pub use deform_attention::deform_attention;
pub use depthwise::depthwise_conv2d;
pub use fold_norm::fold_norm;
pub use foreground::{Foreground, foreground};
pub use gelu::{Gelu, gelu};
pub use glue::{add, add_rows, exp_clamped, normalize_rows, repeat, scale_by, weighted_sum};
pub use group_norm::group_norm;
#[cfg(feature = "cuda")]
pub(crate) use kernels::cuda::{AdamW, Average, Coefficients, Treatment, Walk};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use mask_costs::{MaskCosts, mask_costs};
pub use mask_pool::mask_pool;
pub use mask_product::mask_product;
pub use mask_stack::MaskStack;
pub use match_costs::{Compared, MatchCosts, match_costs};
pub use math::{sigmoid, softmax_rows};
pub use max_pool::max_pool;
pub use outside_masks::{Blocked, outside_masks};
pub use pictures::{COLOURS, LEVELS, Pixels};
pub use point_losses::{bce_points, dice_points};
pub use point_sample::point_sample;
pub use random_points::random_points;
pub use resize::{resize_bilinear, resize_planes};
pub use resize_rows::resize_rows;
pub use rows_on_host::rows_on_host;
pub use scalars::scalars;
pub use tokens::{concat_tokens, slice_rows, slice_tokens};
pub use uncertainty::{uncertainties, uncertainty};
pub use undecided_points::undecided_points;
pub use weights_at::weights_at;
