//! Operations on all parameters of a network at once, without a gradient: the optimizer's step and the moving
//! average.
//!
//! These ops take the values of a whole network, so that a GPU needs few launches for any number of
//! parameters.

mod adamw;
mod average;
mod moments;
mod sgd;

pub use adamw::{AdamWStep, adamw};
pub use average::average;
pub use moments::{Moments, Treatment};
pub use sgd::{SgdStep, sgd};
