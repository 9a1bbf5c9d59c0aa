//! What training does to all parameters of a network at once, without a gradient: the optimizer's step and the moving average.
//!
//! These ops take the values of a whole network, so that a GPU needs few launches however many parameters there are.

mod adamw;
mod average;

pub use adamw::{AdamWMoments, AdamWStep, Treatment, adamw};
pub use average::average;
