//! The arithmetic between other layers: linear maps, sums, activations.

mod add_relu;
mod gelu;
mod glue;
mod linear;
mod logistic;
mod mean_and_largest;
mod scale_rows;

pub use add_relu::add_relu;
pub use gelu::{Gelu, gelu};
pub use glue::{
    add, add_rows, exp_clamped, multiply, normalize_rows, repeat, scale_by, weighted_sum,
};
pub use linear::linear;
pub use logistic::logistic;
pub use mean_and_largest::mean_and_largest;
pub use scale_rows::scale_rows;
