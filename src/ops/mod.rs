//! Fused operations on the tape, grouped by idea; each has a folder of its own:
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | formula, shapes, source; the op, its forward and backward on the CPU |
//! | `cuda.rs` | the same on a GPU: the launches of the kernels |
//! | `<op>.cu` | the kernels |
//!
//! An op runs where any of its inputs lies on a GPU, else on the CPU. What the CPU's code of several ops
//! shares is in `cpu/`, what the GPU's shares in `cuda/`.

#[cfg(test)]
pub(crate) mod check;
#[cfg(test)]
mod fit;
#[cfg(test)]
pub(crate) mod golden;

mod arithmetic;
mod attention;
mod boxes;
mod conv;
mod cpu;
mod cuda;
mod host;
mod loss;
mod mask;
mod math;
mod norm;
mod optim;
mod points;
mod region;
mod shape;

pub use arithmetic::*;
pub use attention::*;
pub use boxes::*;
pub use conv::*;
pub use host::*;
pub use loss::*;
pub use mask::*;
pub use math::{sigmoid, softmax_rows};
pub use norm::*;
pub use optim::*;
pub use points::*;
pub use region::*;
pub use shape::*;
