//! What goes between the host and the place of the tensors: pictures there; single numbers and rows back.

mod pictures;
mod rows_on_host;
mod scalars;

pub use pictures::{COLOURS, LEVELS, Pixels};
pub use rows_on_host::rows_on_host;
pub use scalars::scalars;
