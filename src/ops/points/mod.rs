//! Points in the unit square: drawn, chosen, and what lies there.

mod mask_stack;
pub(in crate::ops) mod point_sample;
mod random_points;
mod undecided_points;
mod weights_at;

pub use mask_stack::MaskStack;
pub use point_sample::point_sample;
pub use random_points::random_points;
pub use undecided_points::undecided_points;
pub use weights_at::weights_at;
