//! The network of [`crate::graph::Mask2Former`] as a detector: its loss, its matching, and its candidates.

pub(crate) mod candidates;
mod config;
pub mod criterion;
mod inference;
pub mod matcher;
mod objects;
pub mod points;

pub(crate) use candidates::propose;
pub use candidates::{Candidate, Proposals};
pub use config::LossConfig;
pub use criterion::Criterion;
pub use inference::{Qualities, detections, predict, qualities};
pub(crate) use points::Drawn;
