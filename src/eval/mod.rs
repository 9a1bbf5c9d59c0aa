//! Metrics of detections against annotations: of a training's detections ([`Evaluator`]), and of two files ([`score_files`]).

mod evaluator;
mod files;
mod found;
mod metric;
mod summary;
mod zero_id;

pub use evaluator::{Evaluator, Metrics};
pub use files::{FileScores, score_files};
pub use found::Found;
pub use summary::{METRICS, Metric, Summary};
