//! Other sizes and orders of the same values.

mod resize;
mod resize_rows;
mod tokens;

pub use resize::{resize_bilinear, resize_planes};
pub use resize_rows::resize_rows;
pub use tokens::{concat_tokens, slice_rows, slice_tokens};
