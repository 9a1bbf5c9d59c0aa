//! Metrics of detections against annotations.

mod coco;

pub use coco::{Evaluator, Metrics};
