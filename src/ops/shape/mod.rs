//! Other sizes and orders of the same values.

mod addend;
mod nearest;
mod pick;
mod reshape;
mod resize;
mod resize_rows;
mod tokens;

pub use nearest::resize_nearest;
pub use pick::pick;
pub use reshape::reshape;
pub use resize::{resize_bilinear, resize_planes};
pub use resize_rows::resize_rows;
pub use tokens::{concat_tokens, slice_rows, slice_tokens};
