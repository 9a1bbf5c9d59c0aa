//! What slides a window over a map: convolutions and pooling.

mod conv2d;
mod depthwise;
mod max_pool;
mod window;

pub use conv2d::{Epilogue, conv2d};
pub use depthwise::depthwise_conv2d;
pub use max_pool::max_pool;
pub use window::Window;
