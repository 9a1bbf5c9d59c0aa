//! Masks of queries and of rectangles: made from embeddings, pooled over, pasted, and read.

mod above_zero;
mod foreground;
mod mask_pool;
mod mask_product;
mod paste;
mod uncertainty;

pub use above_zero::above_zero;
pub use foreground::{Foreground, foreground};
pub use mask_pool::mask_pool;
pub use mask_product::mask_product;
pub use paste::{MOST_LOGIT, PasteRule, SmallMasks, paste_mask};
pub use uncertainty::{uncertainties, uncertainty};
