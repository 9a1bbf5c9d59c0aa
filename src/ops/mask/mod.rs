//! Masks of queries: made from embeddings, pooled over, and read.

mod above_zero;
mod foreground;
mod mask_pool;
mod mask_product;
mod uncertainty;

pub use above_zero::above_zero;
pub use foreground::{Foreground, foreground};
pub use mask_pool::mask_pool;
pub use mask_product::mask_product;
pub use uncertainty::{uncertainties, uncertainty};
