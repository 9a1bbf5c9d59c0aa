//! Ops that slide a window over a map: convolutions and pooling.

mod conv2d;
mod depthwise;
mod max_pool;
mod transposed;
mod window;

pub use conv2d::{Epilogue, conv2d};
pub use depthwise::depthwise_conv2d;
pub use max_pool::max_pool;
pub use transposed::conv_transpose2d;
pub use window::Window;
